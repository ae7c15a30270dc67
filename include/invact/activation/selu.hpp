// SELU: f(x) = scale * elu(x) with alpha = 1.6732632423543772848; g = y > 0 ? scale : y + scale * alpha.
#pragma once

#include <invact/approx/exponential_linear.hpp>
#include <invact/coefficients/hyperbolic.hpp>
#include <invact/core/traits.hpp>

INVACT_NAMESPACE_BEGIN

// Rises from -scale * alpha at -inf to +inf.
//
// Domain         all of float.
// Storage        any.
// Cost           forward 12 instructions, one of them a special function; float 28, none. Gradient 5.
// Largest error  0.51 ULP of 16-bit storage; float 4, of 2.6 found. g: 2^-23.
// NaN/inf/0      NaN; -scale * alpha, where g = 0, and +inf; the zero of x's sign, where g = scale * alpha,
//                as autograd has it: see elu.
// Source         PyTorch's scale 1.0507009873554805 and alpha 1.6732632423543772.
struct selu {
  static constexpr int pieces = 1;
  static constexpr ambiguous_range ambiguous = ambiguous_range::none;
  static constexpr forward_weight weight = forward_weight::light;

  INVACT_FUNCTION uint32 piece_index(float) const { return 0; }

  template <class Format, class Math>
  INVACT_FUNCTION float value(float x) const {
    constexpr detail::split_constant scale{0x1.0cfabcp+0f, 0x1.6a9114p-24f};
    constexpr detail::split_constant scale_alpha{0x1.c212ccp+0f, 0x1.903c0cp-26f};
    return detail::joined_at_zero<Format>(
        x, scale.times<Format>(x),
        scale_alpha.times<Format>(detail::expm1<coefficients_for::exp2m1_float, Format, Math>(x)));
  }

  static constexpr int owned_values = 1;
  INVACT_FUNCTION owned_value owned(int) const { return {0.0f, 0, beside::above}; }

  INVACT_FUNCTION y_range range() const { return {-1.7580993f, 0x1p+127f}; }

  template <class Format, int SpentBits, class Math>
  INVACT_FUNCTION float gradient_factor(float y, uint32) const {
    return detail::exponential_linear_gradient(y, 1.0507009873554804935f, 1.7580993408473768599f);
  }
};
static_assert(is_activation_v<selu>);

INVACT_NAMESPACE_END
