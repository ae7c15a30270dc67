// native_math with each special function moved by a fixed number of units in the last place.
#pragma once

#include <invact/core/math.hpp>

template <int Sqrt, int Ex2, int Lg2, int Rcp>
struct shifted_math {
  static constexpr bool fuses() { return false; }
  static float move(float x, int ulps) {
    // Zeros, infinities and NaNs are exact in the hardware too.
    const invact::uint32 b = invact::float_bits(x), magnitude = b & 0x7fffffffu;
    if (magnitude == 0 || magnitude >= 0x7f800000u) return x;
    return invact::float_from_bits(b + static_cast<invact::uint32>(ulps));
  }
  static float sqrt(float x) { return move(invact::native_math::sqrt(x), Sqrt); }
  static float ex2(float x) { return move(invact::native_math::ex2(x), Ex2); }
  static float lg2(float x) { return move(invact::native_math::lg2(x), Lg2); }
  static float rcp(float x) { return move(invact::native_math::rcp(x), Rcp); }
};

// The algorithms that the device chooses, on the host; not for -ffast-math, which breaks them.
template <int Rcp>
struct fused_math : shifted_math<0, 0, 0, Rcp> {
  static constexpr bool fuses() { return true; }
};
