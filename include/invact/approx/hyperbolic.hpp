// exp(x) - 1, tanh and what is made of it, for storage of up to 10 mantissa bits ("narrow") and for float.
//
// Narrow is computed to about 2^-17 of itself, float to its last bits; both relatively, where the result is
// tiny too. The tables are coefficients/hyperbolic.hpp's.
#pragma once

#include <invact/approx/exponential.hpp>
#include <invact/approx/flat.hpp>
#include <invact/approx/polynomial.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

// The exponent of exp(a), and of exp(a + b), a in [-256, 0] and |b| <= 2^-16.
template <class Math>
INVACT_FUNCTION reduced_exponent reduce(float a) {
  if constexpr (Math::fuses()) {
    return reduce_exponent(a, log2e, log2e_low);
  } else {
    return reduce_sum(a, 0.0f);
  }
}
template <class Math>
INVACT_FUNCTION reduced_exponent reduce(float a, float b) {
  if constexpr (Math::fuses()) {
    reduced_exponent r = reduce_exponent(a, log2e, log2e_low);
    r.fraction = fused_multiply_add(b, log2e, r.fraction);
    return r;
  } else {
    return reduce_sum(a, b);
  }
}

// A power of two below 2^-149 is 0, and one below 2^-126 where subnormals are flushed; e.exponent >= -151.
INVACT_FUNCTION float power_of(scaled_exponential e) { return e.power_of_two(24) * 0x1p-24f; }

// An exponent of 2 with what its fraction lacks. Where Math::fuses(), reduce() always loses a small a's
// product with log2e_low where it adds it: a fifth of an ULP, which shows in the mean.
struct rounded_exponent {
  float fraction, rest;
  int32 exponent;
};

// That of exp(a) times 2^low.
INVACT_FUNCTION rounded_exponent reduce_rounded(float a, float low) {
  constexpr float magic = 0x1.8p+23f;
  const float sum = fused_multiply_add(a, log2e, magic);
  const float high = fused_multiply_add(a, log2e, negated(sum - magic));
  const float fraction = high + low;
  return {fraction, low - (fraction - high),
          static_cast<int32>(float_bits(sum)) - static_cast<int32>(float_bits(magic))};
}

// exp(a + b) as reduce() and exp2_of() form it, with a mean error of nothing.
template <class Math>
INVACT_FUNCTION scaled_exponential unbiased_exp(float a, float b) {
  if constexpr (Math::fuses()) {
    const rounded_exponent r = reduce_rounded(a, fused_multiply_add(a, log2e_low, b * log2e));
    constexpr float ln2 = 0x1.62e430p-1f;
    return {fused_multiply_add(exp2_slope(r.fraction), r.fraction, r.rest * ln2), r.exponent};
  } else {
    return exp_sum(a, b);
  }
}

// exp(a) - 1 for a in [-80, 0], within 2 ULP. Only the last sum of 2^f - 1 rounds it.
template <class Table, class Math>
INVACT_FUNCTION float expm1_of(float a) {
  if constexpr (Math::fuses()) {
    const rounded_exponent r = reduce_rounded(a, a * log2e_low);
    const float f = r.fraction;
    const float slope = fused_multiply_add(horner(Table::polynomial(), f), f, Table::slope_low);
    const float low = fused_multiply_add(slope, f, r.rest * Table::slope);
    const scaled_exponential e{fused_multiply_add(Table::slope, f, low), r.exponent};
    const float power = e.power_of_two(0);
    return fused_multiply_add(e.excess, power, power - 1.0f);
  } else {
    const reduced_exponent r = reduce_sum(a, 0.0f);
    const float f = r.fraction;
    const float slope = multiply_add(horner(Table::polynomial(), f), f, Table::slope_low);
    const scaled_exponential e{multiply_add(Table::slope, f, slope * f), r.exponent};
    const float power = e.power_of_two(0);
    // At most 23 significant bits, but for 2^-24 - 1: clearing the last keeps -ffast-math from adding the
    // excess to 1 first.
    return multiply_add(e.excess, power, float_from_bits(float_bits(power - 1.0f) & ~1u));
  }
}

// exp(x) - 1 for x <= 0 and NaN, within 2^-17 of itself; near 0, where ex2's last bits show, by series.
template <class Math>
INVACT_FUNCTION float expm1_narrow(float x) {
  const float far = Math::ex2(x * log2e) - 1.0f;
  const float near = x * multiply_add(x, multiply_add(x, 0x1.555556p-3f, 0.5f), 1.0f);
  return select(is_less(x, -0x1p-5f), far, near);
}

// The same within 2 ULP. Next to 0 it is x, whose subnormal multiples would lose bits; and for x > 0.
template <class Table, class Math>
INVACT_FUNCTION float expm1_float(float x) {
  const float far = expm1_of<Table, Math>(minimum(at_least(x, -40.0f), 0.0f));
  return select(is_less(x, -0x1p-27f), far, x);
}

template <class Table, class Format, class Math>
INVACT_FUNCTION float expm1(float x) {
  if constexpr (is_narrow<Format>) {
    return expm1_narrow<Math>(x);
  } else {
    return expm1_float<Table, Math>(x);
  }
}

// x, held in [-bound, bound]; a NaN goes through.
INVACT_FUNCTION float clamp_propagate_nan(float x, float bound) {
  return negated(max_propagate_nan(negated(max_propagate_nan(x, -bound)), -bound));
}

// tanh(x) by a rational function of x^2 for |x| <= 5, beyond which tanh is 1 - 2^-13.4.
template <class Table, class Math>
INVACT_FUNCTION float tanh_narrow(float x) {
  const float kept = clamp_propagate_nan(x, 5.0f);
  const float square = kept * kept;
  return kept * horner(Table::numerator(), square) * Math::rcp(horner(Table::denominator(), square));
}

// tanh(|x|) = -m / (2 + m), m = exp(-2|x|) - 1; nothing for NaN.
template <class Table, class Math>
INVACT_FUNCTION float tanh_magnitude(float x) {
  const float m = expm1_of<Table, Math>(-2.0f * minimum(absolute(x), 16.0f));
  return divide<Math>(negated(m), 2.0f + m);
}

template <class Table, class Math>
INVACT_FUNCTION float tanh_float(float x) {
  const float y = copy_sign(carry_nan(tanh_magnitude<Table, Math>(x), x), float_bits(x) & float_sign_mask);
  // Next to 0 it is x, whose subnormal multiples would lose bits.
  return restore_nan(select(is_less(absolute(x), 0x1p-13f), x, y), x);
}

// |x| * tanh(|x|). From |x| = 5 on it is |x| itself, or all large |x| would lean to one side in half.
template <class Table, class Math>
INVACT_FUNCTION float lisht_narrow(float x) {
  const float square = x * x;
  const float near =
      square * (horner(Table::numerator(), square) * Math::rcp(horner(Table::denominator(), square)));
  return select(is_less(absolute(x), 5.0f), near, absolute(x));
}
// For |x| < 1 as x^2 - x^4 times tanhshrink's polynomial: tanh's error and the product's could be 4 ULP.
template <class Tanhshrink, class Exp2m1, class Math>
INVACT_FUNCTION float lisht_float(float x) {
  const float a = absolute(x);
  const float square = x * x;
  const float near =
      multiply_add(-square * square, horner(Tanhshrink::polynomial(), square - Tanhshrink::center), square);
  return select(is_less(a, 1.0f), near, a * tanh_magnitude<Exp2m1, Math>(x));
}

// x - tanh(x), by x^3 times a rational function of x^2 for |x| < 5.
template <class Table, class Math>
INVACT_FUNCTION float tanhshrink_narrow(float x) {
  const float square = x * x;
  const float near =
      (x * square) * (horner(Table::numerator(), square) * Math::rcp(horner(Table::denominator(), square)));
  const float far = x - copy_sign(1.0f, float_bits(x) & float_sign_mask);
  return select(is_less(absolute(x), 5.0f), near, far);
}

// By x^3 times a polynomial for |x| < 1, then as (|x| - 1) + 2e / (1 + e), e = exp(-2|x|).
template <class Table, class Math>
INVACT_FUNCTION float tanhshrink_float(float x) {
  const float a = absolute(x);
  const float square = x * x;
  const float near = (x * square) * horner(Table::polynomial(), square - Table::center);
  const scaled_exponential e = exp2_of(reduce<Math>(-2.0f * minimum(a, 16.0f)));
  const float power = e.power_of_two(0);
  const float quotient =
      divide<Math>(e.significand_times(2.0f), multiply_add(e.significand_times(1.0f), power, 1.0f));
  // a >= 1 here, so that absolute() does nothing but keep -ffast-math from regrouping the sum.
  const float far = multiply_add(quotient, power, absolute(a - 1.0f));
  return select(is_less(a, 1.0f), near, copy_sign(far, float_bits(x) & float_sign_mask));
}

// g of x * tanh(x), about as 2 sqrt(y) next to 0 and 1 + exp(-2y) * (4y - 2) far out; y >= 0 but on NaN.
template <class Near, class Far, class Format, int SpentBits, class Math>
INVACT_FUNCTION float lisht_gradient(float y, float split, uint32 piece) {
  float u = y;
  if constexpr ((least<Format>) > 0x1p-126f) {
    // In half all |x| up to 2^-12.5 have the code 0, or with the mantissa bit those up to 2^-12 the code 0 or 1:
    // the middle of their g, which is 2x.
    constexpr float smallest = least<Format>;
    u = SpentBits > 0 ? at_least(y - smallest / 2.0f, smallest / 4.0f) : at_least(y, smallest / 8.0f);
  }
  const float near = Math::sqrt(u) * horner(Near::polynomial(), y - Near::center);
  const float kept = smaller(y, 12.0f);  // where the exponential is lost in the 1
  const float far = multiply_add(Math::ex2(-2.0f * log2e * kept), horner(Far::polynomial(), kept), 1.0f);
  const float g = select(is_less(y, split), near, far);
  return restore_nan(select_by_bit(piece, -g, g), y);
}

// |y|^(2/3), of a y that is not subnormal; for float with one step of Newton's on |y|^(-1/3).
template <class Format, class Math>
INVACT_FUNCTION float two_thirds_power(float magnitude) {
  const float exponent = Math::lg2(magnitude);
  if constexpr (is_narrow<Format>) {
    return Math::ex2(exponent * (2.0f / 3.0f));
  } else {
    const float r = Math::ex2(exponent * (-1.0f / 3.0f));
    const float root = magnitude * r;  // about |y|^(2/3)
    const float error = multiply_add(-root, r * r, 1.0f);
    return multiply_add(root, error * (1.0f / 3.0f), root);
  }
}

// g of x - tanh(x), about as |y|^(2/3) next to 0 and 1 - 4exp(-2|y| - 2) far out.
template <class Near, class Far, class Format, class Math>
INVACT_FUNCTION float tanhshrink_gradient(float y) {
  const float a = absolute(y);
  const float z = two_thirds_power<Format, Math>(at_least(minimum(a, 1.0f), 0x1p-126f));
  const float near = z * horner(Near::polynomial(), z);
  const float w = Math::ex2(-2.0f * log2e * a);
  const float far = multiply_add(-w, horner(Far::polynomial(), w), 1.0f);
  return restore_nan(select(is_less(a, 1.0f), near, far), y);
}

}  // namespace detail

INVACT_NAMESPACE_END
