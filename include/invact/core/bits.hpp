// Bit casts, and comparisons that keep their meaning under every floating-point flag.
//
// -ffast-math and --use_fast_math let a compiler assume that no NaN exists and that -0 equals +0.
// The stored formats depend on both, so whatever decides a piece, a sign or a NaN tests bits.
#pragma once

#include <invact/config.hpp>

INVACT_NAMESPACE_BEGIN

// The object representation of `from` as a To of the same size.
template <class To, class From>
INVACT_FUNCTION To bit_cast(const From& from) {
  static_assert(sizeof(To) == sizeof(From), "invact::bit_cast: the two types differ in size");
  To to;
#if defined(__CUDACC_RTC__) || INVACT_DEVICE_CODE
  memcpy(&to, &from, sizeof(To));
#else
  std::memcpy(static_cast<void*>(&to), static_cast<const void*>(&from), sizeof(To));
#endif
  return to;
}

INVACT_FUNCTION uint32 float_bits(float x) { return bit_cast<uint32>(x); }
INVACT_FUNCTION float float_from_bits(uint32 bits) { return bit_cast<float>(bits); }

inline constexpr uint32 float_sign_mask = 0x80000000u;
inline constexpr uint32 float_infinity_bits = 0x7f800000u;

// Whether x is a NaN, by its bits. The comparison is signed because SSE2 has no other.
INVACT_FUNCTION bool is_nan(float x) {
  return static_cast<int32>(float_bits(x) & ~float_sign_mask) > static_cast<int32>(float_infinity_bits);
}

// condition ? a : b, both of them computed. On the host a conditional operator would let the compiler
// move the computation of a or b into a branch, and g++ does not vectorise a loop with floating-point
// arithmetic in a branch (it might trap); bitwise, no branch exists.
INVACT_FUNCTION uint32 select(bool condition, uint32 a, uint32 b) {
#if INVACT_DEVICE_CODE
  return condition ? a : b;
#else
  const uint32 mask = 0u - static_cast<uint32>(condition);
  return (a & mask) | (b & ~mask);
#endif
}
INVACT_FUNCTION float select(bool condition, float a, float b) {
  return float_from_bits(select(condition, float_bits(a), float_bits(b)));
}

// bit ? a : b, for a bit that is 0 or 1. Given select(bit != 0, a, b), g++ turns a comparison of what it
// knows to be 0 or 1 into a conversion to bool, which it does not vectorise.
INVACT_FUNCTION float select_by_bit(uint32 bit, float a, float b) {
#if INVACT_DEVICE_CODE
  return bit != 0 ? a : b;
#else
  const uint32 mask = 0u - bit;
  return float_from_bits((float_bits(a) & mask) | (float_bits(b) & ~mask));
#endif
}

// 1 where all bits of `mask`, a constant, are set in `word`, else 0. On the device opaque to the optimiser,
// which would make integer arithmetic of it: so the assembler sees a predicate and keeps it as one for
// everything that asks for the result.
INVACT_FUNCTION uint32 has_bits(uint32 word, uint32 mask) {
#if INVACT_DEVICE_CODE
  uint32 r;
  if ((mask & (mask - 1u)) == 0) {  // one bit: the comparison with 0 is part of the `and`
    asm("{ .reg .pred p; .reg .b32 t; and.b32 t, %1, %2; setp.ne.u32 p, t, 0; selp.u32 %0, 1, 0, p; }"
        : "=r"(r)
        : "r"(word), "r"(mask));
  } else {
    asm("{ .reg .pred p; .reg .b32 t; and.b32 t, %1, %2; setp.eq.u32 p, t, %2; selp.u32 %0, 1, 0, p; }"
        : "=r"(r)
        : "r"(word), "r"(mask));
  }
  return r;
#else
  return static_cast<uint32>((word & mask) == mask);
#endif
}
// The same of half a register, which the assembler tests where it lies.
INVACT_FUNCTION uint32 has_bits(uint16 word, uint16 mask) {
#if INVACT_DEVICE_CODE
  uint32 r;
  asm("{ .reg .pred p; .reg .b16 t; and.b16 t, %1, %2; setp.eq.u16 p, t, %2; selp.u32 %0, 1, 0, p; }"
      : "=r"(r)
      : "h"(word), "h"(mask));
  return r;
#else
  return has_bits(uint32{word}, uint32{mask});
#endif
}

// |x|. On the device a modifier of the instruction that reads it, which bitwise arithmetic is not.
INVACT_FUNCTION float absolute(float x) {
#if INVACT_DEVICE_CODE
  float r;
  asm("abs.f32 %0, %1;" : "=f"(r) : "f"(x));
  return r;
#else
  return float_from_bits(float_bits(x) & ~float_sign_mask);
#endif
}

// -x, as a modifier too: under --use_fast_math nvcc makes a flushing subtraction of the operator.
INVACT_FUNCTION float negated(float x) {
#if INVACT_DEVICE_CODE
  float r;
  asm("neg.f32 %0, %1;" : "=f"(r) : "f"(x));
  return r;
#else
  return -x;
#endif
}

// |magnitude| with the sign bit of `sign`.
INVACT_FUNCTION float copy_sign(float magnitude, uint32 sign_mask) {
  return float_from_bits((float_bits(magnitude) & ~float_sign_mask) | sign_mask);
}

// max(x, bound) that returns a NaN x unchanged, where fmaxf would return the bound.
INVACT_FUNCTION float max_propagate_nan(float x, float bound) {
#if INVACT_DEVICE_CODE
  float r;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(r) : "f"(x), "f"(bound));
  return r;
#else
  const float larger = select(x < bound, bound, x);
  return select(is_nan(x), x, larger);
#endif
}

// min(x, bound); bound for a NaN x.
INVACT_FUNCTION float minimum(float x, float bound) {
#if INVACT_DEVICE_CODE
  float r;
  asm("min.f32 %0, %1, %2;" : "=f"(r) : "f"(x), "f"(bound));
  return r;
#else
  return select(x < bound, x, bound);
#endif
}

// How a NaN gets past clamps, which lose it. On the device carry_nan(x, y) turns an x >= 0 into NaN where y
// is, by one instruction, and the arithmetic that follows keeps it. The special functions of the host do
// not, so there restore_nan(result, y) puts it back at the end. Use both: each is free where the other acts.
INVACT_FUNCTION float carry_nan(float x, float y) {
#if INVACT_DEVICE_CODE
  float r;
  asm("{ .reg .f32 m; abs.f32 m, %2; neg.f32 m, m; max.NaN.f32 %0, %1, m; }" : "=f"(r) : "f"(x), "f"(y));
  return r;
#else
  static_cast<void>(y);
  return x;
#endif
}
INVACT_FUNCTION float restore_nan(float result, float y) {
#if INVACT_DEVICE_CODE
  static_cast<void>(y);
  return result;
#else
  return select(is_nan(y), y, result);
#endif
}

// max(x, bound), either of them for a NaN x.
INVACT_FUNCTION float at_least(float x, float bound) {
#if INVACT_DEVICE_CODE
  float r;
  asm("max.f32 %0, %1, %2;" : "=f"(r) : "f"(x), "f"(bound));
  return r;
#else
  return select(x > bound, x, bound);
#endif
}

// x < bound for a bound that is not NaN; false for a NaN x under every flag.
INVACT_FUNCTION bool is_less(float x, float bound) {
#if INVACT_DEVICE_CODE
  return x < bound;
#else
  return (x < bound) & !is_nan(x);
#endif
}

// A float in global memory, on the host in any, that nothing writes while the kernel runs: so it is read
// once, whatever is stored between its uses.
INVACT_FUNCTION float load_unchanging(const float* p) {
#if INVACT_DEVICE_CODE
  return __ldg(p);
#else
  return *p;
#endif
}

INVACT_NAMESPACE_END
