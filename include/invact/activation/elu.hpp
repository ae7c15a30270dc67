// ELU: f(x) = x > 0 ? x : alpha (e^x - 1); g = y > 0 ? 1 : y + alpha.
#pragma once

#include <invact/approx/exponential_linear.hpp>
#include <invact/coefficients/hyperbolic.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// Rises from -alpha at -inf to +inf.
//
// Domain         all of float; alpha in [0, 2^100).
// Storage        any.
// Cost           forward 11 instructions, one of them a special function; float 25, none. Gradient 5.
// Largest error  0.51 ULP of 16-bit storage; float 4, of 2.2 found. g: its own rounding.
// NaN/inf/0      NaN; -alpha, where g = 0, and +inf; the zero of x's sign, where g = alpha, as autograd has
//                it. So that +0 is x = 0 alone, an x > 0 that would round to it is stored as the smallest
//                number.
// Source         the definition.
struct elu {
  static constexpr int pieces = 1;
  static constexpr ambiguous_range ambiguous = ambiguous_range::none;
  static constexpr forward_weight weight = forward_weight::light;

  float alpha = 1.0f;

  INVACT_FUNCTION bool is_valid() const { return !is_less(alpha, 0.0f) && is_less(alpha, 0x1p+100f); }

  INVACT_FUNCTION uint32 piece_index(float) const { return 0; }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    return detail::joined_at_zero<Format>(
        x, x, alpha * detail::expm1<coefficients_for::exp2m1_float, Format, Math>(x));
  }

  static constexpr int owned_values = 1;
  INVACT_FUNCTION owned_value owned(int) const { return {0.0f, 0, beside::above}; }

  INVACT_FUNCTION y_range range() const { return {-alpha, 0x1p+127f}; }

  template <class Format, int SpentBits, class Math>
  INVACT_FUNCTION float gradient_factor(float y, uint32) const {
    return detail::exponential_linear_gradient(y, 1.0f, alpha);
  }
};
static_assert(is_activation_v<elu>);

INVACT_NAMESPACE_END
