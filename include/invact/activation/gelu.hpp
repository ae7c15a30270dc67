// GELU, the exact one: f(x) = x * Phi(x) = x/2 * (1 + erf(x / sqrt 2)).
#pragma once

#include <invact/approx/derivative.hpp>
#include <invact/approx/forward.hpp>
#include <invact/approx/gradient.hpp>
#include <invact/approx/packed.hpp>
#include <invact/coefficients/gelu.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// Falls from -0 at -inf to y_min = -0.16997120747990366... at the stationary point
// T = -0.75179152469356445746 (the root of Phi(x) + x * phi(x)), then rises.
//
// Domain         all of float.
// Storage        any.
// Cost           forward 11 instructions and 2 for the piece, one a special function; float 34 and 4, one. Gradient 21
//                accurate and 15 fast in bfloat16, 26 and 19 in half, of which two and one are special functions;
//                float 48, three.
//                Of packed ops, and what -inf gives there: see approx/packed.hpp.
// Largest error  forward 0.65 ULP of 16-bit storage, next to x = -8.4 in bfloat16; float 4. g: see
//                coefficients/gelu.hpp, largest next to y_min.
// NaN/inf/0      NaN; -0 on the left piece and +inf; the zero of x's sign.
// Source         the definition; T by Newton steps to 40 digits; coefficients/gelu.hpp is fitted.
struct gelu {
  static constexpr int pieces = 2;
  static constexpr ambiguous_range ambiguous = ambiguous_range::negative;

  // The smallest float that is not below T.
  static constexpr float stationary_point = -0x1.80ead0p-1f;

  INVACT_FUNCTION y_minimum lowest() const { return {-0x1.5c19dep-3f, 1.29155f}; }

  // 1 on the left piece, x < T; 0 on the right, and for NaN.
  INVACT_FUNCTION uint32 piece_index(float x) const {
    return static_cast<uint32>(is_less(x, stationary_point));
  }

  // f'(x).
  template <class Math>
  INVACT_FUNCTION float derivative(float x) const {
    return detail::gelu_derivative<coefficients_for::gelu_forward<binary16_format>, Math>(x);
  }
};
static_assert(is_activation_v<gelu>);

template <class Format, int SpentBits>
struct select_approximant<accurate, gelu, Format, SpentBits> {
  using type = log_root_approximant<coefficients_for::gelu_accurate<Format, SpentBits>>;
};
template <int SpentBits>
struct select_approximant<accurate, gelu, binary32_format, SpentBits> {
  using type = joint_approximant<coefficients_for::gelu_accurate<binary32_format, SpentBits>>;
};
template <int SpentBits>
struct select_approximant<detail::by_cell, gelu, bfloat16_format, SpentBits> {
  using type = cell_log_root_approximant<coefficients_for::gelu_by_cell<bfloat16_format, 0>>;
};
template <int SpentBits>
struct select_approximant<detail::by_cell, gelu, binary16_format, SpentBits> {
  using type = cell_log_root_approximant<coefficients_for::gelu_by_cell<binary16_format, 0>>;
};
template <class Format, int SpentBits>
struct select_approximant<fast, gelu, Format, SpentBits> {
  using type = split_root_approximant<coefficients_for::gelu_fast<Format, SpentBits>>;
};
template <int SpentBits>
struct select_approximant<fast, gelu, binary32_format, SpentBits> {
  using type = fast;  // none is shipped: `inverted` refuses it by name
};

template <int SpentBits>
struct select_approximant<packed, gelu, bfloat16_format, SpentBits> {
  using type = packed_root_approximant<coefficients_for::gelu_packed<bfloat16_format, SpentBits>>;
};
template <>
struct select_evaluator<packed, gelu, bfloat16_format> {
  using type = packed_tanh_evaluator<coefficients_for::gelu_packed_forward<bfloat16_format>>;
};

template <class Format>
struct select_evaluator<default_evaluator, gelu, Format> {
  using type = tail_evaluator<coefficients_for::gelu_forward<Format>>;
};
template <>
struct select_evaluator<default_evaluator, gelu, binary32_format> {
  using type = gelu_float_evaluator<coefficients_for::gelu_forward<binary32_format>>;
};

INVACT_NAMESPACE_END
