// PReLU, leaky ReLU with a slope of either sign: f(x) = x > 0 ? x : slope * x.
#pragma once

#include <invact/approx/flat.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// With a negative slope y > 0 on both sides of 0, so positive codes carry the piece. The class does not
// depend on the slope's sign, as a learned slope may change it; where it never does, leaky_relu keeps no
// piece.
//
// Domain         all of float.
// Storage        any.
// Cost           forward 4 instructions and 1 for the piece; gradient 5.
// Largest error  forward 0.5 ULP, 1 with the mantissa bit; gradient 0.
// NaN/inf/0      NaN; the infinities that the slopes make of them, with a slope of 0 a zero for -inf; both
//                zeros are on the left piece, where g = slope. With the mantissa bit infinite codes carry
//                no piece, so +inf has g = 1 even where a negative slope made it.
// Source         the definition, PyTorch's PReLU.
struct prelu {
  static constexpr int pieces = 2;
  static constexpr ambiguous_range ambiguous = ambiguous_range::positive;
  static constexpr forward_weight weight = forward_weight::light;

  float slope = 0.25f;

  // |slope| < 2^100.
  INVACT_FUNCTION bool is_valid() const { return is_less(absolute(slope), 0x1p+100f); }

  // 1 on the left piece, x <= 0; 0 on the right, and for NaN.
  INVACT_FUNCTION uint32 piece_index(float x) const { return static_cast<uint32>(is_at_most(x, 0.0f)); }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    // +0 as -0, so that a positive slope gives -0, which needs no piece, where +0 on the left would.
    return select(is_at_most(x, 0.0f), detail::scaled(negated(absolute(x)), slope), x);
  }

  template <class Format, int SpentBits, class Math>
  INVACT_FUNCTION float gradient_factor(float y, uint32 piece) const {
    const float g = select_by_bit(is_left(y, piece), slope, 1.0f);
    return restore_nan(copy_sign(carry_nan(absolute(g), y), float_bits(g) & float_sign_mask), y);
  }

  // df/dslope: x on the left, where it is y / slope; 0 on the right. A slope of 0 keeps nothing of x and
  // gives 0.
  INVACT_FUNCTION float slope_gradient(float y, uint32 piece) const {
    return detail::unscaled(y, slope, is_left(y, piece) != 0);
  }

 private:
  // The mantissa bit keeps the index in positive codes alone; the others are the left piece's.
  INVACT_FUNCTION static uint32 is_left(float y, uint32 piece) { return piece | (float_bits(y) >> 31); }
};
static_assert(is_activation_v<prelu>);

INVACT_NAMESPACE_END
