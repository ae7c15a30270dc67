// The bitmask packing: y rounded as usual, the piece index in a logical bit tensor beside it.
//
// Element i of a one-bit mask is bit i % 8 of byte i / 8, least significant first, 1 = left piece; what
// NumPy's packbits(bitorder='little') makes. Tail bits of the last byte are written as zero and
// ignored when read. A matrix row starts on a byte: its stride in bits is a multiple of 8.
#pragma once

#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

struct bitmask {
  // Bits kept beside each y, and mantissa bits of y given up.
  template <int PieceBits>
  static constexpr int mask_bits = PieceBits;
  template <int PieceBits>
  static constexpr int spent_bits = 0;

  // The code to store for the compute value y: round to nearest, ties to even.
  template <class Activation, class Format>
  INVACT_FUNCTION static typename Format::code encode(float y, uint32 /*piece*/) {
    return Format::round(y);
  }

  // Of two elements: codes, and pieces of which bits 15 and 31 count.
  template <class Activation, class Format>
  INVACT_FUNCTION static uint32 encode_packed(float first, float second, uint32 /*pieces*/) {
    return Format::round_pair(first, second);
  }
  INVACT_FUNCTION static uint32 decode_packed(uint32 /*codes*/, uint32 pieces) { return pieces; }

  // The piece of a stored element whose mask bits are `mask`.
  template <class Activation, class Format>
  INVACT_FUNCTION static uint32 decode(typename Format::code /*code*/, uint32 mask) {
    return mask;
  }
};
static_assert(is_packing_v<bitmask>);

// Bytes of the mask of n elements, or of one row of n elements: ceil(n * mask_bits / 8).
INVACT_HOST_DEVICE constexpr int64 mask_bytes(int64 n, int mask_bits = 1) {
  return (n / 8) * mask_bits + ((n % 8) * mask_bits + 7) / 8;
}

INVACT_NAMESPACE_END
