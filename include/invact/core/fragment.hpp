// The registers a thread works on: N values, and the piece indices of N values.
#pragma once

#include <invact/core/bits.hpp>
#include <invact/core/packed.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

// The largest power of two that divides `bytes`, at most 16: the widest vector access it allows.
INVACT_HOST_DEVICE constexpr int fragment_alignment(int bytes) {
  int alignment = 1;
  while (alignment < 16 && bytes % (2 * alignment) == 0) alignment *= 2;
  return alignment;
}

template <bool Condition, class Then, class Else>
struct conditional {
  using type = Then;
};
template <class Then, class Else>
struct conditional<false, Then, Else> {
  using type = Else;
};

}  // namespace detail

// N values of T, aligned so that up to 16 bytes load and store as one access. Trivially copyable.
// Index it with compile-time constants (unrolled loops): a run-time index spills it on a GPU.
template <class T, int N>
struct alignas(detail::fragment_alignment(N* static_cast<int>(sizeof(T)))) fragment {
  static_assert(N > 0, "invact::fragment needs at least one element");
  using value_type = T;
  static constexpr int size = N;

  INVACT_FUNCTION T& operator[](int i) { return data[i]; }
  INVACT_FUNCTION const T& operator[](int i) const { return data[i]; }

  T data[N];
};

// The piece indices of N elements, `Bits` bits each, element i at bits [i*Bits, (i+1)*Bits): for one
// bit this is the logical bitmask's own order, so 8 elements are one byte of it. Bits may be 0: then
// it holds nothing and every index reads 0. N * Bits is at most 64.
template <int N, int Bits>
struct piece_fragment {
  static_assert(N > 0 && Bits >= 0 && Bits < 32 && N * Bits <= 64,
                "invact::piece_fragment holds at most 64 bits, 31 of an element: use a smaller fragment");
  static constexpr int size = N;
  static constexpr int bits_per_element = Bits;
  using word = typename detail::conditional<(N * Bits > 32), uint64, uint32>::type;

  INVACT_FUNCTION uint32 operator[](int i) const {
    if constexpr (Bits == 0) {
      static_cast<void>(i);
      return 0;
    } else if constexpr (Bits == 1 && sizeof(word) == 4) {
      return has_bits(bits, 1u << i);
    } else {
      return static_cast<uint32>(bits >> (i * Bits)) & ((1u << Bits) - 1u);
    }
  }

  // Sets an index that is still 0.
  INVACT_FUNCTION void insert(int i, uint32 piece) {
    if constexpr (Bits == 1 && N <= 24) {
      bits = add_if(piece, bits, 1u << i);
    } else if constexpr (Bits != 0) {
      bits |= static_cast<word>(piece) << (i * Bits);
    }
  }

  word bits = 0;
};

INVACT_NAMESPACE_END
