// Runs of one row, in blocks of a compile-time size that the compiler vectorises.
//
// Every loop over a block writes local arrays or copies one out: it needs no run-time alias check (g++
// -O2 vectorises only loops that need none), and an output may be an input's own memory, because a block
// is read whole before any of it is written.
#pragma once

#include <invact/host/mask.hpp>
#include <invact/host/shape.hpp>

INVACT_NAMESPACE_BEGIN

INVACT_HOST_NAMESPACE_BEGIN
namespace detail {

// Elements of a block. 64 floats are 256 bytes, so the few arrays of a block stay in the L1 cache.
inline constexpr int block_size = 64;
// What is left of a run goes in blocks of eight, the fewest that fill whole mask bytes.
inline constexpr int tail_size = 8;

// `pointer` n elements on; a null pointer stays one, and no_bias what it is.
INVACT_INLINE no_bias advance(no_bias, int64) { return {}; }
template <class T>
INVACT_INLINE T* advance(T* pointer, int64 n) {
  return pointer == nullptr ? pointer : pointer + n;
}

// Makes the compiler compute `bytes`, which nobody reads. Beside 32-bit values a loop that also stores
// bytes is vectorised four vectors at a time, and that hides the latency of the long chains in an op:
// 1.3 to 2 times the speed (bench/host). Ops with a mask have their pieces for it.
template <int N>
INVACT_INLINE void keep(const uint8 (&bytes)[N]) {
#if defined(__GNUC__)
  asm volatile("" : : "m"(bytes));
#else
  static_cast<void>(bytes);
#endif
}

// forward() of N elements. The first `count` are recorded.
template <int N, class Op, class X, class Bias>
INVACT_INLINE void forward_block(const Op& op, const X* x, Bias bias, storage_of<Op>* y, uint8* mask,
                                 int count, amax_record<Op>& record) {
  // Codes, not the storage type itself: g++ does not vectorise assignments of a class.
  using traits = storage_traits<storage_of<Op>>;
  typename traits::code codes[N];
  uint8 pieces[N];  // or any byte: see keep
  float values[N];
  for (int i = 0; i < N; ++i) {
    float value = storage_traits<X>::load(x[i]);
    if constexpr (!invact::detail::is_same_v<Bias, no_bias>) {
      value = value + storage_traits<bias_element<Bias>>::load(bias[i]);
    }
    const auto e = op.forward(value);
    codes[i] = traits::to_code(e.y);
    pieces[i] = static_cast<uint8>(Op::mask_bits > 0 ? e.piece : codes[i]);
    if constexpr (has_amax<Op>) values[i] = e.value;
  }
  if constexpr (has_amax<Op>) {
    for (int i = 0; i < N; ++i) record.add(values[i], i < count);
  } else {
    static_cast<void>(values);
    static_cast<void>(count);
    static_cast<void>(record);
  }
  for (int i = 0; i < N; ++i) y[i] = traits::from_code(codes[i]);
  if constexpr (Op::mask_bits > 0) {
    uint8 packed[N / 8 * Op::mask_bits];
    for (int i = 0; i < N / 8; ++i) {
      pack_eight<Op::mask_bits>(pieces + 8 * i, packed + Op::mask_bits * i);
    }
    for (int i = 0; i < N / 8 * Op::mask_bits; ++i) mask[i] = packed[i];
  } else {
    static_cast<void>(mask);
    keep(pieces);
  }
}

// backward() of N elements. Their unrounded dx are added to `sums`, if any.
template <int N, class Op, class Dy, class Dx>
INVACT_INLINE void backward_block(const Op& op, const Dy* dy, const storage_of<Op>* y, const uint8* mask,
                                  Dx* dx, float* sums) {
  uint8 pieces[N] = {};
  if constexpr (Op::mask_bits > 0) {
    for (int i = 0; i < N / 8; ++i) {
      unpack_eight<Op::mask_bits>(mask + Op::mask_bits * i, pieces + 8 * i);
    }
  } else {
    static_cast<void>(mask);
  }
  float values[N];
  uint8 low[N];
  for (int i = 0; i < N; ++i) {
    values[i] = op.backward(storage_traits<Dy>::load(dy[i]), y[i], uint32{pieces[i]});
    low[i] = static_cast<uint8>(float_bits(values[i]));
  }
  if constexpr (Op::mask_bits == 0) keep(low);
  using traits = storage_traits<Dx>;
  typename traits::code codes[N];
  for (int i = 0; i < N; ++i) codes[i] = traits::to_code(traits::round(values[i]));
  for (int i = 0; i < N; ++i) dx[i] = traits::from_code(codes[i]);
  if (sums != nullptr) {
    for (int i = 0; i < N; ++i) sums[i] += values[i];
  }
}

// Offset of an element's mask byte; i is a multiple of 8.
template <class Op>
constexpr int64 mask_offset(int64 i) {
  return i / 8 * Op::mask_bits;
}

// Copies of the ends of tensors, padded with zero bits to a block.
template <class T>
struct padded_tail {
  padded_tail(const T* from, int count) {
    for (int i = 0; i < count; ++i) values[i] = from[i];
  }
  T values[tail_size] = {};
};

// forward() of the last `count` < tail_size elements of a run.
template <class Op, class X, class Bias>
INVACT_INLINE void forward_tail(const Op& op, int count, const X* x, Bias bias, storage_of<Op>* y,
                                uint8* mask, amax_record<Op>& record) {
  const padded_tail<X> in(x, count);
  storage_of<Op> out[tail_size];
  uint8 bits[max_mask_bits] = {};
  if constexpr (invact::detail::is_same_v<Bias, no_bias>) {
    forward_block<tail_size>(op, in.values, bias, out, bits, count, record);
  } else {
    const padded_tail<bias_element<Bias>> b(bias, count);
    forward_block<tail_size>(op, in.values, &b.values[0], out, bits, count, record);
  }
  for (int i = 0; i < count; ++i) y[i] = out[i];
  // The padding has pieces too: only the elements' own bits are kept.
  for (int i = 0; 8 * i < count * Op::mask_bits; ++i) {
    const int valid = count * Op::mask_bits - 8 * i;
    mask[i] = static_cast<uint8>(valid >= 8 ? bits[i] : bits[i] & ((1 << valid) - 1));
  }
}

// backward() of the last `count` < tail_size elements of a run.
template <class Op, class Dy, class Dx>
INVACT_INLINE void backward_tail(const Op& op, int count, const Dy* dy, const storage_of<Op>* y,
                                 const uint8* mask, Dx* dx, float* sums) {
  const padded_tail<Dy> in(dy, count);
  const padded_tail<storage_of<Op>> kept(y, count);
  uint8 bits[max_mask_bits] = {};
  for (int i = 0; 8 * i < count * Op::mask_bits; ++i) bits[i] = mask[i];
  Dx out[tail_size];
  float added[tail_size] = {};
  backward_block<tail_size>(op, in.values, kept.values, bits, out, added);
  for (int i = 0; i < count; ++i) dx[i] = out[i];
  if (sums != nullptr) {
    for (int i = 0; i < count; ++i) sums[i] += added[i];
  }
}

template <class Op, class X, class Bias>
INVACT_INLINE void forward_blocks(const Op& op, int64 n, const X* x, Bias bias, storage_of<Op>* y,
                                  uint8* mask, amax_record<Op>& record) {
  int64 i = 0;
  for (; n - i >= block_size; i += block_size) {
    forward_block<block_size>(op, x + i, advance(bias, i), y + i, advance(mask, mask_offset<Op>(i)),
                              block_size, record);
  }
  for (; n - i >= tail_size; i += tail_size) {
    forward_block<tail_size>(op, x + i, advance(bias, i), y + i, advance(mask, mask_offset<Op>(i)),
                             tail_size, record);
  }
  if (i < n) {
    forward_tail(op, static_cast<int>(n - i), x + i, advance(bias, i), y + i,
                 advance(mask, mask_offset<Op>(i)), record);
  }
}

template <class Op, class Dy, class Dx>
INVACT_INLINE void backward_blocks(const Op& op, int64 n, const Dy* dy, const storage_of<Op>* y,
                                   const uint8* mask, Dx* dx, float* sums) {
  int64 i = 0;
  for (; n - i >= block_size; i += block_size) {
    backward_block<block_size>(op, dy + i, y + i, advance(mask, mask_offset<Op>(i)), dx + i,
                               advance(sums, i));
  }
  for (; n - i >= tail_size; i += tail_size) {
    backward_block<tail_size>(op, dy + i, y + i, advance(mask, mask_offset<Op>(i)), dx + i,
                              advance(sums, i));
  }
  if (i < n) {
    backward_tail(op, static_cast<int>(n - i), dy + i, y + i, advance(mask, mask_offset<Op>(i)), dx + i,
                  advance(sums, i));
  }
}

// The loops over blocks are never inlined: parameters cannot point to a function's own local arrays, so
// that no alias check is needed, while pointers out of a caller's closure might.
#if defined(_MSC_VER)
#define INVACT_DETAIL_NOINLINE __declspec(noinline)
#else
#define INVACT_DETAIL_NOINLINE __attribute__((noinline))
#endif

// A build for plain x86-64 has SSE2 alone, four floats wide with no blend instruction: 2 times the speed
// of a scalar std::erf loop, where AVX2 reaches 4 (bench/host). So such a build carries the loops twice
// and asks the processor. AVX2 without FMA: a fused product would round otherwise than the op's scalar
// calls do in the same build. Host code of .cu files keeps the one build that its flags ask for.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__AVX2__) && !defined(__CUDACC__)
#define INVACT_DETAIL_HOST_AVX2 1

template <class Op, class X, class Bias>
INVACT_DETAIL_NOINLINE __attribute__((target("avx2"))) void forward_run_avx2(const Op& op, int64 n,
                                                                             const X* x, Bias bias,
                                                                             storage_of<Op>* y, uint8* mask,
                                                                             amax_record<Op>& record) {
  forward_blocks(op, n, x, bias, y, mask, record);
}

template <class Op, class Dy, class Dx>
INVACT_DETAIL_NOINLINE __attribute__((target("avx2"))) void backward_run_avx2(
    const Op& op, int64 n, const Dy* dy, const storage_of<Op>* y, const uint8* mask, Dx* dx, float* sums) {
  backward_blocks(op, n, dy, y, mask, dx, sums);
}
#else
#define INVACT_DETAIL_HOST_AVX2 0
#endif

template <class Op, class X, class Bias>
INVACT_DETAIL_NOINLINE void forward_run_baseline(const Op& op, int64 n, const X* x, Bias bias,
                                                 storage_of<Op>* y, uint8* mask, amax_record<Op>& record) {
  forward_blocks(op, n, x, bias, y, mask, record);
}

template <class Op, class Dy, class Dx>
INVACT_DETAIL_NOINLINE void backward_run_baseline(const Op& op, int64 n, const Dy* dy,
                                                  const storage_of<Op>* y, const uint8* mask, Dx* dx,
                                                  float* sums) {
  backward_blocks(op, n, dy, y, mask, dx, sums);
}

// forward() of n consecutive elements whose mask starts on a byte, recorded.
template <class Op, class X, class Bias>
void forward_run(const Op& op, int64 n, const X* x, Bias bias, storage_of<Op>* y, uint8* mask,
                 amax_record<Op>& record) {
#if INVACT_DETAIL_HOST_AVX2
  if (__builtin_cpu_supports("avx2")) return forward_run_avx2(op, n, x, bias, y, mask, record);
#endif
  forward_run_baseline(op, n, x, bias, y, mask, record);
}

// backward() of n consecutive elements whose mask starts on a byte. `sums`, if any, gets the unrounded
// dx added, element by element.
template <class Op, class Dy, class Dx>
void backward_run(const Op& op, int64 n, const Dy* dy, const storage_of<Op>* y, const uint8* mask, Dx* dx,
                  float* sums) {
#if INVACT_DETAIL_HOST_AVX2
  if (__builtin_cpu_supports("avx2")) return backward_run_avx2(op, n, dy, y, mask, dx, sums);
#endif
  backward_run_baseline(op, n, dy, y, mask, dx, sums);
}

}  // namespace detail
INVACT_HOST_NAMESPACE_END

INVACT_NAMESPACE_END
