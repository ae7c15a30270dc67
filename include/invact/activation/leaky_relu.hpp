// Leaky ReLU with a slope that is not negative: f(x) = x > 0 ? x : slope * x. For other slopes: prelu.
#pragma once

#include <invact/approx/flat.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// y has the sign of x, which tells the slope, so it needs no piece index.
//
// Domain         all of float.
// Storage        any; an x > 0 that would be stored as 0 is stored as the format's smallest number.
// Cost           forward 4 instructions, in float 3; gradient 3.
// Largest error  forward 0.5 ULP, above 0 one; gradient 0.
// NaN/inf/0      NaN; +inf and -inf, with a slope of 0 -0 for -inf; zeros keep their sign, -0 for an
//                underflow on the left; g = slope at both.
// Source         the definition, PyTorch's LeakyReLU.
struct leaky_relu {
  static constexpr int pieces = 1;
  static constexpr ambiguous_range ambiguous = ambiguous_range::none;
  static constexpr forward_weight weight = forward_weight::light;

  float slope = 0.01f;

  // 0 <= slope < 2^100.
  INVACT_FUNCTION bool is_valid() const { return !is_less(slope, 0.0f) && is_less(slope, 0x1p+100f); }

  INVACT_FUNCTION uint32 piece_index(float) const { return 0; }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    return select(is_above_zero(x), detail::apart_from_zero<Format>(x), detail::scaled(x, slope));
  }

  static constexpr int owned_values = 1;
  INVACT_FUNCTION owned_value owned(int) const { return {0.0f, 0, beside::above}; }

  template <class Format, int SpentBits, class Math>
  INVACT_FUNCTION float gradient_factor(float y, uint32) const {
    return restore_nan(carry_nan(select(is_above_zero(y), 1.0f, slope), y), y);
  }

  // df/dslope: x on the left, where it is y / slope; 0 on the right. A slope of 0 keeps nothing of x and
  // gives 0.
  INVACT_FUNCTION float slope_gradient(float y, uint32 /*piece*/) const {
    return detail::unscaled(y, slope, !is_above_zero(y));
  }
};
static_assert(is_activation_v<leaky_relu>);

INVACT_NAMESPACE_END
