// What an op costs: kernels whose instructions cost.py counts. They are compiled, never run.
//
// A thread has a fragment of 8 elements: 16-byte accesses, no bounds. A baseline makes the same accesses
// and conversions without the op, so that the difference of the two is the op alone: its arithmetic,
// its packing, the constants it materialises, and conversions it makes less well than in pairs.
#include <invact/invact.hpp>

namespace {

using invact::accurate;
using invact::bfloat16;
using invact::binary16;
using invact::bitmask;
using invact::fast;
using invact::fragment;
using invact::gelu;
using invact::inverted;
using invact::mantissa_bit;
using invact::silu;
using invact::storage_traits;
using invact::uint32;
using invact::uint8;

__device__ uint32 fragment_index() { return blockIdx.x * blockDim.x + threadIdx.x; }

// The fragments are copied before use: read through the pointer, they would be loaded element by element.
template <class Op>
__device__ void forward(const fragment<float, 8>* x, fragment<typename Op::storage_type, 8>* y,
                        uint8* mask) {
  const uint32 i = fragment_index();
  const auto in = x[i];
  typename Op::template pieces<8> kept;
  y[i] = Op{}.forward(in, kept);
  if constexpr (Op::mask_bits > 0) mask[i] = static_cast<uint8>(kept.bits);
}

template <class Op>
__device__ void gradient(const fragment<typename Op::storage_type, 8>* y, const uint8* mask,
                         fragment<float, 8>* g) {
  const uint32 i = fragment_index();
  const auto in = y[i];
  typename Op::template pieces<8> kept;
  if constexpr (Op::mask_bits > 0) kept.bits = mask[i];
  g[i] = Op{}.gradient_factor(in, kept);
}

template <class Storage, class Packing>
__device__ void baseline_forward(const fragment<float, 8>* x, fragment<Storage, 8>* y, uint8* mask) {
  const uint32 i = fragment_index();
  const auto in = x[i];
  fragment<Storage, 8> out;
  INVACT_UNROLL
  for (int k = 0; k < 8; ++k) out[k] = storage_traits<Storage>::round(in[k]);
  y[i] = out;
  // Any byte that is in a register already.
  if constexpr (Packing::template mask_bits < 1 >> 0)
    mask[i] = static_cast<uint8>(invact::float_bits(in[0]));
}

template <class Storage, class Packing>
__device__ void baseline_gradient(const fragment<Storage, 8>* y, const uint8* mask, fragment<float, 8>* g) {
  const uint32 i = fragment_index();
  const auto in = y[i];
  // Volatile, as nothing uses the byte.
  if constexpr (Packing::template mask_bits < 1 >> 0)
    static_cast<void>(*static_cast<const volatile uint8*>(mask + i));
  fragment<float, 8> out;
  INVACT_UNROLL
  for (int k = 0; k < 8; ++k) out[k] = storage_traits<Storage>::load(in[k]);
  g[i] = out;
}

}  // namespace

// A kernel's name is its row's in the table, with underscores for spaces.
#define INVACT_COST_FORWARD(name, function, storage, ...)                                              \
  extern "C" __global__ void name(const fragment<float, 8>* x, fragment<storage, 8>* y, uint8* mask) { \
    function<__VA_ARGS__>(x, y, mask);                                                                 \
  }
#define INVACT_COST_GRADIENT(name, function, storage, ...)                          \
  extern "C" __global__ void name(const fragment<storage, 8>* y, const uint8* mask, \
                                  fragment<float, 8>* g) {                          \
    function<__VA_ARGS__>(y, mask, g);                                              \
  }

#define INVACT_COST_APPROXIMANT(activation, storage, packing, approximant)                               \
  INVACT_COST_GRADIENT(gradient_##activation##_##storage##_##packing##_##approximant, gradient, storage, \
                       inverted<activation, storage, packing, approximant>)
#define INVACT_COST_ACTIVATION(activation, storage, packing)                          \
  INVACT_COST_FORWARD(forward_##activation##_##storage##_##packing, forward, storage, \
                      inverted<activation, storage, packing>)                         \
  INVACT_COST_APPROXIMANT(activation, storage, packing, accurate)
#define INVACT_COST_PACKING(storage, packing)                                                              \
  INVACT_COST_FORWARD(baseline_forward_##storage##_##packing, baseline_forward, storage, storage, packing) \
  INVACT_COST_GRADIENT(baseline_gradient_##storage##_##packing, baseline_gradient, storage, storage,       \
                       packing)                                                                            \
  INVACT_COST_ACTIVATION(gelu, storage, packing)                                                           \
  INVACT_COST_ACTIVATION(silu, storage, packing)
#define INVACT_COST_STORAGE(storage)    \
  INVACT_COST_PACKING(storage, bitmask) \
  INVACT_COST_PACKING(storage, mantissa_bit)
#define INVACT_COST_FAST(storage)                            \
  INVACT_COST_APPROXIMANT(gelu, storage, bitmask, fast)      \
  INVACT_COST_APPROXIMANT(gelu, storage, mantissa_bit, fast) \
  INVACT_COST_APPROXIMANT(silu, storage, bitmask, fast)      \
  INVACT_COST_APPROXIMANT(silu, storage, mantissa_bit, fast)

INVACT_COST_STORAGE(float)
INVACT_COST_STORAGE(binary16)
INVACT_COST_STORAGE(bfloat16)
INVACT_COST_FAST(binary16)
INVACT_COST_FAST(bfloat16)
