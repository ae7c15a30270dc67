#include "c_interface.h"

#include <invact/invact.cuh>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstring>

namespace {

using invact::inverted;

template <class Run, class Activation, class T>
cudaError_t with_packing(const Run& run, const char* packing) {
  if (std::strcmp(packing, "bitmask") == 0) return run(inverted<Activation, T, invact::bitmask>{});
  if (std::strcmp(packing, "mantissa_bit") == 0)
    return run(inverted<Activation, T, invact::mantissa_bit>{});
  return cudaErrorInvalidValue;
}

template <class Run, class Activation>
cudaError_t with_storage(const Run& run, const char* storage, const char* packing) {
  if (std::strcmp(storage, "float") == 0) return with_packing<Run, Activation, float>(run, packing);
  if (std::strcmp(storage, "half") == 0) return with_packing<Run, Activation, __half>(run, packing);
  if (std::strcmp(storage, "bfloat16") == 0) {
    return with_packing<Run, Activation, __nv_bfloat16>(run, packing);
  }
  return cudaErrorInvalidValue;
}

// run(op) of the op with these names.
template <class Run>
cudaError_t with_op(const Run& run, const char* activation, const char* storage, const char* packing) {
  if (std::strcmp(activation, "gelu") == 0) return with_storage<Run, invact::gelu>(run, storage, packing);
  if (std::strcmp(activation, "silu") == 0) return with_storage<Run, invact::silu>(run, storage, packing);
  return cudaErrorInvalidValue;
}

// One fixed mask argument for both packings.
template <class Op>
cudaError_t forward(const Op& op, long long n, const void* x, void* y, void* mask, cudaStream_t stream) {
  using T = typename Op::storage_type;
  if constexpr (Op::mask_bits > 0) {
    return invact::device::forward(op, n, static_cast<const T*>(x), static_cast<T*>(y),
                                   static_cast<invact::uint8*>(mask), stream);
  } else {
    static_cast<void>(mask);
    return invact::device::forward(op, n, static_cast<const T*>(x), static_cast<T*>(y), stream);
  }
}

template <class Op>
cudaError_t backward(const Op& op, long long n, const void* dy, const void* y, const void* mask, void* dx,
                     cudaStream_t stream) {
  using T = typename Op::storage_type;
  if constexpr (Op::mask_bits > 0) {
    return invact::device::backward(op, n, static_cast<const T*>(dy), static_cast<const T*>(y),
                                    static_cast<const invact::uint8*>(mask), static_cast<T*>(dx), stream);
  } else {
    static_cast<void>(mask);
    return invact::device::backward(op, n, static_cast<const T*>(dy), static_cast<const T*>(y),
                                    static_cast<T*>(dx), stream);
  }
}

}  // namespace

int invact_bench_forward(const char* activation, const char* storage, const char* packing, long long n,
                         const void* x, void* y, void* mask, void* stream) {
  return with_op([&](auto op) { return forward(op, n, x, y, mask, static_cast<cudaStream_t>(stream)); },
                 activation, storage, packing);
}

int invact_bench_backward(const char* activation, const char* storage, const char* packing, long long n,
                          const void* dy, const void* y, const void* mask, void* dx, void* stream) {
  return with_op(
      [&](auto op) { return backward(op, n, dy, y, mask, dx, static_cast<cudaStream_t>(stream)); },
      activation, storage, packing);
}
