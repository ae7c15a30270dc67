// The peer: GELU and SiLU that save x, as ops that the library's own kernels take. So the peer has the
// same 16-byte accesses, the same number of loads in flight and the same launch policies to choose from; only its
// arithmetic, and what its backward reads, differ.
#pragma once

#include "support.cuh"

namespace bench {

// erff, as in PyTorch; the library's forward avoids it.
__device__ __forceinline__ float value(invact::gelu, float x) {
  return 0.5f * x * (1.0f + erff(x * 0.70710678f));
}
__device__ __forceinline__ float slope(invact::gelu, float x) {
  const float cumulative = 0.5f + 0.5f * erff(x * 0.70710678f);
  return fmaf(x * 0.39894228f, __expf(-0.5f * x * x), cumulative);
}
__device__ __forceinline__ float value(invact::silu, float x) { return __fdividef(x, 1.0f + __expf(-x)); }
__device__ __forceinline__ float slope(invact::silu, float x) {
  const float s = __fdividef(1.0f, 1.0f + __expf(-x));
  return s * fmaf(x, 1.0f - s, 1.0f);
}

template <class Activation, class T>
struct standard {
  using storage_type = T;
  static constexpr int mask_bits = 0;
  struct encoded {
    T y;
    uint32 piece;
  };

  __device__ __forceinline__ encoded forward(float x) const {
    return {storage_traits<T>::round(value(Activation{}, x)), 0u};
  }
  // What the kernel hands on as y is the saved x.
  __device__ __forceinline__ float backward(float dy, T x, uint32) const {
    return dy * slope(Activation{}, storage_traits<T>::load(x));
  }
};

}  // namespace bench
