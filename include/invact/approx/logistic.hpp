// The logistic function, its integral softplus, and products of x with functions of exp(x): their forwards
// for storage of at most 10 mantissa bits ("narrow") and for float.
//
// With subnormals flushed to zero every |y| below 2^-116 may be off by as much as itself, but keeps its
// sign.
#pragma once

#include <invact/approx/hyperbolic.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

// In float every exponential is of -|x|, which cannot overflow, and |x| is held at what gives the exponent
// -150 or -151, so that its power of two is the zero that is wanted.
inline constexpr float exponent_bound = 104.0f;

template <class Math>
INVACT_FUNCTION float sigmoid_narrow(float x) {
  return restore_nan(Math::rcp(1.0f + Math::ex2(-log2e * x)), x);
}

// e / (1 + e) on the left, 1 / (1 + e) on the right.
template <class Math>
INVACT_FUNCTION float sigmoid_float(float x) {
  const scaled_exponential e = exp2_of(reduce<Math>(-minimum(absolute(x), exponent_bound)));
  const float significand = e.significand_times(1.0f), power = power_of(e);
  const bool left = is_less(x, 0.0f);
  const float v = divide<Math>(select(left, significand, 1.0f), multiply_add(significand, power, 1.0f));
  return restore_nan(carry_nan(v * select(left, power, 1.0f), x), x);
}

// x / (1 + exp(-beta * x)), as silu_evaluator forms it; both sides of the quotient carry 2^-10, which
// serves every beta above 0.1.
template <class Math>
INVACT_FUNCTION float swish_narrow(float x, float beta) {
  const float kept = max_propagate_nan(x, -104.0f * Math::rcp(beta));
  const float e = Math::ex2(multiply_add(kept, -log2e * beta, -10.0f));
  return (kept * 0x1p-10f) * Math::rcp(0x1p-10f + e);
}

// max(x, -0) - a * e / (1 + e), e = exp(-beta * a), a = |x|, as silu_float_evaluator forms it. beta * a is
// taken in two parts.
template <class Math>
INVACT_FUNCTION float swish_float(float x, float beta) {
  const float a = minimum(absolute(x), exponent_bound / beta);
  const float product = beta * a;
  const float product_low = fused_multiply_add(beta, a, negated(product));
  const scaled_exponential e = exp2_of(reduce<Math>(negated(product), negated(product_low)));
  const float power = power_of(e);
  const float v =
      divide<Math>(e.significand_times(a), multiply_add(e.significand_times(1.0f), power, 1.0f));
  return positive_part_minus_product(x, v, power);
}

// x * sigmoid(2u), u = sqrt(2/pi) * (x + 0.044715 x^3), as silu_evaluator forms it.
template <class Math>
INVACT_FUNCTION float gelu_tanh_narrow(float x) {
  // sqrt(8/pi) * log2(e), and that times 0.044715.
  constexpr float linear = 0x1.26aec2p+1f, cubic = 0x1.a5a7d0p-4f;
  const float kept = max_propagate_nan(x, -10.6f);
  const float factor = multiply_add(kept * kept, -cubic, -linear);
  const float e = Math::ex2(multiply_add(kept, factor, -8.0f));
  return (kept * 0x1p-8f) * Math::rcp(0x1p-8f + e);
}

// exp(-2u) for a = |x| <= 10.7. The exponent is taken to 2^-25 of a unit, of up to 151.
template <class Math>
INVACT_FUNCTION scaled_exponential gelu_tanh_exponential(float a) {
  if constexpr (Math::fuses()) {
    // The constants of the narrow one, each with its rest.
    constexpr float linear = 0x1.26aec2p+1f, linear_low = 0x1.bce75ap-27f;
    constexpr float cubic = 0x1.a5a7d0p-4f, cubic_low = -0x1.151aaep-29f;
    const float square = a * a;
    const float square_low = fused_multiply_add(a, a, negated(square));
    const float cube = a * square;
    const float cube_low = fused_multiply_add(a, square_low, fused_multiply_add(a, square, negated(cube)));
    const reduced_exponent first = reduce_exponent(a, -linear, -linear_low);
    constexpr float magic = 0x1.8p+23f;
    const float sum = fused_multiply_add(cube, -cubic, first.fraction) + magic;
    const float n = sum - magic;
    const float fraction = fused_multiply_add(cube, -cubic, negated(n)) + first.fraction;
    const float low = fused_multiply_add(cube_low, -cubic, cube * -cubic_low);
    return exp2_of({fraction + low, first.exponent + static_cast<int32>(float_bits(sum)) -
                                        static_cast<int32>(float_bits(magic))});
  } else {
    // In double, as two floats; the mask keeps -ffast-math from seeing that one is the other's rounding.
    constexpr double linear = 1.5957691216057307, cubic = 0.071354816272600249;
    const double x = static_cast<double>(a);
    const double exact = -x * (linear + cubic * x * x);
    const float high = float_from_bits(float_bits(static_cast<float>(exact)) & ~1u);
    return exp_sum(high, static_cast<float>(exact - static_cast<double>(high)));
  }
}

template <class Math>
INVACT_FUNCTION float gelu_tanh_float(float x) {
  const float a = minimum(absolute(x), 10.7f);
  const scaled_exponential e = gelu_tanh_exponential<Math>(a);
  const float power = power_of(e);
  const float v =
      divide<Math>(e.significand_times(a), multiply_add(e.significand_times(1.0f), power, 1.0f));
  return positive_part_minus_product(x, v, power);
}

// x * n / (n + 2), n = e(e + 2), e = exp(x). e carries 2^8, and n 2^16, so that n is normal as long as y
// is.
template <class Math>
INVACT_FUNCTION float mish_narrow(float x) {
  const float kept = max_propagate_nan(x, -100.0f);
  const float e = Math::ex2(multiply_add(minimum(kept, 20.0f), log2e, 8.0f));
  const float n = e * (e + 0x1p+9f);
  // absolute() does nothing but keep -ffast-math from multiplying x by n, which may overflow.
  return (kept * 0x1p-8f) * absolute(n * Math::rcp(multiply_add(n, 0x1p-8f, 0x1p+9f)));
}

// The same from e = exp(-|x|): the ratio is 1 - e(1 + e) / (2 + e(2 + e)) on the left and, without e^-2,
// which may overflow, 1 - 2e^2 / (1 + 2e(1 + e)) on the right.
template <class Math>
INVACT_FUNCTION float mish_float(float x) {
  const scaled_exponential e = exp2_of(reduce<Math>(-minimum(absolute(x), exponent_bound)));
  const float power = power_of(e), value = e.significand_times(1.0f) * power;
  const bool left = is_less(x, 0.0f);
  const float a = value * select(left, 1.0f, 2.0f);
  const float b = value + select(left, 1.0f, 0.0f);
  const float quotient = divide<Math>(a * b, multiply_add(a, b + 1.0f, select(left, 2.0f, 1.0f)));
  const float product = max_propagate_nan(x, -exponent_bound) * (1.0f - quotient);
  // Flushed to zero, the product and its multiple may be of different signs.
  return copy_sign(select(left, e.significand_times(product) * power, product),
                   float_bits(x) & float_sign_mask);
}

// log(1 + exp(beta * x)) / beta = max(x, 0) + log(1 + e) / beta, e = exp(-beta |x|). e carries 2^24, so
// that it is normal as long as y is, for every beta above 2^-24.
template <class Table, class Math>
INVACT_FUNCTION float softplus_narrow(float x, float beta) {
  const float scaled = Math::ex2(multiply_add(absolute(x), -log2e * beta, 24.0f));
  const float logarithm = scaled * horner(Table::polynomial(), scaled * 0x1p-24f);
  return multiply_add(logarithm, 0x1p-24f * Math::rcp(beta), max_propagate_nan(x, 0.0f));
}

// beta * |x| and 1 / beta in two parts each.
template <class Table, class Math>
INVACT_FUNCTION float softplus_float(float x, float beta) {
  const float inverse = 1.0f / beta;
  const float inverse_low = fused_multiply_add(-beta, inverse, 1.0f) * inverse;
  const float a = minimum(absolute(x), exponent_bound * inverse);
  const float product = beta * a;
  const float product_low = fused_multiply_add(beta, a, negated(product));
  const scaled_exponential e = unbiased_exp<Math>(negated(product), negated(product_low));
  const float significand = e.significand_times(1.0f), power = power_of(e);
  const float logarithm =
      significand * horner(Table::polynomial(), multiply_add(significand, power, -Table::center));
  const float v = fused_multiply_add(logarithm, inverse, logarithm * inverse_low);
  return multiply_add(v, power, max_propagate_nan(x, 0.0f));
}

template <class Narrow, class Wide, class Format, class Math>
INVACT_FUNCTION float softplus(float x, float beta) {
  if constexpr (is_narrow<Format>) {
    return softplus_narrow<Narrow, Math>(x, beta);
  } else {
    return softplus_float<Wide, Math>(x, beta);
  }
}

}  // namespace detail

INVACT_NAMESPACE_END
