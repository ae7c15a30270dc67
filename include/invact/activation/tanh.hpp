// tanh; g = 1 - y^2.
#pragma once

#include <invact/approx/hyperbolic.hpp>
#include <invact/coefficients/hyperbolic.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// Rises from -1 at -inf to 1 at +inf.
//
// Domain         all of float.
// Storage        any.
// Cost           forward 11 instructions, one of them a special function; float 32, one. Gradient 1.
// Largest error  0.51 ULP of 16-bit storage; float 4, of 2.9 found. g: 2^-24.
// NaN/inf/0      NaN; -1 and 1, where g = 0; the zero of x's sign.
// Source         approx/hyperbolic.hpp; coefficients/hyperbolic.hpp is fitted.
struct tanh {
  static constexpr int pieces = 1;
  static constexpr ambiguous_range ambiguous = ambiguous_range::none;
  static constexpr forward_weight weight = forward_weight::medium;

  INVACT_FUNCTION uint32 piece_index(float) const { return 0; }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    if constexpr (detail::is_narrow<Format>) {
      return detail::tanh_narrow<coefficients_for::tanh_narrow, Math>(x);
    } else {
      return detail::tanh_float<coefficients_for::exp2m1_float, Math>(x);
    }
  }

  INVACT_FUNCTION y_range range() const { return {-1.0f, 1.0f, 0.55f}; }

  template <class Format, int SpentBits, class Math>
  INVACT_FUNCTION float gradient_factor(float y, uint32) const {
    return multiply_add(negated(y), y, 1.0f);
  }
};
static_assert(is_activation_v<tanh>);

INVACT_NAMESPACE_END
