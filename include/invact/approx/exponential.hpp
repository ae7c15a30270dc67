// exp to the last bit or so, for float storage, where ex2's own error would break the bound.
#pragma once

#include <invact/core/math.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

// value * 2^exponent, value in [0.7, 1.42]: the caller picks a scale at which nothing underflows.
struct scaled_value {
  float value;
  int32 exponent;

  // value * 2^(exponent + shift), 0 where that is below 2^-126.
  INVACT_FUNCTION float scaled(int32 shift) const {
    const int32 e = exponent + shift + 127;
    return value * float_from_bits(select(e > 0, static_cast<uint32>(e), 0u) << 23);
  }
};

// exp(a + b) for a in [-256, 0] and |b| < 1/4, within 2 ULP.
//
// a * log2(e) is formed in two parts, the first of them exact: twelve leading bits of a times eleven of
// log2(e). Masks split the numbers, so neither a missing FMA nor -ffast-math (which may reassociate
// sums, but cannot see through a mask) loses the small part.
INVACT_FUNCTION scaled_value exp_sum(float a, float b) {
  constexpr float log2e = 0x1.715476p+0f;
  constexpr float log2e_high = 0x1.714p+0f;
  constexpr float log2e_low = 0x1.47652cp-12f;
  const float a_high = float_from_bits(float_bits(a) & 0xfffff000u);
  const float a_low = a - a_high;
  const float exact = a_high * log2e_high;
  const int32 n = static_cast<int32>(exact - 0.5f);
  // At most 23 significant bits, so clearing the last changes nothing but what the compiler knows.
  const float f = float_from_bits(float_bits(exact - static_cast<float>(n)) & ~1u);
  const float rest = multiply_add(a_high, log2e_low, (a_low + b) * log2e);
  return {exp2_fraction(f + rest), n};
}

// 1/d for d in [1, 2^100], within 1 ULP: the approximate reciprocal and a Newton step.
template <class Math>
INVACT_FUNCTION float refined_rcp(float d) {
  const float r = Math::rcp(d);
  return multiply_add(r, multiply_add(-d, r, 1.0f), r);
}

}  // namespace detail

INVACT_NAMESPACE_END
