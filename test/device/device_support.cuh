// What the tests of the device-wide kernels share: checked calls, guarded device memory, and the library's ops
// applied one thread an element, which is the definition that every kernel's memory is compared with.
#pragma once

#include "host/host_support.hpp"
#include "support/catch.hpp"

#include <invact/invact.cuh>

#include <cstring>
#include <string>
#include <vector>

namespace device_test {

using namespace host_test;
using invact::matrix_shape;

inline void succeed(cudaError_t status) {
  INFO("CUDA: " << cudaGetErrorString(status));
  REQUIRE(status == cudaSuccess);
}

// Device memory of the size of a host buffer, with its bytes, guards and all.
template <class T>
class on_device {
 public:
  explicit on_device(const guarded<T>& host) : bytes_(host.bytes().size()), first_(host.first_byte()) {
    succeed(cudaMalloc(&data_, bytes_));
    succeed(cudaMemcpy(data_, host.bytes().data(), bytes_, cudaMemcpyHostToDevice));
  }
  on_device(const on_device&) = delete;
  ~on_device() { cudaFree(data_); }

  T* data() { return reinterpret_cast<T*>(data_ + first_); }
  // The whole buffer back, to be compared with what it should hold.
  void copy_to(guarded<T>& host) const {
    succeed(cudaMemcpy(host.bytes().data(), data_, bytes_, cudaMemcpyDeviceToHost));
  }

 private:
  std::size_t bytes_;
  std::size_t first_;
  unsigned char* data_ = nullptr;
};

template <class Op>
struct forward_result {
  typename Op::storage_type y;
  uint8 piece;
};

template <class Op>
__global__ void scalar_forward(int64 n, const float* x, forward_result<Op>* out) {
  const int64 i = blockIdx.x * int64{blockDim.x} + threadIdx.x;
  if (i >= n) return;
  const auto e = Op{}.forward(x[i]);
  out[i] = {e.y, static_cast<uint8>(e.piece)};
}

template <class Op>
__global__ void scalar_backward(int64 n, const float* dy, const forward_result<Op>* kept, float* dx) {
  const int64 i = blockIdx.x * int64{blockDim.x} + threadIdx.x;
  if (i < n) dx[i] = Op{}.backward(dy[i], kept[i].y, kept[i].piece);
}

template <class To, class Launch>
std::vector<To> computed(std::size_t n, const Launch& launch) {
  std::vector<To> result(n);
  To* data = nullptr;
  succeed(cudaMalloc(&data, (n + 1) * sizeof(To)));
  succeed(cudaMemset(data, 0, (n + 1) * sizeof(To)));  // the gaps in a To are copied back too
  launch(static_cast<unsigned>(n / 256 + 1), data);
  succeed(cudaGetLastError());
  succeed(cudaMemcpy(result.data(), data, n * sizeof(To), cudaMemcpyDeviceToHost));
  succeed(cudaFree(data));
  return result;
}

template <class T>
class plain_copy {
 public:
  explicit plain_copy(const std::vector<T>& from) {
    succeed(cudaMalloc(&data_, (from.size() + 1) * sizeof(T)));
    succeed(cudaMemcpy(data_, from.data(), from.size() * sizeof(T), cudaMemcpyHostToDevice));
  }
  plain_copy(const plain_copy&) = delete;
  ~plain_copy() { cudaFree(data_); }
  T* data() { return data_; }

 private:
  T* data_ = nullptr;
};

template <class Op>
std::vector<forward_result<Op>> reference_forward(const std::vector<float>& x) {
  plain_copy<float> in(x);
  return computed<forward_result<Op>>(x.size(), [&](unsigned blocks, forward_result<Op>* out) {
    scalar_forward<Op><<<blocks, 256>>>(static_cast<int64>(x.size()), in.data(), out);
  });
}

template <class Op>
std::vector<float> reference_backward(const std::vector<float>& dy,
                                      const std::vector<forward_result<Op>>& kept) {
  plain_copy<float> in(dy);
  plain_copy<forward_result<Op>> stored(kept);
  return computed<float>(dy.size(), [&](unsigned blocks, float* out) {
    scalar_backward<Op><<<blocks, 256>>>(static_cast<int64>(dy.size()), in.data(), stored.data(), out);
  });
}

// The elements that differ, the first few of them by index, and whether all guards are whole.
template <class T>
std::string differences(guarded<T>& got, guarded<T>& wanted) {
  if (got.bytes() == wanted.bytes()) return "";
  std::string text;
  int shown = 0;
  const int64 n = static_cast<int64>((got.bytes().size() - got.first_byte() - 64) / sizeof(T));
  for (int64 i = 0; i < n && shown < 5; ++i) {
    bool equal = std::memcmp(&got[i], &wanted[i], sizeof(T)) == 0;
    if constexpr (!std::is_same_v<T, uint8>) equal = equal || same(got[i], wanted[i]);
    if (equal) continue;
    text += " [" + std::to_string(i) + "]";
    ++shown;
  }
  if (!got.guards_intact()) text += " a guard";
  return text;
}

// The calls, with or without a mask as the op has it.
template <class Op, class Where, class X, class... Rest>
cudaError_t call_forward(const Op& op, const Where& where, const X* x, typename Op::storage_type* y,
                         uint8* mask, Rest... rest) {
  if constexpr (Op::mask_bits > 0) {
    return invact::device::forward(op, where, x, y, mask, rest...);
  } else {
    return invact::device::forward(op, where, x, y, rest...);
  }
}
template <class Op, class Where, class Dy, class Dx, class... Rest>
cudaError_t call_backward(const Op& op, const Where& where, const Dy* dy,
                          const typename Op::storage_type* y, const uint8* mask, Dx* dx, Rest... rest) {
  if constexpr (Op::mask_bits > 0) {
    return invact::device::backward(op, where, dy, y, mask, dx, rest...);
  } else {
    return invact::device::backward(op, where, dy, y, dx, rest...);
  }
}
template <class Op, class Shape, class X, class B, class... Rest>
cudaError_t call_forward_with_bias(const Op& op, const Shape& shape, const X* x, const B* bias,
                                   typename Op::storage_type* y, uint8* mask, Rest... rest) {
  if constexpr (Op::mask_bits > 0) {
    return invact::device::forward_with_bias(op, shape, x, bias, y, mask, rest...);
  } else {
    return invact::device::forward_with_bias(op, shape, x, bias, y, rest...);
  }
}
template <class Op, class Shape, class Dy, class Dx, class... Rest>
cudaError_t call_backward_with_bias_gradient(const Op& op, const Shape& shape, const Dy* dy,
                                             const typename Op::storage_type* y, const uint8* mask, Dx* dx,
                                             Rest... rest) {
  if constexpr (Op::mask_bits > 0) {
    return invact::device::backward_with_bias_gradient(op, shape, dy, y, mask, dx, rest...);
  } else {
    return invact::device::backward_with_bias_gradient(op, shape, dy, y, dx, rest...);
  }
}

}  // namespace device_test
