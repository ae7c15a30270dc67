// Kernels that call an op as a user's kernel would, forward and backward, scalar and fragment. Compiled by
// nvcc (kernels.cu) and by NVRTC (nvrtc.cpp), never run.
#pragma once

#include <invact/invact.hpp>

template <class Op>
__device__ void scalar_kernel(int i, const float* x, typename Op::storage_type* y, invact::uint32* piece,
                              const float* dy, float* dx) {
  const auto e = Op{}.forward(x[i]);
  y[i] = e.y;
  piece[i] = e.piece;
  dx[i] = Op{}.backward(dy[i], y[i + 1], piece[i + 1]) + Op{}.gradient_factor(y[i + 2], piece[i + 2]);
  if constexpr (Op::mask_bits == 0) dx[i] += Op{}.backward(dy[i], y[i + 3]);
}

template <class Op, int N>
__device__ void fragment_kernel(int i, const float* x, typename Op::storage_type* y, invact::uint32* piece,
                                const float* dy, float* dx) {
  using invact::fragment;
  typename Op::template pieces<N> kept;
  const auto& in = reinterpret_cast<const fragment<float, N>*>(x)[i];
  const auto out = Op{}.forward(in, kept);
  reinterpret_cast<fragment<typename Op::storage_type, N>*>(y)[i] = out;
  piece[i] = static_cast<invact::uint32>(kept.bits);
  kept.bits = piece[i + 1];
  reinterpret_cast<fragment<float, N>*>(dx)[i] =
      Op{}.backward(reinterpret_cast<const fragment<float, N>*>(dy)[i], out, kept);
  reinterpret_cast<fragment<float, N>*>(dx)[i + 1] = Op{}.gradient_factor(out, kept);
}

template <class Op>
__global__ void use_op(const float* x, typename Op::storage_type* y, invact::uint32* piece, const float* dy,
                       float* dx) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  scalar_kernel<Op>(i, x, y, piece, dy, dx);
  fragment_kernel<Op, 8>(i, x, y, piece, dy, dx);
}

#define INVACT_TEST_KERNEL(...)                                                                           \
  template __global__ void use_op<invact::inverted<__VA_ARGS__>>(                                         \
      const float*, invact::inverted<__VA_ARGS__>::storage_type*, invact::uint32*, const float*, float*);
#define INVACT_TEST_PACKINGS(activation, storage, approximant)                        \
  INVACT_TEST_KERNEL(activation, storage, invact::bitmask, approximant)               \
  INVACT_TEST_KERNEL(activation, storage, invact::mantissa_bit, approximant)
#define INVACT_TEST_16_BIT(storage)                                                   \
  INVACT_TEST_PACKINGS(invact::gelu, storage, invact::accurate)                       \
  INVACT_TEST_PACKINGS(invact::gelu, storage, invact::fast)                           \
  INVACT_TEST_PACKINGS(invact::silu, storage, invact::accurate)                       \
  INVACT_TEST_PACKINGS(invact::silu, storage, invact::fast)

INVACT_TEST_PACKINGS(invact::gelu, float, invact::accurate)
INVACT_TEST_PACKINGS(invact::silu, float, invact::accurate)
INVACT_TEST_16_BIT(invact::binary16)
INVACT_TEST_16_BIT(invact::bfloat16)
#if INVACT_TEST_TOOLKIT_HEADERS
INVACT_TEST_16_BIT(__half)
INVACT_TEST_16_BIT(__nv_bfloat16)
#endif

// FP8 storage and refined codes.
template <class Op, int N>
__global__ void use_scaled(const float* scale, float* amax, const float* x, typename Op::storage_type* y,
                           invact::uint32* piece, float* dx) {
  using invact::fragment;
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const Op op(scale);
  typename Op::template pieces<N> kept;
  fragment<float, N> values;
  const auto in = reinterpret_cast<const fragment<float, N>*>(x)[i];
  const auto out = op.forward(in, kept, values);
  reinterpret_cast<fragment<typename Op::storage_type, N>*>(y)[i] = out;
  reinterpret_cast<fragment<float, N>*>(amax)[i] = values;
  piece[i] = static_cast<invact::uint32>(kept.bits);
  kept.bits = piece[i + 1];
  reinterpret_cast<fragment<float, N>*>(dx)[i] = op.backward(values, out, kept);
  const auto e = op.forward(x[i]);
  dx[i] += op.backward(e.value, e.y, e.piece);
}
#define INVACT_TEST_SCALED(...)                                                                        \
  template __global__ void use_scaled<invact::scaled<__VA_ARGS__>, 8>(                                 \
      const float*, float*, const float*, invact::scaled<__VA_ARGS__>::storage_type*, invact::uint32*, \
      float*);
INVACT_TEST_SCALED(invact::gelu, invact::float8_e4m3)
INVACT_TEST_SCALED(invact::hardswish, invact::float8_e5m2, invact::refined_bitmask<2>)
INVACT_TEST_KERNEL(invact::silu, invact::bfloat16, invact::refined_bitmask<4>)

// Gated units.
template <class Op>
__global__ void use_gated(const float* g, const float* u, typename Op::storage_type* kept, invact::uint32* piece,
                          float* gradients) {
  using invact::fragment;
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const auto gs = reinterpret_cast<const fragment<float, 8>*>(g)[i], us = reinterpret_cast<const fragment<float, 8>*>(u)[i];
  typename Op::template pieces<8> pieces;
  const auto h = Op{}.forward(gs, us, pieces);
  reinterpret_cast<fragment<typename Op::storage_type, 8>*>(kept)[i] = h;
  piece[i] = static_cast<invact::uint32>(pieces.bits);
  fragment<float, 8> dg, du;
  if constexpr (Op::recomputes) {
    auto again = h;
    Op{}.backward(gs, h, us, pieces, dg, du, again);
    kept[i] = again[0];
  } else {
    pieces.bits = piece[i + 1];
    Op{}.backward(gs, h, us, pieces, dg, du);
  }
  const auto e = Op{}.forward(g[i], u[i]);
  const auto d = Op{}.backward(g[i], e.h, u[i], e.piece);
  gradients[i] = dg[0] + du[1] + d.dg + d.du;
}
#define INVACT_TEST_GATED(...) \
  template __global__ void use_gated<__VA_ARGS__>(const float*, const float*, __VA_ARGS__::storage_type*, \
                                                  invact::uint32*, float*);
INVACT_TEST_GATED(invact::swiglu<invact::bfloat16>)
INVACT_TEST_GATED(invact::geglu<invact::binary16, invact::mantissa_bit>)
INVACT_TEST_GATED(invact::clamped_swiglu<invact::bfloat16, invact::mantissa_bit>)
INVACT_TEST_GATED(invact::glu<float>)
INVACT_TEST_GATED(invact::gated_recompute<invact::mish, invact::bfloat16>)

// The whole catalogue, scalar calls only.
#if INVACT_TEST_CATALOGUE
template <class Op>
__global__ void use_scalar(const float* x, typename Op::storage_type* y, invact::uint32* piece, const float* dy,
                           float* dx) {
  scalar_kernel<Op>(static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x), x, y, piece, dy, dx);
}
#define INVACT_TEST_SCALAR(activation, storage)                                                           \
  template __global__ void use_scalar<invact::inverted<invact::activation, storage>>(                     \
      const float*, invact::inverted<invact::activation, storage>::storage_type*, invact::uint32*,        \
      const float*, float*);
#define INVACT_TEST_ACTIVATION(name)    \
  INVACT_TEST_SCALAR(name, float)       \
  INVACT_TEST_SCALAR(name, invact::binary16)
INVACT_CATALOGUE(INVACT_TEST_ACTIVATION)
#endif
