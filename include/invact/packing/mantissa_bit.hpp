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
// smallest odd code (2^-24) in half, where a consumer must not flush, nor with packed evaluators. A finite y never becomes
// infinite by its low bits. "Nearest" at a binade edge is nearest in code order. In float every
// wrong low bit is an exact tie: it goes to the neighbour whose next bit is 0.
//
// y must stay as stored until the backward: dropout, rescaling or a cast in between breaks the bit.
#pragma once

#include <invact/core/fragment.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

// The one-bit encoding of negative y, or of positive y, for all lanes of a word at once, without compares. In
// sm_90a code, with the piece and the rounding, 7.5 instructions an element in 16-bit storage, one more for
// positive y, where encode() takes 29 (nvcc 13.0).
template <class Lanes, class Format, ambiguous_range Range>
struct parity {
  static_assert(Range == ambiguous_range::negative || Range == ambiguous_range::positive, "one sign");
  // Positive y is encoded as -y is: what changes the sign of codes in every lane.
  static constexpr uint32 flip = Range == ambiguous_range::positive ? Lanes::all(Format::sign) : 0u;

  // The lowest code of piece 1, and of piece 0: as signed integers, codes of negative numbers ascend in
  // magnitude from the lowest integer, negative infinity and NaNs follow, then the codes without a sign.
  static constexpr uint32 smallest_odd = Format::sign | Format::min_kept | 1u;
  static constexpr uint32 smallest_even = Format::sign;

  // bits - 1 where bit 31 of `condition` is set.
  INVACT_FUNCTION static uint32 decrement_if(uint32 condition, uint32 bits) {
    return bits + static_cast<uint32>(static_cast<int32>(condition) >> 31);
  }

  // decrement_if() a code that begins at bit Lowest, with zeros below it, is 1 or 2 modulo 4: where its
  // negative has bit 1 set. A product and a shifting addition.
  template <int Lowest>
  INVACT_FUNCTION static uint32 untie(uint32 bits) {
    return decrement_if(bits * (0u - (1u << (30 - Lowest))), bits);
  }

  // `rounded` in lanes that carry no index, else the code of the parity of `smallest` (one of the two above)
  // that is nearest to y, where `truncated` are the codes of y, decremented by the least possible where they,
  // if exact, are 1 or 2 modulo 4. That makes exact y of the wrong parity, a tie, go to the neighbour that is
  // 0 or 1 modulo 4, and does nothing to others: an inexact y keeps its truncated code, and an exact one of
  // the right parity is found again.
  INVACT_FUNCTION static uint32 encode(uint32 rounded, uint32 truncated, uint32 smallest) {
    // So that nothing becomes infinite, and that what carries no index ends up below its rounded code.
    const uint32 finite = Lanes::min(truncated ^ flip, Lanes::all(Format::sign | (Format::infinity - 2u)));
    const uint32 nearest =
        Lanes::add_max(finite, masked_difference(finite, smallest, Lanes::all(1u)), smallest);
    // The rounded code where it carries no index, else the lowest integer: moved so that the former come
    // first, and back.
    const uint32 moved = Lanes::add_min(rounded, Lanes::all(0u - Format::infinity) ^ flip,
                                        Lanes::all(Format::sign - Format::infinity));
    return Lanes::add_max(moved, Lanes::all(Format::infinity), nearest) ^ flip;
  }
};

}  // namespace detail

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
      static_assert(sizeof(code) > 1,
                    "invact::mantissa_bit: FP8 storage has no mantissa bit to spare: use invact::bitmask");
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
      const bool takes_index =
          ((rounded & (Format::sign - 1u)) < Format::infinity) & carries<Activation, Format>(rounded);
      return static_cast<code>(select(takes_index, packed, static_cast<uint32>(rounded)));
    }
  }

  // Whether encode_pair() exists: for two pieces told apart by the lowest bit of y of one sign, in float and in
  // formats that convert pairs.
  template <class Activation, class Format>
  static constexpr bool encodes_pairs = piece_bits_v<Activation> == 1 &&
                                        (Activation::ambiguous == ambiguous_range::negative ||
                                         Activation::ambiguous == ambiguous_range::positive) &&
                                        (detail::is_same_v<Format, binary32_format> ||
                                         detail::converts_pairs<Format>);

  // encode() of two elements, bit for bit.
  template <class Activation, class Format>
  INVACT_FUNCTION static fragment<typename Format::code, 2> encode_pair(float first, float second,
                                                                        uint32 first_piece,
                                                                        uint32 second_piece) {
    static_assert(encodes_pairs<Activation, Format>,
                  "invact::mantissa_bit::encode_pair: not for this activation or format: use encode()");
    if constexpr (detail::is_same_v<Format, binary32_format>) {
      return {encode_word<Activation::ambiguous>(first, first_piece),
              encode_word<Activation::ambiguous>(second, second_piece)};
    } else {
      return bit_cast<fragment<typename Format::code, 2>>(
          encode_halves<Activation::ambiguous, Format>(first, second, first_piece, second_piece));
    }
  }

  // The codes of two elements whose pieces are all ones in their half of a word, or 0, of an f that is bounded below: in
  // bfloat16 what encode() gives, but for two things. An exact y of the other parity, of which the compute values of an
  // epilogue are few, always goes up. An underflow on piece 1 becomes the smallest odd code, a subnormal one: a consumer
  // that flushes it would erase the piece. Keeping it normal costs an instruction a pair, by which a GEMM with K = 1024
  // and an exposed epilogue took 2 % longer on an H200.
  template <class Activation, class Format>
  INVACT_FUNCTION static uint32 encode_packed(float first, float second, uint32 pieces) {
    static_assert(detail::is_same_v<Format, bfloat16_format> &&
                      Activation::ambiguous == ambiguous_range::negative && Activation::pieces == 2,
                  "invact::mantissa_bit: packed evaluators are for bfloat16 and an activation with two "
                  "pieces and negative ambiguous y: use invact::default_evaluator");
#if !INVACT_DEVICE_CODE
    // As the device's arithmetic makes them: of a NaN with a sign the lowest bit would be a piece.
    first = select(is_nan(first), float_from_bits(0x7fffffffu), first);
    second = select(is_nan(second), float_from_bits(0x7fffffffu), second);
#endif
    const uint32 truncated = Format::truncate_pair(first, second);
    const uint32 negative = detail::spread_signs(truncated);
    const uint32 wanted = (pieces & negative) | (Format::round_pair(first, second) & ~negative);
    return truncated + masked_difference(truncated, wanted, 0x00010001u);
  }
  // Of two codes: bits 15 and 31 are the pieces.
  INVACT_FUNCTION static uint32 decode_packed(uint32 codes, uint32 /*pieces*/) { return codes & codes << 15; }

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
      return Activation::ambiguous == ambiguous_range::any;
    }
  }

 private:
  template <ambiguous_range Range>
  INVACT_FUNCTION static uint32 encode_word(float y, uint32 piece) {
    using parity = detail::parity<word_lanes, binary32_format, Range>;
    const uint32 smallest = add_if(piece, parity::smallest_even, parity::smallest_odd);
    return parity::encode(float_bits(y), parity::template untie<0>(float_bits(y)), smallest);
  }

  template <ambiguous_range Range, class Format>
  INVACT_FUNCTION static uint32 encode_halves(float first, float second, uint32 first_piece,
                                              uint32 second_piece) {
    using parity = detail::parity<half_lanes, Format, Range>;
    constexpr int dropped_bits = binary32_format::mantissa_bits - Format::mantissa_bits;
    uint32 truncated;
    if constexpr (Format::infinity << dropped_bits == float_infinity_bits) {
      truncated =
          Format::truncate_pair(float_from_bits(parity::template untie<dropped_bits>(float_bits(first))),
                                float_from_bits(parity::template untie<dropped_bits>(float_bits(second))));
    } else {
      // A subnormal code's lowest bit may be any bit of y: look at the codes.
      const uint32 codes = Format::truncate_pair(first, second);
      constexpr uint32 one = 1u << 30;
      truncated = Format::truncate_pair(
          float_from_bits(parity::decrement_if(codes * one + one, float_bits(first))),
          float_from_bits(parity::decrement_if(codes * (one >> 16) + one, float_bits(second))));
    }
    constexpr uint32 odd = parity::smallest_odd - parity::smallest_even;
    const uint32 half = add_if(first_piece, half_lanes::all(parity::smallest_even), float_sign_mask | odd);
    const uint32 smallest = add_if(second_piece, half, float_sign_mask | odd << 16);
    return parity::encode(Format::round_pair(first, second), truncated, smallest);
  }
};
static_assert(is_packing_v<mantissa_bit>);

INVACT_NAMESPACE_END
