// Forward evaluators of the form x * sigmoid(x * P(|x|)), and their counterparts for float storage.
#pragma once

#include <invact/approx/exponential.hpp>
#include <invact/approx/polynomial.hpp>

INVACT_NAMESPACE_BEGIN

// For 16-bit storage: y = x / (1 + 2^(-x * P(|x|))), with P = Table::exponent() fitted to
// log2(f / (x - f)) / x; two special functions and Table's degree + 4 other instructions.
//
// Table::scale is 2^-k, k = Table::scale_bits: both sides of the quotient carry it, so that its
// denominator stays below 2^126 (where rcp flushes to zero) for every y that is normal in the storage
// type. Below x = Table::smallest y is -0, for -inf too; above Table::largest P is held constant.
template <class Table, class Math = native_math>
struct logistic_evaluator {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation&, float x) {
    const float kept = max_propagate_nan(x, Table::smallest);
    float exponent;
    if constexpr (Table::exponent().size == 1) {
      exponent = multiply_add(-kept, Table::exponent().c[0], -Table::scale_bits);
    } else {
      // A NaN is lost here, and comes back with the last product.
      const float magnitude = absolute(kept);
      const float bounded = select(magnitude < Table::largest, magnitude, Table::largest);
      exponent = multiply_add(-kept, horner(Table::exponent(), bounded), -Table::scale_bits);
    }
    return (kept * Table::scale) * Math::rcp(Table::scale + Math::ex2(exponent));
  }
};

// SiLU for float storage: x / (1 + e^-x) from e = exp(-|x|), which cannot overflow; on the left
// x * e / (1 + e), with e scaled by 2^32 so that only y itself can underflow. Below -104, -0.
template <class Math = native_math>
struct silu_float_evaluator {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation&, float x) {
    const float kept = max_propagate_nan(x, -104.0f);
    const float magnitude = absolute(x);
    const float bounded = select(magnitude < 104.0f, -magnitude, -104.0f);
    const detail::scaled_value e = detail::exp_sum(bounded, 0.0f);
    const float r = detail::refined_rcp<Math>(1.0f + e.scaled(0));
    const float right = kept * r;
    const float left = (kept * e.scaled(32)) * r * 0x1p-32f;
    const bool vanishes = is_less(x, -103.5f);
    return select(vanishes, -0.0f, select(sign_bit(x), left, right));
  }
};

// GELU (erf) for float storage, through q = Phi(-a) = exp(-a^2/2) * R(a), a = |x|: y = x - x*q on the
// right and x*q on the left. R(a) * (a + Table::pole) is a polynomial in (a - pole) / (a + pole). a^2 is
// formed exactly, as the square of its twelve leading bits and a remainder.
template <class Table, class Math = native_math>
struct gelu_float_evaluator {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation&, float x) {
    const float kept = max_propagate_nan(x, -Table::largest);
    const float magnitude = absolute(x);
    const float a = select(magnitude < Table::largest, magnitude, Table::largest);
    const float high = float_from_bits(float_bits(a) & 0xfffff000u);
    const detail::scaled_value e =
        detail::exp_sum(-0.5f * (high * high), -0.5f * (a - high) * (a + high));
    const float r = detail::refined_rcp<Math>(a + Table::pole);
    const float ratio = horner(Table::ratio(), (a - Table::pole) * r) * r;
    const float right = multiply_add(-a, ratio * e.scaled(0), kept);
    const float left = (kept * e.scaled(32)) * ratio * 0x1p-32f;
    const bool vanishes = is_less(x, -Table::largest);
    return select(vanishes, -0.0f, select(sign_bit(x), left, right));
  }
};

INVACT_NAMESPACE_END
