// Tanhshrink: f(x) = x - tanh(x).
#pragma once

#include <invact/approx/hyperbolic.hpp>
#include <invact/coefficients/hyperbolic.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// Rises from -inf to +inf, with f' = 0 at x = 0 alone: f(x) = x^3/3 - 2x^5/15 + ...
//
// Domain         all of float.
// Storage        any.
// Cost           forward 14 instructions, one of them a special function; float 38, one. Gradient 19, three;
//                float 25.
// Largest error  forward 0.53 ULP of 16-bit storage; float 4, of 2.9 found. g: 2^-17; float 4 ULP.
// NaN/inf/0      NaN; -inf and +inf; the zero of x's sign.
// Source         approx/hyperbolic.hpp; coefficients/hyperbolic.hpp is fitted.
struct tanhshrink {
  static constexpr int pieces = 1;
  static constexpr ambiguous_range ambiguous = ambiguous_range::none;

  // Where f' = 0.
  static constexpr float stationary_point = 0.0f;

  INVACT_FUNCTION uint32 piece_index(float) const { return 0; }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    if constexpr (detail::is_narrow<Format>) {
      return detail::tanhshrink_narrow<coefficients_for::tanhshrink_narrow, Math>(x);
    } else {
      return detail::tanhshrink_float<coefficients_for::tanhshrink_float, Math>(x);
    }
  }

  INVACT_FUNCTION y_range range() const { return {-0x1p+127f, 0x1p+127f, 0.0f, true}; }

  template <class Format, int SpentBits, class Math>
  INVACT_FUNCTION float gradient_factor(float y, uint32) const {
    using namespace coefficients_for;
    if constexpr (detail::is_narrow<Format>) {
      return detail::tanhshrink_gradient<tanhshrink_gradient_narrow, tanhshrink_rest, Format, Math>(y);
    } else {
      return detail::tanhshrink_gradient<tanhshrink_gradient_float, tanhshrink_rest, Format, Math>(y);
    }
  }
};
static_assert(is_activation_v<tanhshrink>);

INVACT_NAMESPACE_END
