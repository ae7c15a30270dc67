// Mish: f(x) = x * tanh(softplus(x)) = x * n / (n + 2), n = e^x (e^x + 2).
#pragma once

#include <invact/approx/derivative.hpp>
#include <invact/approx/gradient.hpp>
#include <invact/approx/logistic.hpp>
#include <invact/coefficients/mish.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// Falls from -0 at -inf to y_min = -0.308843413017250406628760229... at the stationary point
// T = -1.19243121451549521213758834042073940560, then rises.
//
// Domain         all of float.
// Storage        any.
// Cost           forward 12 instructions, two of them special functions; float 36, one.
// Largest error  forward 0.51 ULP of 16-bit storage; float 4, of 3.6 found.
// NaN/inf/0      NaN; -0 on the left piece and +inf; the zero of x's sign.
// Source         the definition; T by Newton steps to 40 digits; coefficients/mish.hpp is fitted, and has g's errors.
struct mish {
  static constexpr int pieces = 2;
  static constexpr ambiguous_range ambiguous = ambiguous_range::negative;

  // The smallest float that is not below T.
  static constexpr float stationary_point = -0x1.31432cp+0f;

  INVACT_FUNCTION y_minimum lowest() const { return {-0x1.3c4172p-2f, 1.39948f}; }

  // 1 on the left piece, x < T; 0 on the right, and for NaN.
  INVACT_FUNCTION uint32 piece_index(float x) const {
    return static_cast<uint32>(is_less(x, stationary_point));
  }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    if constexpr (detail::is_narrow<Format>) {
      return detail::mish_narrow<Math>(x);
    } else {
      return detail::mish_float<Math>(x);
    }
  }

  // f'(x).
  template <class Math>
  INVACT_FUNCTION float derivative(float x) const {
    return detail::mish_derivative<Math>(x);
  }
};
static_assert(is_activation_v<mish>);

template <class Format, int SpentBits>
struct select_approximant<accurate, mish, Format, SpentBits> {
  using type = signed_root_approximant<coefficients_for::mish_accurate<Format, SpentBits>>;
};
template <int SpentBits>
struct select_approximant<accurate, mish, binary32_format, SpentBits> {
  using type = joint_approximant<coefficients_for::mish_accurate<binary32_format, SpentBits>>;
};
template <class Format, int SpentBits>
struct select_approximant<fast, mish, Format, SpentBits> {
  using type = signed_root_approximant<coefficients_for::mish_fast<Format, SpentBits>>;
};
template <int SpentBits>
struct select_approximant<fast, mish, binary32_format, SpentBits> {
  using type = fast;  // none is shipped: `inverted` refuses it by name
};

INVACT_NAMESPACE_END
