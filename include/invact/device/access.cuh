// What a thread does with eight consecutive elements of a row: load, compute, store.
//
// A whole fragment of aligned rows is one access of up to 16 bytes for each 16 bytes; what is not aligned,
// and the end of a row, goes element by element. Loads are plain, not read-only ones, because an output may be
// an input's own memory; a thread stores what it alone has loaded.
#pragma once

#include <invact/core/fragment.hpp>
#include <invact/device/launch_policy.cuh>
#include <invact/op/arguments.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

template <class T>
using device_fragment = fragment<T, device_fragment_size>;

template <class Op, class = void>
inline constexpr bool has_fragments = false;
template <class Op>
inline constexpr bool has_fragments<
    Op, void_t<typename Op::template pieces<device_fragment_size>>> = true;

template <class Op>
using mask_word = typename piece_fragment<device_fragment_size, Op::mask_bits>::word;

// Elements of a row from p on, `count` of which exist, from 1 to 8. The others read as zero bits.
template <bool Vector, class T>
__device__ __forceinline__ device_fragment<T> load_fragment(const T* p, int count) {
  if (Vector && count >= device_fragment_size) return *reinterpret_cast<const device_fragment<T>*>(p);
  using traits = storage_traits<T>;
  device_fragment<T> f;
  INVACT_UNROLL
  for (int i = 0; i < device_fragment_size; ++i) {
    f[i] = i < count ? p[i] : traits::from_code(0);
  }
  return f;
}

template <bool Vector, class T>
__device__ __forceinline__ void store_fragment(T* p, int count, const device_fragment<T>& f) {
  if (Vector && count >= device_fragment_size) {
    *reinterpret_cast<device_fragment<T>*>(p) = f;
    return;
  }
  INVACT_UNROLL
  for (int i = 0; i < device_fragment_size; ++i) {
    if (i < count) p[i] = f[i];
  }
}

// The mask bytes `offset` on; nothing where an op has none.
template <int Bits, class Byte>
__device__ __forceinline__ Byte* mask_at(Byte* mask, int64 offset) {
  return Bits == 0 ? mask : mask + offset;
}

// Mask bytes have no alignment: a row starts on any byte.
template <int Bits, class Word>
__device__ __forceinline__ Word load_mask(const uint8* p, int count) {
  Word bits = 0;
  INVACT_UNROLL
  for (int i = 0; i < Bits; ++i) {
    if (8 * i < count * Bits) bits |= static_cast<Word>(p[i]) << (8 * i);
  }
  return bits;
}

// Writes the bytes that hold bits of `count` elements; their tail bits are zero.
template <int Bits, class Word>
__device__ __forceinline__ void store_mask(uint8* p, int count, Word bits) {
  if (count < device_fragment_size) bits &= (Word{1} << (count * Bits)) - 1;
  INVACT_UNROLL
  for (int i = 0; i < Bits; ++i) {
    if (8 * i < count * Bits) p[i] = static_cast<uint8>(bits >> (8 * i));
  }
}

template <class T>
__device__ __forceinline__ device_fragment<float> widen(const device_fragment<T>& from) {
  device_fragment<float> to;
  INVACT_UNROLL
  for (int i = 0; i < device_fragment_size; ++i) to[i] = storage_traits<T>::load(from[i]);
  return to;
}

template <class T>
__device__ __forceinline__ device_fragment<T> narrow(const device_fragment<float>& from) {
  device_fragment<T> to;
  INVACT_UNROLL
  for (int i = 0; i < device_fragment_size; ++i) to[i] = storage_traits<T>::round(from[i]);
  return to;
}

// forward() of loaded elements, stored. x is the sum with the bias.
template <bool Vector, class Op>
__device__ __forceinline__ void forward_fragment(const Op& op, const device_fragment<float>& x, int count,
                                                 storage_of<Op>* y, uint8* mask) {
  device_fragment<storage_of<Op>> out;
  mask_word<Op> bits = 0;
  if constexpr (has_fragments<Op>) {
    typename Op::template pieces<device_fragment_size> pieces;
    out = op.forward(x, pieces);
    bits = pieces.bits;
  } else {
    INVACT_UNROLL
    for (int i = 0; i < device_fragment_size; ++i) {
      const auto e = op.forward(x[i]);
      out[i] = e.y;
      bits |= static_cast<mask_word<Op>>(e.piece) << (i * Op::mask_bits);
    }
  }
  store_fragment<Vector>(y, count, out);
  if constexpr (Op::mask_bits > 0) {
    store_mask<Op::mask_bits>(mask, count, bits);
  } else {
    static_cast<void>(mask);
  }
}

// dx of loaded elements, unrounded.
template <class Op>
__device__ __forceinline__ device_fragment<float> backward_fragment(const Op& op,
                                                                    const device_fragment<float>& dy,
                                                                    const device_fragment<storage_of<Op>>& y,
                                                                    mask_word<Op> bits) {
  if constexpr (has_fragments<Op>) {
    typename Op::template pieces<device_fragment_size> pieces;
    pieces.bits = bits;
    return op.backward(dy, y, pieces);
  } else {
    constexpr uint32 low = (1u << Op::mask_bits) - 1u;
    device_fragment<float> dx;
    INVACT_UNROLL
    for (int i = 0; i < device_fragment_size; ++i) {
      dx[i] = op.backward(dy[i], y[i], static_cast<uint32>(bits >> (i * Op::mask_bits)) & low);
    }
    return dx;
  }
}

// What the backward loads of a fragment.
template <class Op, class Dy>
struct backward_input {
  device_fragment<Dy> dy;
  device_fragment<storage_of<Op>> y;
  mask_word<Op> bits;

  template <bool Vector>
  __device__ __forceinline__ void load(const Dy* dy_at, const storage_of<Op>* y_at, const uint8* mask,
                                       int count) {
    dy = load_fragment<Vector>(dy_at, count);
    y = load_fragment<Vector>(y_at, count);
    bits = load_mask<Op::mask_bits, mask_word<Op>>(mask, count);
  }
};

// Elements from column c on that a fragment has, 0 where there are none.
__device__ __forceinline__ int elements_at(int64 c, int64 cols) {
  const int64 left = cols - c;
  return left >= device_fragment_size ? device_fragment_size : left > 0 ? static_cast<int>(left) : 0;
}

// Whether fragments that start `ld` elements apart from `pointer` on are aligned as a vector access needs.
template <class T>
bool is_vector_aligned(const T* pointer, int64 ld) {
  constexpr int alignment = alignof(device_fragment<T>);
  return reinterpret_cast<uint64>(pointer) % alignment == 0 &&
         ld % (alignment / static_cast<int>(sizeof(T)) > 0 ? alignment / static_cast<int>(sizeof(T)) : 1) == 0;
}
inline bool is_vector_aligned(no_bias, int64) { return true; }

}  // namespace detail

INVACT_NAMESPACE_END
