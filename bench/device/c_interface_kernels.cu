// The ops of one activation, INVACT_BENCH_ACTIVATION: a translation unit each, so that they compile in parallel.
#include "c_interface_op.hpp"

#include <invact/invact.cuh>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstring>

namespace bench {
namespace {

using invact::int64;
using invact::uint32;
using invact::uint8;

// One fixed mask argument, whether the op keeps one or not.
template <class Op>
cudaError_t forward(long long n, const void* x, void* y, void* mask, cudaStream_t stream) {
  using T = typename Op::storage_type;
  if constexpr (Op::mask_bits > 0) {
    return invact::device::forward(Op{}, n, static_cast<const T*>(x), static_cast<T*>(y),
                                   static_cast<uint8*>(mask), stream);
  } else {
    static_cast<void>(mask);
    return invact::device::forward(Op{}, n, static_cast<const T*>(x), static_cast<T*>(y), stream);
  }
}

template <class Op>
cudaError_t backward(long long n, const void* dy, const void* y, const void* mask, void* dx,
                     cudaStream_t stream) {
  using T = typename Op::storage_type;
  if constexpr (Op::mask_bits > 0) {
    return invact::device::backward(Op{}, n, static_cast<const T*>(dy), static_cast<const T*>(y),
                                    static_cast<const uint8*>(mask), static_cast<T*>(dx), stream);
  } else {
    static_cast<void>(mask);
    return invact::device::backward(Op{}, n, static_cast<const T*>(dy), static_cast<const T*>(y),
                                    static_cast<T*>(dx), stream);
  }
}

// What the backward multiplies dy with. An element a thread: it is there to be compared, not to be fast.
template <class Op>
__global__ void gradient_factor_kernel(int64 n, const typename Op::storage_type* y, const uint8* mask,
                                       float* g) {
  static_assert(Op::mask_bits <= 1);
  const int64 i = int64{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= n) return;
  uint32 piece = 0;
  if constexpr (Op::mask_bits > 0) piece = static_cast<uint32>(mask[i / 8]) >> (i % 8) & 1u;
  g[i] = Op{}.gradient_factor(y[i], piece);
}

template <class Op>
cudaError_t gradient_factor(long long n, const void* y, const void* mask, float* g, cudaStream_t stream) {
  constexpr int threads = 256;
  if (n == 0) return cudaSuccess;
  const int64 blocks = invact::detail::ceil_div(n, threads);
  const bool given = y != nullptr && g != nullptr && (mask != nullptr || Op::mask_bits == 0);
  if (n < 0 || !given || blocks > invact::detail::max_grid_x) return cudaErrorInvalidValue;
  return invact::detail::launch(static_cast<unsigned>(blocks), threads, stream, gradient_factor_kernel<Op>,
                                n, static_cast<const typename Op::storage_type*>(y),
                                static_cast<const uint8*>(mask), g);
}

template <class Op>
constexpr c_op erased{Op::mask_bits, forward<Op>, backward<Op>, gradient_factor<Op>};

template <class Activation, class T>
const c_op* with_packing(const char* packing) {
  if constexpr (invact::piece_bits_v<Activation> == 0) {
    static_cast<void>(packing);
    return &erased<invact::inverted<Activation, T>>;
  } else {
    if (std::strcmp(packing, "bitmask") == 0)
      return &erased<invact::inverted<Activation, T, invact::bitmask>>;
    if (std::strcmp(packing, "mantissa_bit") == 0) {
      return &erased<invact::inverted<Activation, T, invact::mantissa_bit>>;
    }
    return nullptr;
  }
}

}  // namespace

template <class Activation>
const c_op* find_op(const char* storage, const char* packing) {
  if (std::strcmp(storage, "float") == 0) return with_packing<Activation, float>(packing);
  if (std::strcmp(storage, "half") == 0) return with_packing<Activation, __half>(packing);
  if (std::strcmp(storage, "bfloat16") == 0) return with_packing<Activation, __nv_bfloat16>(packing);
  return nullptr;
}
template const c_op* find_op<invact::INVACT_BENCH_ACTIVATION>(const char*, const char*);

}  // namespace bench
