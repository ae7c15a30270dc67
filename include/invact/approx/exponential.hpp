// exp to the last bit or so, for float storage, where ex2's own error would break the bound.
#pragma once

#include <invact/core/math.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

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
};

// exp(a + b) for a in [-256, 0] and |b| <= 1/16, within 2 ULP.
//
// a * log2(e) is formed in two parts, the first of them exact: twelve leading bits of a times eleven of
// log2(e). Masks split the numbers, so neither a missing FMA nor -ffast-math (which may reassociate
// sums, but cannot see through a mask) loses the small part.
INVACT_FUNCTION scaled_exponential exp_sum(float a, float b) {
  constexpr float log2e = 0x1.715476p+0f;
  constexpr float log2e_high = 0x1.714p+0f;
  constexpr float log2e_low = 0x1.47652cp-12f;
  const float a_high = float_from_bits(float_bits(a) & 0xfffff000u);
  const float a_low = float_from_bits(float_bits(a - a_high) & ~1u);
  const float exact = a_high * log2e_high;
  const int32 n = static_cast<int32>(exact - 0.5f);
  // At most 23 significant bits, as a_low has 12: clearing the last changes nothing but what the
  // compiler knows.
  const float f = float_from_bits(float_bits(exact - static_cast<float>(n)) & ~1u);
  const float sum = f + multiply_add(a_high, log2e_low, (a_low + b) * log2e);
  return {exp2_slope(sum) * sum, n};
}

// n / (d + d_low), nearly correctly rounded whatever the last bits of the hardware's reciprocal are,
// by the remainder of the first quotient; d + d_low in [1, 2^100], |d_low| <= 2^-11 d.
template <class Math>
INVACT_FUNCTION float divide(float n, float d, float d_low) {
  const float r = Math::rcp(d + d_low);
  const float q = n * r;
  const float remainder = fused_multiply_add(-q, d_low, fused_multiply_add(-q, d, n));
  return fused_multiply_add(remainder, r, q);
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
