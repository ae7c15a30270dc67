// Quick GELU: f(x) = x * sigmoid(1.702 x), which is swish with beta = 1.702.
#pragma once

#include <invact/activation/swish.hpp>
#include <invact/approx/derivative.hpp>

INVACT_NAMESPACE_BEGIN

// Falls from -0 at -inf to y_min = -0.16361019 at the stationary point T = -0.75115426, then rises.
//
// Domain         all of float.
// Storage        any.
// Cost           swish's, less what depends on beta.
// Largest error  as of swish.
// NaN/inf/0      NaN; -0 on the left piece and +inf; the zero of x's sign.
// Source         the definition.
struct quick_gelu {
  static constexpr int pieces = 2;
  static constexpr ambiguous_range ambiguous = ambiguous_range::negative;

  // The float nearest to 1.702, as in float arithmetic everywhere.
  static constexpr float beta = 1.702f;

  INVACT_FUNCTION y_minimum lowest() const { return swish{beta}.lowest(); }

  // 1 on the left piece, beta * x < silu's T; 0 on the right, and for NaN.
  INVACT_FUNCTION uint32 piece_index(float x) const { return swish{beta}.piece_index(x); }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    return swish{beta}.value<Format, Math>(x);
  }

  // f'(x).
  template <class Math>
  INVACT_FUNCTION float derivative(float x) const {
    return detail::swish_derivative<Math>(x, beta);
  }
};
static_assert(is_activation_v<quick_gelu>);

template <class Format, int SpentBits>
struct select_approximant<accurate, quick_gelu, Format, SpentBits>
    : select_approximant<accurate, swish, Format, SpentBits> {};
template <class Format, int SpentBits>
struct select_approximant<fast, quick_gelu, Format, SpentBits>
    : select_approximant<fast, swish, Format, SpentBits> {};

INVACT_NAMESPACE_END
