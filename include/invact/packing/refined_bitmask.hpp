// The refined bitmask packing: y rounded as usual, and in the mask beside it Bits bits an element, which
// say more of the unrounded y than its code does: a gradient finer than the error floor of the codes.
//
//   using act = invact::inverted<invact::gelu, invact::bfloat16, invact::refined_bitmask<2>>;
//
// All y that round to one code are its cell (packing/cell.hpp). It is cut into equal parts, from the end
// next to 0 on: equal in t = sqrt(y - y_min) for an activation that says where its minimum is (lowest()),
// so that a single bit halves the errors next to it, which are the largest; but in 16-bit storage equal in
// y where |y| of the code is less than a quarter of |y_min|. And equal in y for other activations. The
// decoder takes y to be in the middle of its part.
//
// Element i has bits [Bits * i, Bits * (i + 1)) of the mask, least significant first; rows and tails as in
// the bitmask. Of a code in the activation's ambiguous range the lowest of them are the piece, 1 = left,
// and the others number the part; of other codes all Bits number it. Infinities and NaNs decode to
// themselves, and so do zeros, whatever a scale rounds to them (but LiSHT's, its minimum, and tanhshrink's,
// where a format's smallest number is normal in float) and the value of a constant piece. If Bits are as
// many as the pieces take, no cell is cut: that is the mask of the plain bitmask.
#pragma once

#include <invact/packing/bitmask.hpp>
#include <invact/packing/cell.hpp>

INVACT_NAMESPACE_BEGIN

// Bits   bits an element in the mask: at least those of the activation's pieces, 1 to 8.
template <int Bits>
struct refined_bitmask {
  static_assert(Bits >= 1 && Bits <= 8, "invact::refined_bitmask: Bits must be from 1 to 8");

  template <int PieceBits>
  static constexpr int mask_bits = Bits;
  template <int PieceBits>
  static constexpr int spent_bits = 0;
};

INVACT_NAMESPACE_END
