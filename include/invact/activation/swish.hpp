// Swish: f(x) = x * sigmoid(beta * x) = silu(beta * x) / beta.
#pragma once

#include <invact/activation/silu.hpp>
#include <invact/approx/derivative.hpp>
#include <invact/approx/gradient_scaled.hpp>
#include <invact/approx/logistic.hpp>
#include <invact/coefficients/swish.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// Falls from -0 at -inf to y_min = -0.27846454276107379510935873902298 / beta at the stationary point
// T = -1.27846454276107379510935873902298 / beta, then rises.
//
// Domain         all of float; beta in [2^-100, 2^100). Below 0.1 the last binades of the left tail vanish; in half
//                y_min is subnormal above 4000, and infinite below 2^-17.8.
// Storage        any.
// Cost           forward 8 instructions, two of them special functions; float 31, one. Gradient 25 in bfloat16, 29 in
//                half, two special functions each; float 52, three; and 7 for what depends on beta alone.
// Largest error  forward 0.51 ULP of 16-bit storage; float 4. g: 1.04 times the floor in 16 bits, whatever beta;
//                float 1.21, and 1.35 where y_min is next to a power of two. RMS for x ~ N(0, 1) in 16 bits 1.07
//                times the floor for beta in [0.5, 4], where the tables are fitted; beyond, as SiLU's with as
//                narrow or as wide an x.
// NaN/inf/0      NaN; -0 on the left piece and +inf; the zero of x's sign.
// Source         the definition; coefficients/swish.hpp is fitted, for float coefficients/silu.hpp.
struct swish {
  static constexpr int pieces = 2;
  static constexpr ambiguous_range ambiguous = ambiguous_range::negative;
  static constexpr forward_weight weight = forward_weight::medium;

  float beta = 1.0f;

  INVACT_FUNCTION bool is_valid() const { return !is_less(beta, 0x1p-100f) && is_less(beta, 0x1p+100f); }

  // SiLU's, of a y and a t^2 that are beta times as large.
  INVACT_FUNCTION y_minimum lowest() const {
    const y_minimum of_silu = silu{}.lowest();
    return {of_silu.y / beta, of_silu.bend * native_math::sqrt(beta)};
  }

  // 1 on the left piece, beta * x < silu's T; 0 on the right, and for NaN.
  INVACT_FUNCTION uint32 piece_index(float x) const {
    return static_cast<uint32>(is_less(beta * x, silu::stationary_point));
  }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    if constexpr (detail::is_narrow<Format>) {
      return detail::swish_narrow<Math>(x, beta);
    } else {
      return detail::swish_float<Math>(x, beta);
    }
  }

  // f'(x).
  template <class Math>
  INVACT_FUNCTION float derivative(float x) const {
    return detail::swish_derivative<Math>(x, beta);
  }
};
static_assert(is_activation_v<swish>);

namespace detail {

// SiLU's minimum in two parts.
struct silu_minimum {
  static constexpr float value = -0x1.1d25d0p-2f;
  static constexpr float rest = 0x1.bdf6fap-27f;
};

}  // namespace detail

template <class Format, int SpentBits>
struct select_approximant<accurate, swish, Format, SpentBits> {
  using type = scaled_root_approximant<coefficients_for::swish_accurate<Format, 0>, detail::silu_minimum,
                                       Format, SpentBits>;
};
template <int SpentBits>
struct select_approximant<accurate, swish, binary32_format, SpentBits> {
  using type = scaled_joint_approximant<coefficients_for::silu_accurate<binary32_format, SpentBits>,
                                        detail::silu_minimum, SpentBits>;
};
template <class Format, int SpentBits>
struct select_approximant<fast, swish, Format, SpentBits>
    : select_approximant<accurate, swish, Format, SpentBits> {};
template <int SpentBits>
struct select_approximant<fast, swish, binary32_format, SpentBits> {
  using type = fast;  // none is shipped: `inverted` refuses it by name
};

INVACT_NAMESPACE_END
