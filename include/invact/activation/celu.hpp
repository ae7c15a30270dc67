// CELU: f(x) = x > 0 ? x : alpha (e^(x / alpha) - 1); g = y > 0 ? 1 : y / alpha + 1.
#pragma once

#include <invact/approx/exponential_linear.hpp>
#include <invact/coefficients/hyperbolic.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// Rises from -alpha at -inf to +inf, and so does its derivative, to 1.
//
// Domain         all of float; alpha in (2^-100, 2^100).
// Storage        any.
// Cost           forward 11 instructions, one a special function; float 31, none. Gradient 5; float 8.
// Largest error  0.51 ULP of 16-bit storage; float 4, of 3.2 found. g: 2^-23.
// NaN/inf/0      NaN; -alpha, where g = 0, and +inf; the zero of x's sign, where g = 1.
// Source         the definition.
struct celu {
  static constexpr int pieces = 1;
  static constexpr ambiguous_range ambiguous = ambiguous_range::none;
  static constexpr forward_weight weight = forward_weight::light;

  float alpha = 1.0f;

  INVACT_FUNCTION bool is_valid() const { return is_less(0x1p-100f, alpha) && is_less(alpha, 0x1p+100f); }

  INVACT_FUNCTION uint32 piece_index(float) const { return 0; }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    return detail::celu<coefficients_for::exp2m1_float, Format, Math>(x, alpha);
  }

  INVACT_FUNCTION y_range range() const { return {-alpha, 0x1p+127f}; }

  template <class Format, int SpentBits, class Math>
  INVACT_FUNCTION float gradient_factor(float y, uint32) const {
    return detail::celu_gradient<Format, Math>(y, alpha);
  }
};
static_assert(is_activation_v<celu>);

INVACT_NAMESPACE_END
