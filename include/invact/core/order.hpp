// Comparisons in which a subnormal counts as what it is, although the flags make the processor take it for
// 0: what decides whether a gradient is 0 uses these, so that the smallest numbers keep theirs.
#pragma once

#include <invact/core/bits.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

// An integer ordered as the numbers are, the two zeros equal.
INVACT_FUNCTION int32 ordinal(float x) {
  const uint32 b = float_bits(x);
  const uint32 sign = 0u - (b >> 31);
  return static_cast<int32>(((b & ~float_sign_mask) ^ sign) - sign);
}

}  // namespace detail

// x > 0, by which a NaN is not.
INVACT_FUNCTION bool is_above_zero(float x) {
#if INVACT_DEVICE_CODE
  uint32 r;
  asm("{ .reg .pred p; setp.gt.f32 p, %1, 0f00000000; selp.u32 %0, 1, 0, p; }" : "=r"(r) : "f"(x));
  return r != 0;
#else
  const bool is_number = !is_nan(x);
  return (static_cast<int32>(float_bits(x)) > 0) & is_number;
#endif
}

// x <= bound and x >= bound, for a bound that is not NaN; false for a NaN x.
INVACT_FUNCTION bool is_at_most(float x, float bound) {
#if INVACT_DEVICE_CODE
  uint32 r;
  asm("{ .reg .pred p; setp.le.f32 p, %1, %2; selp.u32 %0, 1, 0, p; }" : "=r"(r) : "f"(x), "f"(bound));
  return r != 0;
#else
  const bool is_number = !is_nan(x);
  return (detail::ordinal(x) <= detail::ordinal(bound)) & is_number;
#endif
}
INVACT_FUNCTION bool is_at_least(float x, float bound) {
#if INVACT_DEVICE_CODE
  uint32 r;
  asm("{ .reg .pred p; setp.ge.f32 p, %1, %2; selp.u32 %0, 1, 0, p; }" : "=r"(r) : "f"(x), "f"(bound));
  return r != 0;
#else
  const bool is_number = !is_nan(x);
  return (detail::ordinal(x) >= detail::ordinal(bound)) & is_number;
#endif
}

// low < x < high, for bounds that are not NaN; false for a NaN x.
INVACT_FUNCTION bool is_between(float x, float low, float high) {
#if INVACT_DEVICE_CODE
  uint32 r;
  asm("{ .reg .pred p, q; setp.gt.f32 p, %1, %2; setp.lt.and.f32 q, %1, %3, p; selp.u32 %0, 1, 0, q; }"
      : "=r"(r)
      : "f"(x), "f"(low), "f"(high));
  return r != 0;
#else
  const bool is_above = detail::ordinal(x) > detail::ordinal(low);
  const bool is_below = detail::ordinal(x) < detail::ordinal(high);
  const bool is_number = !is_nan(x);
  return is_above & is_below & is_number;
#endif
}

// max(x, bound) and min(x, bound) that return a NaN x.
INVACT_FUNCTION float larger(float x, float bound) {
#if INVACT_DEVICE_CODE
  return max_propagate_nan(x, bound);
#else
  return select(is_at_most(x, bound), bound, x);
#endif
}
INVACT_FUNCTION float smaller(float x, float bound) {
#if INVACT_DEVICE_CODE
  float r;
  asm("min.NaN.f32 %0, %1, %2;" : "=f"(r) : "f"(x), "f"(bound));
  return r;
#else
  return select(is_at_least(x, bound), bound, x);
#endif
}

INVACT_NAMESPACE_END
