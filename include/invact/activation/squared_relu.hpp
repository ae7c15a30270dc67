// Squared ReLU: f(x) = max(x, 0)^2; g = 2 sqrt(y).
#pragma once

#include <invact/approx/flat.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// Domain         all of float.
// Storage        any; an x > 0 whose y would be stored as 0 is stored as the format's smallest number. In
//                float y = 0, and so g = 0, up to x = 2^-75.
// Cost           forward 4 instructions, in float 2; gradient one special function and 3.
// Largest error  forward 0.5 ULP, next to 0 one; gradient 1.00 times the floor in storage of 16 bits, in
//                float 3 ULP.
// NaN/inf/0      NaN; +inf, where g = inf too, and +0 for -inf; both zeros give +0, where g = 0.
// Source         the definition (arXiv 2109.08668).
struct squared_relu {
  static constexpr int pieces = 1;
  static constexpr ambiguous_range ambiguous = ambiguous_range::none;
  static constexpr forward_weight weight = forward_weight::light;

  INVACT_FUNCTION uint32 piece_index(float) const { return 0; }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    if constexpr (detail::is_narrow<Format>) {
      return select(is_at_most(x, 0.0f), 0.0f, detail::apart_from_zero<Format>(x * x));
    } else {
      const float kept = max_propagate_nan(x, 0.0f);
      return kept * kept;
    }
  }

  INVACT_FUNCTION y_minimum lowest() const { return {0.0f, 0.0f}; }

  static constexpr int owned_values = 1;
  INVACT_FUNCTION owned_value owned(int) const { return {0.0f, 0, beside::above}; }

  template <class Format, int SpentBits, class Math>
  INVACT_FUNCTION float gradient_factor(float y, uint32) const {
    const float root = Math::sqrt(y);
    // Infinities and NaNs, which are not for the square root, by their bits.
    return select(float_bits(y) < float_infinity_bits, root + root, y);
  }
};
static_assert(is_activation_v<squared_relu>);

INVACT_NAMESPACE_END
