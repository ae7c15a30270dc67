// Runs of one row, in blocks of a compile-time size that the compiler vectorises.
//
// Every loop over a block goes from one local array to another, or between a local array and memory,
// and does one thing: no run-time alias check is needed (g++ -O2 vectorises only loops that need none),
// element widths are not mixed, and an output may be an input's own memory, because a block is read
// whole before any of it is written.
#pragma once

#include <invact/host/mask.hpp>
#include <invact/host/shape.hpp>

INVACT_NAMESPACE_BEGIN

namespace host {
namespace detail {

// Elements of a block. 64 floats are 256 bytes, so the few arrays of a block stay in the L1 cache.
inline constexpr int block_size = 64;
// What is left of a run goes in blocks of eight, the fewest that fill whole mask bytes.
inline constexpr int tail_size = 8;

// Stands for the bias pointer of a call without one.
struct no_bias {};
INVACT_INLINE no_bias advance(no_bias, int64) { return {}; }
template <class T>
INVACT_INLINE T* advance(T* pointer, int64 n) {
  return pointer == nullptr ? pointer : pointer + n;
}

template <int N, class T>
INVACT_INLINE void load_block(const T* from, int count, float* to) {
  T values[N] = {};
  for (int i = 0; i < count; ++i) values[i] = from[i];
  for (int i = 0; i < N; ++i) to[i] = storage_traits<T>::load(values[i]);
}

template <int N, class T>
INVACT_INLINE void store_block(const float* from, int count, T* to) {
  T values[N];
  for (int i = 0; i < N; ++i) values[i] = storage_traits<T>::round(from[i]);
  for (int i = 0; i < count; ++i) to[i] = values[i];
}

// forward() of the first `count` of N elements.
template <int N, class Op, class X, class Bias>
INVACT_INLINE void forward_block(const Op& op, int count, const X* x, Bias bias,
                                   storage_of<Op>* y, uint8* mask) {
  float in[N];
  load_block<N>(x, count, in);
  if constexpr (!invact::detail::is_same_v<Bias, no_bias>) {
    float b[N];
    load_block<N>(bias, count, b);
    for (int i = 0; i < N; ++i) in[i] = in[i] + b[i];
  }
  // Codes, not the storage type itself: g++ does not vectorise assignments of a class.
  using traits = storage_traits<storage_of<Op>>;
  typename traits::code out[N];
  uint32 pieces[N];
  for (int i = 0; i < N; ++i) {
    const auto e = op.forward(in[i]);
    out[i] = traits::to_code(e.y);
    pieces[i] = e.piece;
  }
  for (int i = 0; i < count; ++i) y[i] = traits::from_code(out[i]);
  if constexpr (Op::mask_bits > 0) {
    uint8 bytes[N];
    for (int i = 0; i < N; ++i) bytes[i] = static_cast<uint8>(pieces[i]);
    for (int i = count; i < N; ++i) bytes[i] = 0;
    uint8 packed[N / 8 * Op::mask_bits];
    for (int i = 0; i < N / 8; ++i) {
      pack_eight<Op::mask_bits>(bytes + 8 * i, packed + Op::mask_bits * i);
    }
    const int used = (count * Op::mask_bits + 7) / 8;
    for (int i = 0; i < used; ++i) mask[i] = packed[i];
  } else {
    static_cast<void>(mask);
  }
}

// The unrounded dx of the first `count` of N elements; the others are 0.
template <int N, class Op, class Dy>
INVACT_INLINE void backward_block(const Op& op, int count, const Dy* dy, const storage_of<Op>* y,
                                    const uint8* mask, float* dx) {
  using storage = storage_of<Op>;
  float in[N];
  load_block<N>(dy, count, in);
  storage kept[N] = {};
  for (int i = 0; i < count; ++i) kept[i] = y[i];
  uint32 pieces[N] = {};
  if constexpr (Op::mask_bits > 0) {
    uint8 packed[N / 8 * Op::mask_bits] = {};
    const int used = (count * Op::mask_bits + 7) / 8;
    for (int i = 0; i < used; ++i) packed[i] = mask[i];
    uint8 bytes[N];
    for (int i = 0; i < N / 8; ++i) {
      unpack_eight<Op::mask_bits>(packed + Op::mask_bits * i, bytes + 8 * i);
    }
    for (int i = 0; i < N; ++i) pieces[i] = bytes[i];
  } else {
    static_cast<void>(mask);
  }
  for (int i = 0; i < N; ++i) dx[i] = op.backward(in[i], kept[i], pieces[i]);
}

// Offset of an element's mask byte; i is a multiple of 8.
template <class Op>
constexpr int64 mask_offset(int64 i) {
  return i / 8 * Op::mask_bits;
}

// backward() of the first `count` of N elements; their unrounded dx are added to `sums`, if any.
template <int N, class Op, class Dy, class Dx>
INVACT_INLINE void backward_step(const Op& op, int count, const Dy* dy, const storage_of<Op>* y,
                                 const uint8* mask, Dx* dx, float* sums) {
  float out[N];
  backward_block<N>(op, count, dy, y, mask, out);
  store_block<N>(out, count, dx);
  if (sums != nullptr) {
    for (int k = 0; k < count; ++k) sums[k] += out[k];
  }
}

template <class Op, class X, class Bias>
INVACT_INLINE void forward_blocks(const Op& op, int64 n, const X* x, Bias bias, storage_of<Op>* y,
                                  uint8* mask) {
  int64 i = 0;
  for (; i + block_size <= n; i += block_size) {
    forward_block<block_size>(op, block_size, x + i, advance(bias, i), y + i,
                              advance(mask, mask_offset<Op>(i)));
  }
  for (; i < n; i += tail_size) {
    const int count = static_cast<int>(n - i < tail_size ? n - i : tail_size);
    forward_block<tail_size>(op, count, x + i, advance(bias, i), y + i,
                             advance(mask, mask_offset<Op>(i)));
  }
}

template <class Op, class Dy, class Dx>
INVACT_INLINE void backward_blocks(const Op& op, int64 n, const Dy* dy, const storage_of<Op>* y,
                                   const uint8* mask, Dx* dx, float* sums) {
  int64 i = 0;
  for (; i + block_size <= n; i += block_size) {
    backward_step<block_size>(op, block_size, dy + i, y + i, advance(mask, mask_offset<Op>(i)), dx + i,
                              advance(sums, i));
  }
  for (; i < n; i += tail_size) {
    const int count = static_cast<int>(n - i < tail_size ? n - i : tail_size);
    backward_step<tail_size>(op, count, dy + i, y + i, advance(mask, mask_offset<Op>(i)), dx + i,
                             advance(sums, i));
  }
}

// A build for plain x86-64 has SSE2 alone, four floats wide with no blend instruction: 2 times the speed
// of a scalar std::erf loop, where AVX2 reaches 4 (bench/host). So such a build carries the loops twice
// and asks the processor. AVX2 without FMA: a fused product would round otherwise than the op's scalar
// calls do in the same build.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__AVX2__) && !defined(__CUDACC__)
#define INVACT_DETAIL_HOST_AVX2 1

template <class Op, class X, class Bias>
__attribute__((target("avx2"))) void forward_run_avx2(const Op& op, int64 n, const X* x, Bias bias,
                                                      storage_of<Op>* y, uint8* mask) {
  forward_blocks(op, n, x, bias, y, mask);
}

template <class Op, class Dy, class Dx>
__attribute__((target("avx2"))) void backward_run_avx2(const Op& op, int64 n, const Dy* dy,
                                                       const storage_of<Op>* y, const uint8* mask,
                                                       Dx* dx, float* sums) {
  backward_blocks(op, n, dy, y, mask, dx, sums);
}
#else
#define INVACT_DETAIL_HOST_AVX2 0
#endif

// forward() of n consecutive elements whose mask starts on a byte.
template <class Op, class X, class Bias>
void forward_run(const Op& op, int64 n, const X* x, Bias bias, storage_of<Op>* y, uint8* mask) {
#if INVACT_DETAIL_HOST_AVX2
  if (__builtin_cpu_supports("avx2")) return forward_run_avx2(op, n, x, bias, y, mask);
#endif
  forward_blocks(op, n, x, bias, y, mask);
}

// backward() of n consecutive elements whose mask starts on a byte. `sums`, if any, gets the unrounded
// dx added, element by element.
template <class Op, class Dy, class Dx>
void backward_run(const Op& op, int64 n, const Dy* dy, const storage_of<Op>* y, const uint8* mask,
                  Dx* dx, float* sums) {
#if INVACT_DETAIL_HOST_AVX2
  if (__builtin_cpu_supports("avx2")) return backward_run_avx2(op, n, dy, y, mask, dx, sums);
#endif
  backward_blocks(op, n, dy, y, mask, dx, sums);
}

}  // namespace detail
}  // namespace host

INVACT_NAMESPACE_END
