// Forward evaluators of the form x * sigmoid(x * P(|x|)), and their counterparts for float storage.
//
// Where subnormals are flushed to zero (--use_fast_math; -ffast-math), intermediate results are flushed
// too, and so every |y| below 2^-116 may be off by as much as itself, but keeps its sign.
#pragma once

#include <invact/approx/exponential.hpp>
#include <invact/approx/polynomial.hpp>

INVACT_NAMESPACE_BEGIN

// For 16-bit storage: y = x / (1 + 2^(-x * P(|x|))), with P = Table::exponent() fitted to
// log2(f / (x - f)) / x; two special functions and Table's degree + 4 other instructions.
//
// Table::scale is 2^-k, k = Table::scale_bits: both sides of the quotient carry it, so that its
// denominator stays below 2^126 (where rcp flushes to zero) for every y that is normal in the storage
// type. P is held constant above Table::largest, and x above Table::smallest, where y is already -0.
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

// SiLU for float storage, from e = exp(-|x|), which cannot overflow: |f(-|x|)| = |x| * e / (1 + e).
// Within 4 ULP, with any rcp that is within 2 ULP. Below -104, -0.
template <class Math = native_math>
struct silu_float_evaluator {
  static constexpr float largest = 104.0f;

  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation&, float x) {
    const float magnitude = absolute(x);
    const float a = select(magnitude < largest, magnitude, largest);
    const detail::scaled_exponential e = detail::exp_sum(-a, 0.0f);
    const float v =
        detail::divide<Math>(e.significand_times(a), 1.0f + e.scale(e.significand_times(1.0f), 0), 0.0f);
    return detail::reflect(x, v, e, largest);
  }
};

// GELU (erf) for float storage, from Phi(-a) = exp(-a^2/2) * R(a), a = |x|; R(a) * (a + Table::pole) is a
// polynomial in 2p - 1, p = a / (a + pole), so that f(-a) is e * p times it. a^2 is formed exactly: the
// square of a rounded to eleven bits, and a remainder; so is a + pole. Within 4 ULP, with any rcp that
// is within 2 ULP. Below -Table::largest, -0.
template <class Table, class Math = native_math>
struct gelu_float_evaluator {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation&, float x) {
    const float magnitude = absolute(x);
    const float a = select(magnitude < Table::largest, magnitude, Table::largest);
    const float high = float_from_bits((float_bits(a) + 0x1000u) & 0xffffe000u);
    // 22 significant bits: clearing the last changes nothing, but keeps a compiler from merging the parts.
    const float square = float_from_bits(float_bits(high * high) & ~1u);
    const detail::scaled_exponential e =
        detail::exp_sum(-0.5f * square, -0.5f * (a - high) * (a + high));
    const float p = detail::divide<Math>(a, high + Table::pole, a - high);
    const float v = e.significand_times(p * horner(Table::ratio(), multiply_add(2.0f, p, -1.0f)));
    return detail::reflect(x, v, e, Table::largest);
  }
};

INVACT_NAMESPACE_END
