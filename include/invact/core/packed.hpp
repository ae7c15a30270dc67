// Two 16-bit lanes in one 32-bit word, element 0 in the low half: what a device with compute capability
// 9.0 does in one instruction, and the same in 32-bit arithmetic for older devices and the host.
#pragma once

#include <invact/core/math.hpp>

INVACT_NAMESPACE_BEGIN

// Whether the packed minimum, maximum and sum below are instructions.
#if INVACT_DEVICE_CODE && __CUDA_ARCH__ >= 900
#define INVACT_DETAIL_PACKED_INTEGERS 1
#else
#define INVACT_DETAIL_PACKED_INTEGERS 0
#endif

namespace detail {

inline constexpr uint32 lane_signs = 0x80008000u;

// Each lane all ones where its sign bit is set, else zero.
INVACT_FUNCTION uint32 spread_signs(uint32 word) {
#if INVACT_DEVICE_CODE
  uint32 r;
  asm("prmt.b32 %0, %1, 0, 0xbb99;" : "=r"(r) : "r"(word));
  return r;
#else
  return ((word >> 15) & 0x00010001u) * 0xffffu;
#endif
}

// The sum of each lane, modulo 2^16.
INVACT_FUNCTION uint32 packed_sum(uint32 a, uint32 b) {
  return ((a & ~lane_signs) + (b & ~lane_signs)) ^ ((a ^ b) & lane_signs);
}

// All ones in each lane in which a >= b as signed integers.
INVACT_FUNCTION uint32 packed_not_less(uint32 a, uint32 b) {
  // The low 15 bits, compared by a subtraction whose borrow stops at the lane's set top bit.
  const uint32 low = (a | lane_signs) - (b & ~lane_signs);
  return spread_signs(((a ^ b) & b) | (~(a ^ b) & low));
}

}  // namespace detail

// The upper halves of two words.
INVACT_FUNCTION uint32 upper_halves(uint32 low, uint32 high) {
#if INVACT_DEVICE_CODE
  uint32 r;
  asm("prmt.b32 %0, %1, %2, 0x7632;" : "=r"(r) : "r"(low), "r"(high));
  return r;
#else
  return (low >> 16) | (high & 0xffff0000u);
#endif
}

// (a ^ b) & mask. Left to itself, nvcc 13.0 makes two instructions of it.
INVACT_FUNCTION uint32 masked_difference(uint32 a, uint32 b, uint32 mask) {
#if INVACT_DEVICE_CODE
  uint32 r;
  asm("lop3.b32 %0, %1, %2, %3, 0x28;" : "=r"(r) : "r"(a), "r"(b), "r"(mask));
  return r;
#else
  return (a ^ b) & mask;
#endif
}

// sum + addend where `bit` is 1, sum where it is 0. Both words are a sign bit, the same in both, and a
// magnitude, and the sum of the magnitudes is below 2^24: so they are floats in units of the smallest
// subnormal, and a device adds them at the full rate of its multipliers, where selecting and adding integers
// runs at half of it.
INVACT_FUNCTION uint32 add_if(uint32 bit, uint32 sum, uint32 addend) {
#if INVACT_DEVICE_CODE
  return float_bits(multiply_add(bit != 0 ? 1.0f : 0.0f, float_from_bits(addend), float_from_bits(sum)));
#else
  return sum + select(bit != 0, addend & ~float_sign_mask, 0u);
#endif
}

// Words as one signed integer (word_lanes) or as two of 16 bits (half_lanes), whose sums wrap around lane
// by lane. `all(v)` has v in every lane.
struct word_lanes {
  INVACT_FUNCTION static constexpr uint32 all(uint32 v) { return v; }

  INVACT_FUNCTION static uint32 min(uint32 a, uint32 b) {
    return select(static_cast<int32>(a) < static_cast<int32>(b), a, b);
  }
  // min(a + b, bound) and max(a + b, bound).
  INVACT_FUNCTION static uint32 add_min(uint32 a, uint32 b, uint32 bound) { return min(a + b, bound); }
  INVACT_FUNCTION static uint32 add_max(uint32 a, uint32 b, uint32 bound) {
    return select(static_cast<int32>(a + b) < static_cast<int32>(bound), bound, a + b);
  }
};

struct half_lanes {
  INVACT_FUNCTION static constexpr uint32 all(uint32 v) { return (v & 0xffffu) * 0x00010001u; }

  INVACT_FUNCTION static uint32 min(uint32 a, uint32 b) {
#if INVACT_DETAIL_PACKED_INTEGERS
    uint32 r;
    asm("min.s16x2 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));
    return r;
#else
    const uint32 mask = detail::packed_not_less(a, b);
    return (b & mask) | (a & ~mask);
#endif
  }

  // min(a + b, bound) and max(a + b, bound): each one instruction if it is one statement.
  INVACT_FUNCTION static uint32 add_min(uint32 a, uint32 b, uint32 bound) {
#if INVACT_DETAIL_PACKED_INTEGERS
    uint32 r;
    asm("{ .reg .b32 sum; add.s16x2 sum, %1, %2; min.s16x2 %0, sum, %3; }"
        : "=r"(r)
        : "r"(a), "r"(b), "r"(bound));
    return r;
#else
    return min(detail::packed_sum(a, b), bound);
#endif
  }
  INVACT_FUNCTION static uint32 add_max(uint32 a, uint32 b, uint32 bound) {
#if INVACT_DETAIL_PACKED_INTEGERS
    uint32 r;
    asm("{ .reg .b32 sum; add.s16x2 sum, %1, %2; max.s16x2 %0, sum, %3; }"
        : "=r"(r)
        : "r"(a), "r"(b), "r"(bound));
    return r;
#else
    const uint32 sum = detail::packed_sum(a, b);
    const uint32 mask = detail::packed_not_less(sum, bound);
    return (sum & mask) | (bound & ~mask);
#endif
  }
};

#undef INVACT_DETAIL_PACKED_INTEGERS

INVACT_NAMESPACE_END
