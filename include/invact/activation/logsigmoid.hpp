// Log sigmoid: f(x) = -log(1 + e^-x); g = 1 - e^y.
#pragma once

#include <invact/approx/logistic.hpp>
#include <invact/coefficients/hyperbolic.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// Rises from -inf to -0 at +inf: -softplus(-x).
//
// Domain         all of float.
// Storage        any.
// Cost           forward 13 instructions, one a special function; float 38, none. Gradient 8; float 22.
// Largest error  0.51 ULP of 16-bit storage; float 4, of 2.3 found. g: 2^-19 of itself; float 4 ULP.
// NaN/inf/0      NaN; -inf, where g = 1, and -0, where g = 0; -log(2) for both zeros.
// Source         the definition.
struct logsigmoid {
  static constexpr int pieces = 1;
  static constexpr ambiguous_range ambiguous = ambiguous_range::none;

  INVACT_FUNCTION uint32 piece_index(float) const { return 0; }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    return negated(
        detail::softplus<coefficients_for::log1p_narrow, coefficients_for::log1p_float, Format, Math>(
            negated(x), 1.0f));
  }

  INVACT_FUNCTION y_range range() const { return {-0x1p+127f, 0.0f, -0.5f}; }

  template <class Format, int SpentBits, class Math>
  INVACT_FUNCTION float gradient_factor(float y, uint32) const {
    return negated(detail::expm1<coefficients_for::exp2m1_float, Format, Math>(y));
  }
};
static_assert(is_activation_v<logsigmoid>);

INVACT_NAMESPACE_END
