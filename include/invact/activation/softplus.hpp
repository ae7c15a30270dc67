// Softplus: f(x) = log(1 + e^(beta x)) / beta; g = 1 - e^(-beta y).
#pragma once

#include <invact/approx/logistic.hpp>
#include <invact/coefficients/hyperbolic.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// Rises from +0 at -inf to +inf.
//
// Domain         all of float; beta in [2^-24, 2^100).
// Storage        any.
// Cost           forward 12 instructions, one a special function; float 42, none. Gradient 10; float 24.
// Largest error  0.51 ULP of 16-bit storage; float 4, of 3.2 found. g: 2^-19 of itself; float 4 ULP.
// NaN/inf/0      NaN; +0, where g = 0, and +inf, where g = 1; log(2) / beta for both zeros.
// Source         the definition, with |x|; PyTorch's threshold of 20 changes no bit of float.
struct softplus {
  static constexpr int pieces = 1;
  static constexpr ambiguous_range ambiguous = ambiguous_range::none;

  float beta = 1.0f;

  INVACT_FUNCTION bool is_valid() const { return !is_less(beta, 0x1p-24f) && is_less(beta, 0x1p+100f); }

  INVACT_FUNCTION uint32 piece_index(float) const { return 0; }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    return detail::softplus<coefficients_for::log1p_narrow, coefficients_for::log1p_float, Format, Math>(
        x, beta);
  }

  INVACT_FUNCTION y_range range() const { return {0.0f, 0x1p+127f, -0.5f * beta}; }

  template <class Format, int SpentBits, class Math>
  INVACT_FUNCTION float gradient_factor(float y, uint32) const {
    return negated(detail::expm1<coefficients_for::exp2m1_float, Format, Math>(-beta * y));
  }
};
static_assert(is_activation_v<softplus>);

INVACT_NAMESPACE_END
