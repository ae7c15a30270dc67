// Swish: f(x) = x * sigmoid(beta * x) = silu(beta * x) / beta.
#pragma once

#include <invact/activation/silu.hpp>
#include <invact/approx/logistic.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// Falls from -0 at -inf to y_min = -0.27846454276107379510935873902298 / beta at the stationary point
// T = -1.27846454276107379510935873902298 / beta, then rises.
//
// Domain         all of float; beta in (0, 2^100). Below 0.1 the last binades of the left tail vanish.
// Storage        any.
// Cost           forward 8 instructions, two of them special functions; float 31, one.
// Largest error  forward 0.51 ULP of 16-bit storage; float 4.
// NaN/inf/0      NaN; -0 on the left piece and +inf; the zero of x's sign.
// Source         the definition.
struct swish {
  static constexpr int pieces = 2;
  static constexpr ambiguous_range ambiguous = ambiguous_range::negative;

  float beta = 1.0f;

  INVACT_FUNCTION bool is_valid() const { return is_less(0.0f, beta) && is_less(beta, 0x1p+100f); }

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
};
static_assert(is_activation_v<swish>);

INVACT_NAMESPACE_END
