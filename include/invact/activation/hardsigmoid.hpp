// Hardsigmoid: f(x) = min(max(x + 3, 0), 6) / 6.
#pragma once

#include <invact/approx/flat.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// Domain         all of float.
// Storage        any; an x in (-3, 3) whose y would be stored as 0 or 1 is stored as the number beside it.
// Cost           forward 6 instructions; gradient 4.
// Largest error  forward 0.5 ULP, next to 1 one, in float 1.34; gradient 0.
// NaN/inf        NaN; 1, and +0 for -inf. g = 0 at x = -3 and 3, as autograd has it, and 1/6, rounded,
//                between.
// Source         the definition, PyTorch's Hardsigmoid.
struct hardsigmoid {
  static constexpr int pieces = 1;
  static constexpr ambiguous_range ambiguous = ambiguous_range::none;
  static constexpr forward_weight weight = forward_weight::light;

  INVACT_FUNCTION uint32 piece_index(float) const { return 0; }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    // The sum is exact near -3: the smallest y, 2^-22 / 6, is not stored as 0 but in eight bits.
    constexpr bool reaches_zero = detail::least<Format> > 0x1p-23f;
    const float y = larger((x + 3.0f) * (1.0f / 6.0f), reaches_zero ? detail::least<Format> : 0.0f);
    const float below_one = smaller(y, 1.0f - detail::epsilon<Format> / 2.0f);
    const float kept = select(is_at_least(x, 3.0f), 1.0f, below_one);
    return reaches_zero ? select(is_at_most(x, -3.0f), 0.0f, kept) : kept;
  }

  static constexpr int owned_values = 2;
  INVACT_FUNCTION owned_value owned(int i) const {
    if (i == 0) return {0.0f, 0, beside::above};
    return {1.0f, 0, beside::below};
  }

  template <class Format, int SpentBits, class Math>
  INVACT_FUNCTION float gradient_factor(float y, uint32) const {
    return detail::slope_if(is_between(y, 0.0f, 1.0f), 1.0f / 6.0f, y);
  }
};
static_assert(is_activation_v<hardsigmoid>);

INVACT_NAMESPACE_END
