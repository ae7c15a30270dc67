// Sigmoid: f(x) = 1 / (1 + e^-x); g = y (1 - y).
#pragma once

#include <invact/approx/logistic.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// Rises from +0 at -inf to 1 at +inf.
//
// Domain         all of float.
// Storage        any.
// Cost           forward 4 instructions, two of them special functions; float 25, one. Gradient 2.
// Largest error  0.51 ULP of 16-bit storage; float 4, of 2.5 found. g: its own rounding.
// NaN/inf/0      NaN; +0 and 1, where g = 0; 1/2 for both zeros.
// Source         the definition.
struct sigmoid {
  static constexpr int pieces = 1;
  static constexpr ambiguous_range ambiguous = ambiguous_range::none;
  static constexpr forward_weight weight = forward_weight::light;

  INVACT_FUNCTION uint32 piece_index(float) const { return 0; }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    if constexpr (detail::is_narrow<Format>) {
      return detail::sigmoid_narrow<Math>(x);
    } else {
      return detail::sigmoid_float<Math>(x);
    }
  }

  INVACT_FUNCTION y_range range() const { return {0.0f, 1.0f, 1.0f}; }

  template <class Format, int SpentBits, class Math>
  INVACT_FUNCTION float gradient_factor(float y, uint32) const {
    return y * (1.0f - y);
  }
};
static_assert(is_activation_v<sigmoid>);

INVACT_NAMESPACE_END
