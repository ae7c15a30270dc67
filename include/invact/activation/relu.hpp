// ReLU: f(x) = max(x, 0).
#pragma once

#include <invact/approx/flat.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// Domain         all of float.
// Storage        any; y > 0 that would be stored as 0 is stored as the format's smallest number.
// Cost           forward 3 instructions, in float 2; gradient 3.
// Largest error  forward 0.5 ULP, next to 0 one; gradient 0.
// NaN/inf/0      NaN; +inf, and +0 for -inf; both zeros give +0, where g = 0.
// Source         the definition.
struct relu {
  static constexpr int pieces = 1;
  static constexpr ambiguous_range ambiguous = ambiguous_range::none;
  static constexpr forward_weight weight = forward_weight::light;

  INVACT_FUNCTION uint32 piece_index(float) const { return 0; }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    return select(is_at_most(x, 0.0f), 0.0f, detail::apart_from_zero<Format>(x));
  }

  static constexpr int owned_values = 1;
  INVACT_FUNCTION owned_value owned(int) const { return {0.0f, 0, beside::above}; }

  template <class Format, int SpentBits, class Math>
  INVACT_FUNCTION float gradient_factor(float y, uint32) const {
    return detail::slope_if(is_above_zero(y), 1.0f, y);
  }
};
static_assert(is_activation_v<relu>);

INVACT_NAMESPACE_END
