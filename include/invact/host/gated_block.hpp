// Runs of one row of gated units, in blocks of a compile-time size that the compiler vectorises: see block.hpp.
#pragma once

#include <invact/host/block.hpp>
#include <invact/op/gated_arguments.hpp>

INVACT_NAMESPACE_BEGIN

INVACT_HOST_NAMESPACE_BEGIN
namespace detail {

using invact::detail::gated_storage_of;

template <class T>
using code_of = typename storage_traits<T>::code;

// Of N elements, the first `count`, which are all where Whole; the others are zero bits. Step is the distance of
// neighbours.
template <bool Whole, int Step = 1, int N, class T>
INVACT_INLINE void load_codes(const T* from, int count, code_of<T> (&to)[N]) {
  if constexpr (!Whole) {
    for (int i = 0; i < N; ++i) to[i] = 0;
  }
  for (int i = 0; i < (Whole ? N : count); ++i) to[i] = storage_traits<T>::to_code(from[Step * i]);
}
template <bool Whole, int Step = 1, int N, class T>
INVACT_INLINE void load_floats(const T* from, int count, float (&to)[N]) {
  using traits = storage_traits<T>;
  code_of<T> codes[N];
  load_codes<Whole, Step>(from, count, codes);
  for (int i = 0; i < N; ++i) to[i] = traits::load(traits::from_code(codes[i]));
}
template <bool Whole, int Step = 1, int N, class T>
INVACT_INLINE void store_codes(const code_of<T> (&from)[N], int count, T* to) {
  for (int i = 0; i < (Whole ? N : count); ++i) to[Step * i] = storage_traits<T>::from_code(from[i]);
}
template <bool Whole, int Step = 1, int N, class T>
INVACT_INLINE void store_rounded(const float (&from)[N], int count, T* to) {
  using traits = storage_traits<T>;
  code_of<T> codes[N];
  for (int i = 0; i < N; ++i) codes[i] = traits::to_code(traits::round(from[i]));
  store_codes<Whole, Step>(codes, count, to);
}

// g and u: two tensors, or pairs in one, whose u is written as a tensor of its own where there is one. Of a row, at
// element c of it.
template <class G, class U>
struct separate_units {
  const G* g;
  const U* u;

  separate_units at(int64 c) const { return {g + c, u + c}; }
  template <bool Whole, int N>
  INVACT_INLINE void load(int count, float (&to_g)[N], float (&to_u)[N]) const {
    load_floats<Whole>(g, count, to_g);
    load_floats<Whole>(u, count, to_u);
  }
};
template <class X, class U>
struct interleaved_units {
  const X* pairs;
  U* u;

  interleaved_units at(int64 c) const { return {pairs + 2 * c, advance(u, c)}; }
  template <bool Whole, int N>
  INVACT_INLINE void load(int count, float (&to_g)[N], float (&to_u)[N]) const {
    load_floats<Whole, 2>(pairs, count, to_g);
    // An odd end has its u, too.
    load_floats<Whole, 2>(pairs + 1, count, to_u);
    if (u == nullptr) return;
    using traits = storage_traits<U>;
    code_of<U> codes[N];
    for (int i = 0; i < N; ++i) codes[i] = traits::to_code(traits::round(to_u[i]));
    for (int i = 0; i < N; ++i) to_u[i] = traits::load(traits::from_code(codes[i]));
    store_codes<Whole>(codes, count, u);
  }
};

// What a backward takes beside dh: h or g as it is stored, and u; or pairs of g and u.
template <class Kept, class U>
struct separate_kept {
  const Kept* kept;
  const U* u;

  separate_kept at(int64 c) const { return {kept + c, u + c}; }
  template <bool Whole, int N>
  INVACT_INLINE void load(int count, code_of<Kept> (&to_kept)[N], float (&to_u)[N]) const {
    load_codes<Whole>(kept, count, to_kept);
    load_floats<Whole>(u, count, to_u);
  }
};
template <class Kept>
struct interleaved_kept {
  const Kept* pairs;

  interleaved_kept at(int64 c) const { return {pairs + 2 * c}; }
  template <bool Whole, int N>
  INVACT_INLINE void load(int count, code_of<Kept> (&to_kept)[N], float (&to_u)[N]) const {
    load_codes<Whole, 2>(pairs, count, to_kept);
    load_floats<Whole, 2>(pairs + 1, count, to_u);
  }
};

template <class Dg, class Du>
struct separate_gradients {
  Dg* dg;
  Du* du;

  separate_gradients at(int64 c) const { return {dg + c, du + c}; }
  template <bool Whole, int N>
  INVACT_INLINE void store(int count, const float (&from_g)[N], const float (&from_u)[N]) const {
    store_rounded<Whole>(from_g, count, dg);
    store_rounded<Whole>(from_u, count, du);
  }
};
template <class D>
struct interleaved_gradients {
  D* pairs;

  interleaved_gradients at(int64 c) const { return {pairs + 2 * c}; }
  template <bool Whole, int N>
  INVACT_INLINE void store(int count, const float (&from_g)[N], const float (&from_u)[N]) const {
    store_rounded<Whole, 2>(from_g, count, pairs);
    store_rounded<Whole, 2>(from_u, count, pairs + 1);
  }
};

template <bool Whole, int N, class Op, class Units>
INVACT_INLINE void forward_gated_block(const Op& op, int count, const Units& units, gated_storage_of<Op>* h,
                                       uint8* mask) {
  using traits = storage_traits<gated_storage_of<Op>>;
  float g[N], u[N];
  units.template load<Whole>(count, g, u);
  typename traits::code codes[N];
  uint8 pieces[N];  // or any byte: see keep
  for (int i = 0; i < N; ++i) {
    const auto e = op.forward(g[i], u[i]);
    codes[i] = traits::to_code(e.h);
    pieces[i] = static_cast<uint8>(Op::mask_bits > 0 ? e.piece : codes[i]);
  }
  store_codes<Whole>(codes, count, h);
  if constexpr (Op::mask_bits > 0) {
    uint8 packed[N / 8 * Op::mask_bits];
    for (int i = 0; i < N / 8; ++i) pack_eight<Op::mask_bits>(pieces + 8 * i, packed + Op::mask_bits * i);
    for (int i = 0; 8 * i < (Whole ? N : count) * Op::mask_bits; ++i) {
      // The padding has pieces too: only the elements' own bits are kept.
      const int valid = (Whole ? N : count) * Op::mask_bits - 8 * i;
      mask[i] = static_cast<uint8>(valid >= 8 ? packed[i] : packed[i] & ((1 << valid) - 1));
    }
  } else {
    static_cast<void>(mask);
    keep(pieces);
  }
}

// `h` is null where it is not written.
template <bool Whole, int N, class Op, class Dh, class Kept, class Gradients>
INVACT_INLINE void backward_gated_block(const Op& op, int count, const Dh* dh, const Kept& kept, const uint8* mask,
                                        const Gradients& gradients, gated_storage_of<Op>* h) {
  using traits = storage_traits<gated_storage_of<Op>>;
  uint8 pieces[N] = {};
  if constexpr (Op::mask_bits > 0) {
    uint8 bits[N / 8 * Op::mask_bits] = {};
    for (int i = 0; 8 * i < (Whole ? N : count) * Op::mask_bits; ++i) bits[i] = mask[i];
    for (int i = 0; i < N / 8; ++i) unpack_eight<Op::mask_bits>(bits + Op::mask_bits * i, pieces + 8 * i);
  } else {
    static_cast<void>(mask);
  }
  float dy[N], u[N], dg[N], du[N];
  typename traits::code codes[N];
  uint8 low[N];
  load_floats<Whole>(dh, count, dy);
  kept.template load<Whole>(count, codes, u);
  for (int i = 0; i < N; ++i) {
    const auto d = op.backward(dy[i], traits::from_code(codes[i]), u[i], uint32{pieces[i]});
    dg[i] = d.dg;
    du[i] = d.du;
    low[i] = static_cast<uint8>(float_bits(dg[i]));
    if constexpr (Op::recomputes) codes[i] = traits::to_code(d.h);
  }
  if constexpr (Op::mask_bits == 0) keep(low);
  gradients.template store<Whole>(count, dg, du);
  if constexpr (Op::recomputes) {
    if (h != nullptr) store_codes<Whole>(codes, count, h);
  } else {
    static_cast<void>(h);
  }
}

template <class Op, class Units>
INVACT_INLINE void forward_gated_blocks(const Op& op, int64 n, const Units& units, gated_storage_of<Op>* h,
                                        uint8* mask) {
  int64 i = 0;
  for (; n - i >= block_size; i += block_size)
    forward_gated_block<true, block_size>(op, block_size, units.at(i), h + i, advance(mask, mask_offset<Op>(i)));
  for (; n - i >= tail_size; i += tail_size)
    forward_gated_block<true, tail_size>(op, tail_size, units.at(i), h + i, advance(mask, mask_offset<Op>(i)));
  if (i < n)
    forward_gated_block<false, tail_size>(op, static_cast<int>(n - i), units.at(i), h + i,
                                          advance(mask, mask_offset<Op>(i)));
}

template <class Op, class Dh, class Kept, class Gradients>
INVACT_INLINE void backward_gated_blocks(const Op& op, int64 n, const Dh* dh, const Kept& kept, const uint8* mask,
                                         const Gradients& gradients, gated_storage_of<Op>* h) {
  int64 i = 0;
  for (; n - i >= block_size; i += block_size)
    backward_gated_block<true, block_size>(op, block_size, dh + i, kept.at(i), advance(mask, mask_offset<Op>(i)),
                                           gradients.at(i), advance(h, i));
  for (; n - i >= tail_size; i += tail_size)
    backward_gated_block<true, tail_size>(op, tail_size, dh + i, kept.at(i), advance(mask, mask_offset<Op>(i)),
                                          gradients.at(i), advance(h, i));
  if (i < n)
    backward_gated_block<false, tail_size>(op, static_cast<int>(n - i), dh + i, kept.at(i),
                                           advance(mask, mask_offset<Op>(i)), gradients.at(i), advance(h, i));
}

#if INVACT_DETAIL_HOST_AVX2
template <class Op, class Units>
INVACT_DETAIL_NOINLINE __attribute__((target("avx2"))) void forward_gated_run_avx2(const Op& op, int64 n,
                                                                                   const Units& units,
                                                                                   gated_storage_of<Op>* h,
                                                                                   uint8* mask) {
  forward_gated_blocks(op, n, units, h, mask);
}
template <class Op, class Dh, class Kept, class Gradients>
INVACT_DETAIL_NOINLINE __attribute__((target("avx2"))) void backward_gated_run_avx2(
    const Op& op, int64 n, const Dh* dh, const Kept& kept, const uint8* mask, const Gradients& gradients,
    gated_storage_of<Op>* h) {
  backward_gated_blocks(op, n, dh, kept, mask, gradients, h);
}
#endif
template <class Op, class Units>
INVACT_DETAIL_NOINLINE void forward_gated_run_baseline(const Op& op, int64 n, const Units& units,
                                                       gated_storage_of<Op>* h, uint8* mask) {
  forward_gated_blocks(op, n, units, h, mask);
}
template <class Op, class Dh, class Kept, class Gradients>
INVACT_DETAIL_NOINLINE void backward_gated_run_baseline(const Op& op, int64 n, const Dh* dh, const Kept& kept,
                                                        const uint8* mask, const Gradients& gradients,
                                                        gated_storage_of<Op>* h) {
  backward_gated_blocks(op, n, dh, kept, mask, gradients, h);
}

// n consecutive units whose mask starts on a byte.
template <class Op, class Units>
void forward_gated_run(const Op& op, int64 n, const Units& units, gated_storage_of<Op>* h, uint8* mask) {
#if INVACT_DETAIL_HOST_AVX2
  if (__builtin_cpu_supports("avx2")) return forward_gated_run_avx2(op, n, units, h, mask);
#endif
  forward_gated_run_baseline(op, n, units, h, mask);
}
template <class Op, class Dh, class Kept, class Gradients>
void backward_gated_run(const Op& op, int64 n, const Dh* dh, const Kept& kept, const uint8* mask,
                        const Gradients& gradients, gated_storage_of<Op>* h) {
#if INVACT_DETAIL_HOST_AVX2
  if (__builtin_cpu_supports("avx2")) return backward_gated_run_avx2(op, n, dh, kept, mask, gradients, h);
#endif
  backward_gated_run_baseline(op, n, dh, kept, mask, gradients, h);
}

}  // namespace detail
INVACT_HOST_NAMESPACE_END

INVACT_NAMESPACE_END
