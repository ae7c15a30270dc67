// GELU by its tanh formula: f(x) = x/2 * (1 + tanh(u)) = x * sigmoid(2u), u = sqrt(2/pi) (x + 0.044715
// x^3).
#pragma once

#include <invact/approx/derivative.hpp>
#include <invact/approx/gradient.hpp>
#include <invact/approx/logistic.hpp>
#include <invact/approx/packed.hpp>
#include <invact/coefficients/gelu_tanh.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// Falls from -0 at -inf to y_min = -0.17004075057125405063906743... at the stationary point
// T = -0.7524614220710162584879544432889160906054, then rises.
//
// Domain         all of float.
// Storage        any.
// Cost           forward 10 instructions, two of them special functions; float 37, one.
//                Of packed ops, and what -inf gives there: see approx/packed.hpp.
// Largest error  forward 0.51 ULP of 16-bit storage; float 4.
// NaN/inf/0      NaN; -0 on the left piece and +inf; the zero of x's sign.
// Source         PyTorch's gelu(approximate='tanh'); T by Newton steps to 40 digits;
//                coefficients/gelu_tanh.hpp is fitted, and has g's errors.
struct gelu_tanh {
  static constexpr int pieces = 2;
  static constexpr ambiguous_range ambiguous = ambiguous_range::negative;

  // The smallest float that is not below T.
  static constexpr float stationary_point = -0x1.81429ep-1f;

  INVACT_FUNCTION y_minimum lowest() const { return {-0x1.5c3e54p-3f, 1.29392f}; }

  // 1 on the left piece, x < T; 0 on the right, and for NaN.
  INVACT_FUNCTION uint32 piece_index(float x) const {
    return static_cast<uint32>(is_less(x, stationary_point));
  }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    if constexpr (detail::is_narrow<Format>) {
      return detail::gelu_tanh_narrow<Math>(x);
    } else {
      return detail::gelu_tanh_float<Math>(x);
    }
  }

  // f'(x).
  template <class Math>
  INVACT_FUNCTION float derivative(float x) const {
    return detail::gelu_tanh_derivative<Math>(x);
  }
};
static_assert(is_activation_v<gelu_tanh>);

template <class Format, int SpentBits>
struct select_approximant<accurate, gelu_tanh, Format, SpentBits> {
  using type = log_root_approximant<coefficients_for::gelu_tanh_accurate<Format, SpentBits>>;
};
template <int SpentBits>
struct select_approximant<accurate, gelu_tanh, binary32_format, SpentBits> {
  using type = joint_approximant<coefficients_for::gelu_tanh_accurate<binary32_format, SpentBits>>;
};
template <int SpentBits>
struct select_approximant<detail::by_cell, gelu_tanh, bfloat16_format, SpentBits> {
  using type = cell_log_root_approximant<coefficients_for::gelu_tanh_by_cell<bfloat16_format, 0>>;
};
template <int SpentBits>
struct select_approximant<detail::by_cell, gelu_tanh, binary16_format, SpentBits> {
  using type = cell_log_root_approximant<coefficients_for::gelu_tanh_by_cell<binary16_format, 0>>;
};
template <class Format, int SpentBits>
struct select_approximant<fast, gelu_tanh, Format, SpentBits> {
  using type = split_root_approximant<coefficients_for::gelu_tanh_fast<Format, SpentBits>>;
};
template <int SpentBits>
struct select_approximant<fast, gelu_tanh, binary32_format, SpentBits> {
  using type = fast;  // none is shipped: `inverted` refuses it by name
};

template <int SpentBits>
struct select_approximant<packed, gelu_tanh, bfloat16_format, SpentBits> {
  using type = packed_root_approximant<coefficients_for::gelu_tanh_packed<bfloat16_format, SpentBits>>;
};
template <>
struct select_evaluator<packed, gelu_tanh, bfloat16_format> {
  using type = packed_tanh_evaluator<coefficients_for::gelu_tanh_packed_forward<bfloat16_format>>;
};

INVACT_NAMESPACE_END
