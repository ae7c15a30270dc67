// LiSHT: f(x) = x * tanh(x).
#pragma once

#include <invact/approx/hyperbolic.hpp>
#include <invact/coefficients/hyperbolic.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// Even: falls from +inf at -inf to 0 at T = 0, then rises.
//
// Domain         all of float.
// Storage        any.
// Cost           forward 12 instructions, one of them a special function; float 39, one. Gradient 20, two; float 28.
// Largest error  forward 0.62 ULP of 16-bit storage; float 4, of 3.1 found. g: 2^-15; float 4 ULP.
// NaN/inf/0      NaN; +inf for both infinities; +0 for both zeros. With the mantissa bit infinite codes carry no
//                piece, so +inf has g = 1 even where x was -inf.
// Source         approx/hyperbolic.hpp; coefficients/hyperbolic.hpp is fitted.
struct lisht {
  static constexpr int pieces = 2;
  static constexpr ambiguous_range ambiguous = ambiguous_range::positive;

  static constexpr float stationary_point = 0.0f;

  INVACT_FUNCTION y_minimum lowest() const { return {0.0f, 0.0f}; }

  // 1 on the left piece, x < 0; 0 on the right, for both zeros and for NaN.
  INVACT_FUNCTION uint32 piece_index(float x) const {
    return static_cast<uint32>(is_less(x, stationary_point));
  }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    if constexpr (detail::is_narrow<Format>) {
      return detail::lisht_narrow<coefficients_for::tanh_narrow, Math>(x);
    } else {
      return detail::lisht_float<coefficients_for::tanhshrink_float, coefficients_for::exp2m1_float, Math>(
          x);
    }
  }

  template <class Format, int SpentBits, class Math>
  INVACT_FUNCTION float gradient_factor(float y, uint32 piece) const {
    using namespace coefficients_for;
    if constexpr (detail::is_narrow<Format>) {
      return detail::lisht_gradient<lisht_gradient_narrow, lisht_rest_narrow, Format, SpentBits, Math>(
          y, 2.0f, piece);
    } else {
      return detail::lisht_gradient<lisht_gradient_float, lisht_rest_float, Format, SpentBits, Math>(
          y, 2.5f, piece);
    }
  }
};
static_assert(is_activation_v<lisht>);

INVACT_NAMESPACE_END
