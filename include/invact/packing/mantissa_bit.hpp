// The mantissa-bit packing: the piece index replaces the lowest mantissa bits of an ambiguous y.
//
// No memory beside y. With two pieces the lowest bit of an ambiguous y is 1 on the left piece. The
// encoder goes from the unrounded compute value *directly* to the nearest code with the wanted low
// bits (for one bit: error <= 1 ULP, no bias); rounding first and overwriting after would cost up to
// 2.5 ULP and a bias of -0.24 ULP.
//
// Corners. Codes outside the activation's ambiguous range, infinities and NaNs are what ordinary
// rounding gives. A y that underflows (zero or, except in half, subnormal) on a piece with a non-zero
// index becomes the smallest kept code with that index: the smallest odd *normal* number in float and
// bfloat16, so that a consumer that flushes subnormals to zero cannot erase the piece, and the
// smallest odd code (2^-24) in half, where a consumer must not flush. A finite y never becomes
// infinite by its low bits. "Nearest" at a binade edge is nearest in code order. In float every
// wrong low bit is an exact tie: it goes to the neighbour whose next bit is 0.
//
// y must stay as stored until the backward: dropout, rescaling or a cast in between breaks the bit.
#pragma once

#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

struct mantissa_bit {
  template <int PieceBits>
  static constexpr int mask_bits = 0;
  template <int PieceBits>
  static constexpr int spent_bits = PieceBits;

  template <class Activation, class Format>
  INVACT_FUNCTION static typename Format::code encode(float y, uint32 piece) {
    using code = typename Format::code;
    constexpr int bits = piece_bits_v<Activation>;
    const code rounded = Format::round(y);
    if constexpr (bits == 0) {
      static_cast<void>(piece);
      return rounded;
    } else {
      static_assert(bits < Format::mantissa_bits,
                    "invact::mantissa_bit: the storage type has too few mantissa bits for this many "
                    "pieces: use invact::bitmask");
      constexpr uint32 step = 1u << bits;
      const uint32 truncated = Format::truncate(y) & (Format::sign - 1u);
      // The nearest code with the wanted low bits is `distance` up, or `step - distance` down. What
      // truncation dropped makes up the nearer of two that seem equally far; where it dropped nothing,
      // as always in float, half a step is a tie: to the even multiple of a step.
      const uint32 distance = (piece - truncated) & (step - 1u);
      const uint32 up = truncated + distance;
      const bool exact = float_bits(Format::load(static_cast<code>(truncated))) == float_bits(absolute(y));
      const uint32 odd = (up / step) & static_cast<uint32>(exact);
      const bool take_up = ((2u * distance + odd <= step) | (up < step)) & (up < Format::infinity);
      const uint32 nearest = select(take_up, up, up - step);
      constexpr uint32 kept = Format::min_kept & ~(step - 1u);
      const bool vanishes = (truncated < Format::min_kept) & (piece != 0);
      const uint32 magnitude = select(vanishes, kept | piece, nearest);
      const uint32 packed = magnitude | (rounded & Format::sign);
      const bool takes_index = ((rounded & (Format::sign - 1u)) < Format::infinity) &
                               carries<Activation, Format>(rounded);
      return static_cast<code>(select(takes_index, packed, static_cast<uint32>(rounded)));
    }
  }

  template <class Activation, class Format>
  INVACT_FUNCTION static uint32 decode(typename Format::code code, uint32 /*mask*/) {
    constexpr int bits = piece_bits_v<Activation>;
    if constexpr (bits == 1 && Activation::ambiguous == ambiguous_range::negative) {
      return Format::has_bits(code, Format::sign | 1u);
    } else {
      constexpr uint32 low = (1u << bits) - 1u;
      return select(carries<Activation, Format>(code), code & low, 0u);
    }
  }

  // Whether a finite code lies in the activation's ambiguous range.
  template <class Activation, class Format>
  INVACT_FUNCTION static bool carries(typename Format::code code) {
    if constexpr (Activation::ambiguous == ambiguous_range::negative) {
      return (code & Format::sign) != 0;
    } else if constexpr (Activation::ambiguous == ambiguous_range::positive) {
      return (code & Format::sign) == 0;
    } else {
      static_cast<void>(code);
      return false;
    }
  }
};
static_assert(is_packing_v<mantissa_bit>);

INVACT_NAMESPACE_END
