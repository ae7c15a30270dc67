// SiLU: f(x) = x * sigmoid(x).
#pragma once

#include <invact/approx/derivative.hpp>
#include <invact/approx/forward.hpp>
#include <invact/approx/gradient.hpp>
#include <invact/approx/packed.hpp>
#include <invact/coefficients/silu.hpp>
#include <invact/coefficients/swish.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// Falls from -0 at -inf to y_min = T + 1 = -0.27846454... at the stationary point
// T = -1.278464542761073795 (the root of 1 + x * (1 - sigmoid(x))), then rises.
//
// Domain         all of float.
// Storage        any.
// Cost           forward 7 instructions and 2 for the piece, two of them special functions; float 20 and 4, one.
//                Gradient 16 accurate and 14 fast in bfloat16, 18 and 15 in half, of which one is a special function;
//                float 48, three.
//                Of packed ops, and what -inf gives there: see approx/packed.hpp.
// Largest error  forward 0.51 ULP of 16-bit storage; float 4. g: see coefficients/silu.hpp, largest next to y_min.
// NaN/inf/0      NaN; -0 on the left piece and +inf; the zero of x's sign.
// Source         the definition; T by Newton steps to 40 digits; coefficients/silu.hpp is fitted.
struct silu {
  static constexpr int pieces = 2;
  static constexpr ambiguous_range ambiguous = ambiguous_range::negative;
  static constexpr forward_weight weight = forward_weight::medium;

  // The smallest float that is not below T.
  static constexpr float stationary_point = -0x1.474972p+0f;

  INVACT_FUNCTION y_minimum lowest() const { return {-0x1.1d25d0p-2f, 1.36013f}; }

  // 1 on the left piece, x < T; 0 on the right, and for NaN.
  INVACT_FUNCTION uint32 piece_index(float x) const {
    return static_cast<uint32>(is_less(x, stationary_point));
  }

  // f'(x).
  template <class Math>
  INVACT_FUNCTION float derivative(float x) const {
    return detail::swish_derivative<Math>(x, 1.0f);
  }
};
static_assert(is_activation_v<silu>);

template <class Format, int SpentBits>
struct select_approximant<accurate, silu, Format, SpentBits> {
  using type = signed_root_approximant<coefficients_for::silu_accurate<Format, SpentBits>>;
};
template <int SpentBits>
struct select_approximant<accurate, silu, binary32_format, SpentBits> {
  using type = joint_approximant<coefficients_for::silu_accurate<binary32_format, SpentBits>>;
};
template <class Format, int SpentBits>
struct select_approximant<fast, silu, Format, SpentBits> {
  using type = signed_root_approximant<coefficients_for::silu_fast<Format, SpentBits>>;
};
template <int SpentBits>
struct select_approximant<fast, silu, binary32_format, SpentBits> {
  using type = fast;  // none is shipped: `inverted` refuses it by name
};

// A cell's middle is what swish's tables are fitted at.
template <int SpentBits>
struct select_approximant<detail::by_cell, silu, bfloat16_format, SpentBits> {
  using type = signed_root_approximant<coefficients_for::swish_accurate<bfloat16_format, 0>>;
};
template <int SpentBits>
struct select_approximant<detail::by_cell, silu, binary16_format, SpentBits> {
  using type = signed_root_approximant<coefficients_for::swish_accurate<binary16_format, 0>>;
};

template <int SpentBits>
struct select_approximant<packed, silu, bfloat16_format, SpentBits> {
  using type = packed_root_approximant<coefficients_for::silu_packed<bfloat16_format, SpentBits>>;
};
template <>
struct select_evaluator<packed, silu, bfloat16_format> {
  using type = packed_tanh_evaluator<coefficients_for::silu_packed_forward<bfloat16_format>>;
};

template <class Format>
struct select_evaluator<default_evaluator, silu, Format> {
  using type = silu_evaluator<>;
};
template <>
struct select_evaluator<default_evaluator, silu, binary32_format> {
  using type = silu_float_evaluator<>;
};

INVACT_NAMESPACE_END
