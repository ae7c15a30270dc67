// Forward evaluators, one a class of storage format: f(x) in float, before y is rounded and packed.
//
// Both shipped activations have f(x) - f(-x) = x, so with a = |x| all but SiLU's for 16-bit storage compute
// f(x) = max(x, -0) - |f(-a)|: one expression for both sides, which is relatively accurate on the left and
// whose x keeps NaN, +inf and the signs of zero.
//
// Where subnormals are flushed to zero (--use_fast_math; -ffast-math), intermediate results are flushed
// too, and so every |y| below 2^-116 may be off by as much as itself, but keeps its sign.
#pragma once

#include <invact/approx/exponential.hpp>
#include <invact/approx/polynomial.hpp>

INVACT_NAMESPACE_BEGIN

// For an f with f(x) - f(-x) = x, by the logarithm of its tail: y = max(x, -0) - a * 2^q(a), a = |x|.
//
// Domain         all of float; a is held at 1 / Table::scale, where y has long rounded to -0.
// Storage        the 16-bit format that Table is fitted for.
// Cost           one special function and Table's degree + 3 other instructions.
// Largest error  GELU: 0.65 ULP with the bitmask, the last rounding's 0.5 included, whatever the last bits
//                of ex2. Where x is small y is x/2 rounded.
// NaN/inf/0      NaN; +inf, and -0 for -inf; the zero of x's sign.
//
// Table::exponent() is q - log2(Table::scale) in a * Table::scale. Table::scale is a power of two, so that
// a * Table::scale is exact; 2^q arrives multiplied by 1 / Table::scale, so that ex2's flush to zero
// comes only after y is below the format's normal numbers.
template <class Table, class Math = native_math>
struct tail_evaluator {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation&, float x) {
    const float a = saturated_multiply(absolute(x), Table::scale);
    return positive_part_minus_product(x, a, Math::ex2(horner(Table::exponent(), a)));
  }
};

// SiLU for 16-bit storage: y = x / (1 + 2^(-x * log2 e)).
//
// Domain         all of float.
// Storage        bfloat16, half.
// Cost           two special functions and five other instructions.
// Largest error  0.51 ULP with the bitmask, whatever the last bits of ex2 and rcp.
// NaN/inf/0      NaN; +inf, and -0 for -inf; the zero of x's sign.
//
// Both sides of the quotient carry 2^-8, so that its denominator stays below 2^126 (where rcp flushes to
// zero) for every y that is normal in bfloat16. x is held above -100, where y is already -0: an infinity
// times rcp's zero would be a NaN. max(x, -0) - h, as above, would need one instruction more.
template <class Math = native_math>
struct silu_evaluator {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation&, float x) {
    const float kept = max_propagate_nan(x, -100.0f);
    const float e = Math::ex2(multiply_add(kept, -detail::log2e, -8.0f));
    return (kept * 0x1p-8f) * Math::rcp(0x1p-8f + e);
  }
};

// SiLU for float storage, from e = exp(-a), which cannot overflow: |f(-a)| = a * e / (1 + e), a = |x|.
//
// Domain         all of float.
// Largest error  4 ULP, with any rcp that is within 2 ULP; over every float in [2^-11, 128] of either sign
//                2.73 ULP where Math::fuses(), 2.68 elsewhere.
// NaN/inf/0      NaN; +inf; -0 below -93.23 where Math::fuses(), below -104 elsewhere; the zero of x's sign.
template <class Math = native_math>
struct silu_float_evaluator {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation&, float x) {
    if constexpr (Math::fuses()) {
      // e's exponent stays at or above -135, and is -135 only where y is below 2^-126: there 2^8 times its
      // power of two becomes the zero that is wanted. The power may be subnormal, and not the factor of
      // it, which would lose bits where x is small.
      const float a = minimum(absolute(x), 93.5f);
      const detail::scaled_exponential e =
          detail::exp2_of(detail::reduce_exponent(a, -detail::log2e, -detail::log2e_low));
      const float power = e.power_of_two(8) * 0x1p-8f;
      const float v = detail::divide<Math>(e.significand_times(a),
                                           fused_multiply_add(e.significand_times(1.0f), power, 1.0f));
      return positive_part_minus_product(x, v, power);
    } else {
      constexpr float largest = 104.0f;
      const float a = minimum(absolute(x), largest);
      const detail::scaled_exponential e = detail::exp_sum(-a, 0.0f);
      const float v =
          detail::divide<Math>(e.significand_times(a), 1.0f + e.scale(e.significand_times(1.0f), 0), 0.0f);
      return detail::reflect(x, v, e, largest);
    }
  }
};

// GELU (erf) for float storage, from Phi(-a) = exp(-a^2/2) * R(a), a = |x|; R(a) * (a + Table::pole) is a
// polynomial in 2p - 1, p = a / (a + pole), so that |f(-a)| is e * p times it.
//
// Domain         all of float.
// Largest error  4 ULP, with any rcp that is within 2 ULP; over every float in [2^-11, 128] of either sign
//                3.98 ULP where Math::fuses(), 3.84 elsewhere.
// NaN/inf/0      NaN; +inf; -0 below -13.25 where Math::fuses(), below -Table::largest elsewhere; the zero
//                of x's sign.
template <class Table, class Math = native_math>
struct gelu_float_evaluator {
  template <class Activation>
  INVACT_FUNCTION static float evaluate(const Activation&, float x) {
    if constexpr (Math::fuses()) {
      // e's exponent is -127 at the bound, and its power of two the zero that is wanted; where it is, y is
      // below 2^-126.
      const float a = minimum(absolute(x), 13.27f);
      const float square = a * a;
      const float square_low = fused_multiply_add(a, a, negated(square));
      detail::reduced_exponent r =
          detail::reduce_exponent(square, -0.5f * detail::log2e, -0.5f * detail::log2e_low);
      r.fraction = fused_multiply_add(square_low, -0.5f * detail::log2e, r.fraction);
      const detail::scaled_exponential e = detail::exp2_of(r);
      const float p = detail::divide<Math>(a, a + Table::pole);
      const float v = e.significand_times(p * horner(Table::ratio(), multiply_add(2.0f, p, -1.0f)));
      return positive_part_minus_product(x, v, e.power_of_two(0));
    } else {
      // a^2 is formed exactly: the square of a rounded to eleven bits, and a remainder; so is a + pole.
      const float a = minimum(absolute(x), Table::largest);
      const float high = float_from_bits((float_bits(a) + 0x1000u) & 0xffffe000u);
      // 22 significant bits: clearing the last changes nothing, but keeps a compiler from merging the parts.
      const float square = float_from_bits(float_bits(high * high) & ~1u);
      const detail::scaled_exponential e = detail::exp_sum(-0.5f * square, -0.5f * (a - high) * (a + high));
      const float p = detail::divide<Math>(a, high + Table::pole, a - high);
      const float v = e.significand_times(p * horner(Table::ratio(), multiply_add(2.0f, p, -1.0f)));
      return detail::reflect(x, v, e, Table::largest);
    }
  }
};

INVACT_NAMESPACE_END
