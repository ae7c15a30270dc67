// Hardshrink: f(x) = x where |x| > lambda, else 0.
#pragma once

#include <invact/approx/flat.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// Domain         all of float.
// Storage        any; a y that would be stored as 0 is stored as the format's smallest number of y's sign.
// Cost           forward 4 instructions, in float 2; gradient 3.
// Largest error  forward 0.5 ULP, next to 0 one; gradient 0.
// NaN/inf/0      NaN; +inf and -inf; +0 for |x| <= lambda, where g = 0, as autograd has it.
// Source         the definition, PyTorch's Hardshrink.
struct hardshrink {
  static constexpr int pieces = 1;
  static constexpr ambiguous_range ambiguous = ambiguous_range::none;
  static constexpr forward_weight weight = forward_weight::light;

  float lambda = 0.5f;

  // 0 <= lambda < 2^100.
  INVACT_FUNCTION bool is_valid() const { return !is_less(lambda, 0.0f) && is_less(lambda, 0x1p+100f); }

  INVACT_FUNCTION uint32 piece_index(float) const { return 0; }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    const float a = absolute(x);
    float y = x;
    if constexpr (detail::is_narrow<Format>)
      y = copy_sign(detail::apart_from_zero<Format>(a), float_bits(x) & float_sign_mask);
    return select(is_at_most(a, lambda), 0.0f, y);
  }

  static constexpr int owned_values = 2;
  INVACT_FUNCTION owned_value owned(int i) const {
    if (i == 0) return {0.0f, 0, beside::above};
    return {float_from_bits(float_sign_mask), 0, beside::below};
  }

  template <class Format, int SpentBits, class Math>
  INVACT_FUNCTION float gradient_factor(float y, uint32) const {
    return detail::slope_if(!detail::is_zero(y), 1.0f, y);
  }
};
static_assert(is_activation_v<hardshrink>);

INVACT_NAMESPACE_END
