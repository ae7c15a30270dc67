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

struct native_math {
  // The square root of x in [0, inf). Subnormal x counts as 0; NaN and inf are for the caller.
  INVACT_FUNCTION static float sqrt(float x) {
#if INVACT_DEVICE_CODE
    float r;
    asm("sqrt.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
    return r;
#else
    // 1/sqrt by the exponent-halving start value and three Newton steps, then one step on the root
    // itself: x * (1/sqrt x) alone would be off by about 1 ULP more.
    const float safe = x < 0x1p-126f ? 0x1p-126f : x;
    float r = float_from_bits(0x5f3759dfu - (float_bits(safe) >> 1));
    const float half = 0.5f * safe;
    r = r * (1.5f - half * r * r);
    r = r * (1.5f - half * r * r);
    r = r * (1.5f - half * r * r);
    const float s = safe * r;
    const float root = s + 0.5f * r * (safe - s * s);
    return x < 0x1p-126f ? 0.0f : root;
#endif
  }

  // 2^x: 0 below -126 (results that would be subnormal flush), inf from 128 on. NaN is for the caller.
  INVACT_FUNCTION static float ex2(float x) {
#if INVACT_DEVICE_CODE
    float r;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
    return r;
#else
    // x = n + f with |f| <= 1/2, 2^f by a polynomial, 2^n through the exponent field, where n = 128
    // makes the infinity and n = -127 the zero that are wanted.
    const float low = x < -127.0f ? -127.0f : x;
    const float clamped = low < 128.0f ? low : 128.0f;
    const int32 n = static_cast<int32>(clamped + (clamped < 0.0f ? -0.5f : 0.5f));
    const float f = clamped - static_cast<float>(n);
    float p = 1.535336188319500e-4f;
    p = multiply_add(p, f, 1.339887440266574e-3f);
    p = multiply_add(p, f, 9.618437357674640e-3f);
    p = multiply_add(p, f, 5.550332471162809e-2f);
    p = multiply_add(p, f, 2.402264791363012e-1f);
    p = multiply_add(p, f, 6.931472028550421e-1f);
    p = multiply_add(p, f, 1.0f);
    const float r = p * float_from_bits(static_cast<uint32>(n + 127) << 23);
    return x < -126.0f ? 0.0f : r;
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
    float p = 0.41198590338f;  // 2/(7 ln 2)
    p = multiply_add(p, z, 0.57707802057f);
    p = multiply_add(p, z, 0.96179669392f);
    p = multiply_add(p, z, 2.88539008178f);
    return multiply_add(s, p, static_cast<float>(e));
#endif
  }

  // 1/x for normal x; 1/inf = 0, 1/0 = inf.
  INVACT_FUNCTION static float rcp(float x) {
#if INVACT_DEVICE_CODE
    float r;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
    return r;
#else
    return 1.0f / x;
#endif
  }
};

INVACT_NAMESPACE_END
