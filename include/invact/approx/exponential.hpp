// exp to the last bit or so, for float storage, where ex2's own error would break the bound: of the 4 ULP
// its 2 alone can take 4, where its result lies just above a power of two and y just below one.
//
// Two ways to the exponent's small part. Where Math::fuses(), the remainder of a fused product: fewest
// instructions. Elsewhere masks split the numbers, because -ffast-math may reassociate the former's sums,
// and without the instruction a fused product is slow.
#pragma once

#include <invact/core/math.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

inline constexpr float log2e = 0x1.715476p+0f;
inline constexpr float log2e_low = 0x1.4ae0c0p-26f;

// (1 + excess) * 2^exponent, |excess| < 0.42: kept apart so that a product with it rounds once, and so
// that the caller picks a scale at which nothing underflows.
struct scaled_exponential {
  float excess;
  int32 exponent;

  INVACT_FUNCTION float significand_times(float x) const { return fused_multiply_add(x, excess, x); }

  // x * 2^(exponent + shift), 0 where the power is below 2^-126.
  INVACT_FUNCTION float scale(float x, int32 shift) const {
    const int32 e = exponent + shift + 127;
    return x * float_from_bits(select(e > 0, static_cast<uint32>(e), 0u) << 23);
  }

  // 2^(exponent + shift), for a sum in [-127, 127]; 0 for -127.
  INVACT_FUNCTION float power_of_two(int32 shift) const {
    return float_from_bits(static_cast<uint32>(exponent + shift + 127) << 23);
  }
};

// An exponent of 2 as a whole number and a fraction in [-1/2, 1/2].
struct reduced_exponent {
  float fraction;
  int32 exponent;
};

// a * (c + c_low) for a product in [-2^22, 2^22], |c_low| <= 2^-24 |c|, with a fused multiply-add; the
// fraction's error is at most 2^-25.
INVACT_FUNCTION reduced_exponent reduce_exponent(float a, float c, float c_low) {
  // Its ULP is 1: adding it rounds to a whole number, which then lies in the low bits.
  constexpr float magic = 0x1.8p+23f;
  const float sum = fused_multiply_add(a, c, magic);
  const float n = sum - magic;
  return {fused_multiply_add(a, c_low, fused_multiply_add(a, c, negated(n))),
          static_cast<int32>(float_bits(sum)) - static_cast<int32>(float_bits(magic))};
}

INVACT_FUNCTION scaled_exponential exp2_of(reduced_exponent r) {
  return {exp2_slope(r.fraction) * r.fraction, r.exponent};
}

// The exponent of exp(a + b), a in [-256, 0] and |b| <= 1/16.
//
// a * log2(e) is formed in two parts, the first of them exact: twelve leading bits of a times eleven of
// log2(e). Masks split the numbers, so neither a missing FMA nor -ffast-math (which may reassociate
// sums, but cannot see through a mask) loses the small part.
INVACT_FUNCTION reduced_exponent reduce_sum(float a, float b) {
  constexpr float log2e_high = 0x1.714p+0f;
  constexpr float log2e_rest = 0x1.47652cp-12f;
  const float a_high = float_from_bits(float_bits(a) & 0xfffff000u);
  const float a_low = float_from_bits(float_bits(a - a_high) & ~1u);
  const float exact = a_high * log2e_high;
  const int32 n = static_cast<int32>(exact - 0.5f);
  // At most 23 significant bits, as a_low has 12: clearing the last changes nothing but what the
  // compiler knows.
  const float f = float_from_bits(float_bits(exact - static_cast<float>(n)) & ~1u);
  const float sum = f + multiply_add(a_high, log2e_rest, (a_low + b) * log2e);
  return {sum, n};
}

// exp(a + b) likewise, within 2 ULP.
INVACT_FUNCTION scaled_exponential exp_sum(float a, float b) { return exp2_of(reduce_sum(a, b)); }

// n / (d + d_low), nearly correctly rounded whatever the last bits of the hardware's reciprocal are,
// by the remainder of the first quotient; d + d_low in [1, 2^100], |d_low| <= 2^-11 d.
template <class Math>
INVACT_FUNCTION float divide(float n, float d, float d_low) {
  const float r = Math::rcp(d + d_low);
  const float q = n * r;
  const float remainder = fused_multiply_add(-q, d_low, fused_multiply_add(-q, d, n));
  return fused_multiply_add(remainder, r, q);
}

// n / d likewise; d in [1, 2^100].
template <class Math>
INVACT_FUNCTION float divide(float n, float d) {
  const float r = Math::rcp(d);
  const float q = n * r;
  return fused_multiply_add(fused_multiply_add(negated(q), d, n), r, q);
}

// f(x) from v * 2^e.exponent = |f(-|x|)|, for an f with f(x) - f(-x) = x: -v on the left, x - v on the
// right, where a NaN goes too; -0 below x = -largest. The left side is scaled in two steps, so that only
// y itself can underflow, with the sign set in between, so that -ffast-math cannot merge them. y takes
// x's sign by its bit, which keeps both zeros under every flag.
INVACT_FUNCTION float reflect(float x, float v, scaled_exponential e, float largest) {
  const uint32 sign = float_bits(x) & float_sign_mask;
  const float right = x - e.scale(v, 0);
  const float left = float_from_bits(float_bits(e.scale(v, 32)) | sign) * 0x1p-32f;
  const float y = select(is_less(x, 0.0f), left, right);
  return copy_sign(select(is_less(x, -largest), 0.0f, y), sign);
}

}  // namespace detail

INVACT_NAMESPACE_END
