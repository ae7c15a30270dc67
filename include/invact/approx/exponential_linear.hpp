// The exponential linear units: a straight line on the right, alpha * (exp(x) - 1) on the left.
#pragma once

#include <invact/approx/flat.hpp>
#include <invact/approx/hyperbolic.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

// A constant in two parts, so that a product with it rounds once. The low part is not negative, or infinity
// times them would be a NaN.
struct split_constant {
  float high, low;

  template <class Format>
  INVACT_FUNCTION float times(float x) const {
    if constexpr (is_narrow<Format>) {
      return high * x;
    } else {
      return fused_multiply_add(high, x, low * x);
    }
  }
};

// x > 0 ? right : left. Where f' jumps at 0, +0 is stored for x = 0 alone, whose derivative is the left
// one: a positive y in narrow storage is at least the smallest number of it.
template <class Format>
INVACT_FUNCTION float joined_at_zero(float x, float right, float left) {
  if constexpr (is_narrow<Format>) {
    return select(is_above_zero(x), at_least(right, Format::load(1)), left);
  } else {
    return select(is_less(x, 0.0f), left, right);
  }
}

// y > 0 ? slope : y + alpha, which the rounding of -alpha itself does not make negative.
INVACT_FUNCTION float exponential_linear_gradient(float y, float slope, float alpha) {
  return select(is_above_zero(y), slope, max_propagate_nan(y + alpha, 0.0f));
}

// x > 0 ? x : alpha * (exp(x / alpha) - 1). Just below 0 it is x, where x / alpha may be subnormal. For
// float 1 / alpha is taken in two parts.
template <class Table, class Format, class Math>
INVACT_FUNCTION float celu(float x, float alpha) {
  float left;
  if constexpr (is_narrow<Format>) {
    left = alpha * expm1_narrow<Math>(x * Math::rcp(alpha));
  } else {
    const float inverse = 1.0f / alpha;
    const float inverse_low = fused_multiply_add(-alpha, inverse, 1.0f) * inverse;
    // Below, exp(x / alpha) is lost in the 1; and of an infinity the product with inverse_low could be a
    // NaN.
    const float kept = max_propagate_nan(x, -50.0f * alpha);
    left = alpha * expm1_float<Table, Math>(fused_multiply_add(kept, inverse, kept * inverse_low));
  }
  return select(is_less(x, -0x1p-26f * alpha), left, x);
}

// y > 0 ? 1 : y / alpha + 1.
template <class Format, class Math>
INVACT_FUNCTION float celu_gradient(float y, float alpha) {
  const float inverse = is_narrow<Format> ? Math::rcp(alpha) : 1.0f / alpha;
  return select(is_above_zero(y), 1.0f, max_propagate_nan(multiply_add(y, inverse, 1.0f), 0.0f));
}

}  // namespace detail

INVACT_NAMESPACE_END
