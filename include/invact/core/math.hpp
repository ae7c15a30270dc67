// The four special functions the library uses: sqrt, ex2, lg2 and rcp, each within 2 ULP.
//
// On the device each is one MUFU operation (PTX's approx forms). On the host they are written out in
// integer and floating-point arithmetic that vectorises: libm's versions set errno or are calls, and
// either stops a loop from vectorising. Every evaluator and approximant takes the set as a template
// parameter, `Math`, so that a test can replace it by a perturbed one.
#pragma once

#include <invact/core/bits.hpp>

INVACT_NAMESPACE_BEGIN

// a * b + c: fused where the target has the instruction. Nothing here depends on the fusion.
INVACT_FUNCTION float multiply_add(float a, float b, float c) {
#if INVACT_DEVICE_CODE
  float r;
  asm("fma.rn.f32 %0, %1, %2, %3;" : "=f"(r) : "f"(a), "f"(b), "f"(c));
  return r;
#elif defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

namespace detail {

// (2^f - 1) / f for |f| <= 1/2, interpolated at the Chebyshev nodes of that interval: relative error of
// 2^f 9.2e-9 before rounding.
INVACT_FUNCTION float exp2_slope(float f) {
  float p = 0x1.44138ap-13f;
  p = multiply_add(p, f, 0x1.5f0890p-10f);
  p = multiply_add(p, f, 0x1.3b2a54p-7f);
  p = multiply_add(p, f, 0x1.c6af6cp-5f);
  p = multiply_add(p, f, 0x1.ebfbe0p-3f);
  return multiply_add(p, f, 0x1.62e430p-1f);
}

}  // namespace detail

// bit ? a * b : otherwise, and bit ? max(a, bound) : otherwise, for a bit that is 0 or 1. On the
// device one predicated instruction each, where the compiler makes two of a selection.
INVACT_FUNCTION float multiply_if(uint32 bit, float a, float b, float otherwise) {
#if INVACT_DEVICE_CODE
  asm("{ .reg .pred p; setp.ne.u32 p, %3, 0; @p mul.f32 %0, %1, %2; }"
      : "+f"(otherwise)
      : "f"(a), "f"(b), "r"(bit));
  return otherwise;
#else
  return select_by_bit(bit, a * b, otherwise);
#endif
}
INVACT_FUNCTION float at_least_if(uint32 bit, float a, float bound, float otherwise) {
#if INVACT_DEVICE_CODE
  asm("{ .reg .pred p; setp.ne.u32 p, %3, 0; @p max.f32 %0, %1, %2; }"
      : "+f"(otherwise)
      : "f"(a), "f"(bound), "r"(bit));
  return otherwise;
#else
  return select_by_bit(bit, at_least(a, bound), otherwise);
#endif
}

// a * b, and 0 where that is subnormal, whatever the flags say of subnormals.
INVACT_FUNCTION float flushing_multiply(float a, float b) {
#if INVACT_DEVICE_CODE
  float r;
  asm("mul.ftz.f32 %0, %1, %2;" : "=f"(r) : "f"(a), "f"(b));
  return r;
#else
  const float r = a * b;
  return select((float_bits(r) & float_infinity_bits) == 0, 0.0f, r);
#endif
}

// a * b + c clamped to [0, 1]; a NaN becomes either end.
INVACT_FUNCTION float saturated_multiply_add(float a, float b, float c) {
#if INVACT_DEVICE_CODE
  float r;
  asm("fma.rn.sat.f32 %0, %1, %2, %3;" : "=f"(r) : "f"(a), "f"(b), "f"(c));
  return r;
#else
  const float r = multiply_add(a, b, c);
  const float low = select(r > 0.0f, r, 0.0f);
  return select(low < 1.0f, low, 1.0f);
#endif
}

// a * b clamped to [0, 1]; a NaN becomes any of its numbers.
INVACT_FUNCTION float saturated_multiply(float a, float b) {
#if INVACT_DEVICE_CODE
  float r;
  asm("mul.sat.f32 %0, %1, %2;" : "=f"(r) : "f"(a), "f"(b));
  return r;
#else
  const float r = a * b;
  const float low = select(r > 0.0f, r, 0.0f);
  return select(low < 1.0f, low, 1.0f);
#endif
}

// max(x, -0) - a * b for a * b in [0, |x|], with x's sign, a zero's too; a NaN x goes through.
INVACT_FUNCTION float positive_part_minus_product(float x, float a, float b) {
#if INVACT_DEVICE_CODE
  return multiply_add(negated(a), b, max_propagate_nan(x, float_from_bits(float_sign_mask)));
#else
  // By the sign bit, because -ffast-math confuses the zeros.
  const uint32 sign = float_bits(x) & float_sign_mask;
  const bool negative = (sign != 0) & !is_nan(x);
  return copy_sign(multiply_add(negated(a), b, float_from_bits(select(negative, sign, float_bits(x)))),
                   sign);
#endif
}

// a * b + c with an exact product, everywhere: on a host without the instruction through double, whose own
// rounding of the sum makes it up to 0.5 + 2^-29 ULP of error.
INVACT_FUNCTION float fused_multiply_add(float a, float b, float c) {
#if INVACT_DEVICE_CODE || defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return multiply_add(a, b, c);
#else
  return static_cast<float>(static_cast<double>(a) * static_cast<double>(b) + static_cast<double>(c));
#endif
}

struct native_math {
  // Whether a fused multiply-add costs no more than another instruction and no compiler regroups sums:
  // true on the device. The evaluators for float storage choose their algorithm by it.
  INVACT_HOST_DEVICE static constexpr bool fuses() { return INVACT_DEVICE_CODE != 0; }

  // The square root of x in [0, inf). Subnormal x counts as 0; NaN and inf are for the caller.
  INVACT_FUNCTION static float sqrt(float x) {
#if INVACT_DEVICE_CODE
    float r;
    asm("sqrt.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
    return r;
#else
    // x = m * 4^k with m in [1, 4), where no product leaves the normal range in whatever order a compiler
    // forms it. 1/sqrt(m) by the exponent-halving start value and a Newton step, both with J. Kadlec's
    // constants (relative error 6.5e-4), then one step of third order on the root itself.
    const uint32 b = float_bits(x);
    const uint32 k = (b - 0x3f800000u) & 0xff000000u;
    const float m = float_from_bits(b - k);
    const float r0 = float_from_bits(0x5f1ffff9u - ((b - k) >> 1));
    const float r = r0 * (1.68191391f - 0.703952253f * m * r0 * r0);
    const float s = m * r;
    const float h = 1.0f - s * r;
    const float root = s + (s * h) * multiply_add(h, 0.375f, 0.5f);
    const float scaled =
        float_from_bits(float_bits(root) + static_cast<uint32>(static_cast<int32>(k) >> 1));
    return select(x < 0x1p-126f, 0.0f, scaled);
#endif
  }

  // 2^x: 0 below -126 (results that would be subnormal flush), inf from 128 on, on the host from 127.5
  // on. NaN is for the caller.
  INVACT_FUNCTION static float ex2(float x) {
#if INVACT_DEVICE_CODE
    float r;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
    return r;
#else
    // x = n + f with |f| <= 1/2, 2^f by a polynomial, 2^n through the exponent field, where n = 128
    // makes the infinity and n = -127 the zero that are wanted.
    const float low = select(x > -127.0f, x, -127.0f);
    const float clamped = select(low < 128.0f, low, 128.0f);
    const int32 n = static_cast<int32>(clamped + copy_sign(0.5f, float_bits(clamped) & float_sign_mask));
    const float f = clamped - static_cast<float>(n);
    const float p = multiply_add(detail::exp2_slope(f), f, 1.0f);
    const float r = p * float_from_bits(static_cast<uint32>(n + 127) << 23);
    return select(x < -126.0f, 0.0f, r);
#endif
  }

  // log2 of a normal x > 0. Absolute error up to 2^-22 near 1, elsewhere relative.
  INVACT_FUNCTION static float lg2(float x) {
#if INVACT_DEVICE_CODE
    float r;
    asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
    return r;
#else
    // x = 2^e * m with m in [sqrt(1/2), sqrt(2)); log2 m = 2/ln 2 * atanh(s), s = (m - 1)/(m + 1).
    const uint32 b = float_bits(x);
    const int32 e = static_cast<int32>(b - 0x3f3504f3u) >> 23;
    const float m = float_from_bits(b - (static_cast<uint32>(e) << 23));
    const float s = (m - 1.0f) * rcp(m + 1.0f);
    const float z = s * s;
    // log2(m)/s interpolated at the Chebyshev nodes of s^2 in [0, 0.0294]; relative error 1.4e-8.
    float p = 0x1.ba1456p-2f;
    p = multiply_add(p, z, 0x1.274736p-1f);
    p = multiply_add(p, z, 0x1.ec70e6p-1f);
    p = multiply_add(p, z, 0x1.715476p+1f);
    return multiply_add(s, p, static_cast<float>(e));
#endif
  }

  // 1/x: 0 above 2^126, where the quotient is subnormal; 1/0 = inf.
  INVACT_FUNCTION static float rcp(float x) {
#if INVACT_DEVICE_CODE
    float r;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
    return r;
#else
    return select(absolute(x) > 0x1p126f, 0.0f, 1.0f / x);
#endif
  }
};

INVACT_NAMESPACE_END
