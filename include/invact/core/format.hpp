// Numbers that belong to a storage format.
#pragma once

#include <invact/core/storage.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

INVACT_HOST_DEVICE constexpr float power_of_two(int exponent) {
  float p = 1.0f;
  for (; exponent > 0; --exponent) p *= 2.0f;
  for (; exponent < 0; ++exponent) p *= 0.5f;
  return p;
}

// The exponent of Format's smallest normal number.
template <class Format>
INVACT_HOST_DEVICE constexpr int min_exponent() {
  int exponent_bits = 0;
  for (uint32 b = Format::sign >> Format::mantissa_bits; b > 1u; b >>= 1) ++exponent_bits;
  return 2 - (1 << (exponent_bits - 1));
}

// The smallest positive number of Format, and the distance of the next number from 1: the one below 1 is
// 1 - epsilon / 2.
template <class Format>
inline constexpr float least = power_of_two(min_exponent<Format>() - Format::mantissa_bits);
template <class Format>
inline constexpr float epsilon = power_of_two(-Format::mantissa_bits);

// The largest power of two that is not above |x|; 0 for zeros and subnormals, infinity for NaN and infinities.
INVACT_FUNCTION float power_of_two_below(float x) {
  return float_from_bits(float_bits(x) & float_infinity_bits);
}

}  // namespace detail

INVACT_NAMESPACE_END
