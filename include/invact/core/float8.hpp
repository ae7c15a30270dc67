// FP8 storage: the formats e4m3 and e5m2, in the classes `float8_e4m3` and `float8_e5m2`, in CUDA's
// __nv_fp8_e4m3 and __nv_fp8_e5m2 (only declared here), and in a user's own 8-bit type by one line:
//
//   template <> struct invact::storage_traits<my::fp8> : invact::e4m3_storage<my::fp8> {};
//
// Rounding is to nearest, ties to even, and saturates, as the device's cvt.rn.satfinite does: what is beyond the
// largest number, infinities too, becomes the largest number of its sign. A NaN becomes the code 0x7f, the same
// NaN in both formats.
#pragma once

#include <invact/core/fragment.hpp>
#include <invact/core/storage.hpp>

struct __nv_fp8_e4m3;
struct __nv_fp8_e5m2;

INVACT_NAMESPACE_BEGIN

// The code of an 8-bit number: four bits of exponent and three of mantissa, no infinity, +-448 the largest.
struct float8_e4m3 {
  uint8 bits;
};

// The same with five bits of exponent and two of mantissa: the upper half of an IEEE half; +-57344 the largest.
struct float8_e5m2 {
  uint8 bits;
};

// Whether the device converts FP8, two values at a time.
#if INVACT_DEVICE_CODE && __CUDA_ARCH__ >= 890
#define INVACT_DETAIL_CONVERTS_FLOAT8 1
#else
#define INVACT_DETAIL_CONVERTS_FLOAT8 0
#endif

namespace detail {

inline constexpr uint32 float8_nan = 0x7fu;

// The code of x in a format with this many bits of mantissa, exponent bias and largest code. In integers, so
// that it vectorises and no flag matters.
template <int MantissaBits, int Bias, uint32 Largest>
INVACT_FUNCTION uint8 round_to_float8(float x) {
  constexpr int dropped = binary32_format::mantissa_bits - MantissaBits;
  const uint32 b = float_bits(x) & ~float_sign_mask;
  const uint32 normal =
      (b - (uint32{127 - Bias} << 23) + ((1u << (dropped - 1)) - 1u) + ((b >> dropped) & 1u)) >> dropped;
  // A power of two whose ULP is the spacing of the subnormal codes: the addition itself rounds.
  constexpr uint32 magic = uint32{127 + 24 - Bias - MantissaBits} << 23;
  const uint32 subnormal = float_bits(float_from_bits(b) + float_from_bits(magic)) - magic;
  const uint32 rounded = select(b < (uint32{128 - Bias} << 23), subnormal, normal);
  const uint32 finite = select(static_cast<int32>(rounded) < static_cast<int32>(Largest), rounded, Largest);
  const uint32 signed_code = finite | (float_bits(x) >> 31 << 7);
  return static_cast<uint8>(select(is_nan(x), float8_nan, signed_code));
}

}  // namespace detail

// As in core/storage.hpp; with load_pair() and round_pair(), which convert two codes as one would be and are
// the fewer instructions on the device. A mantissa bit of FP8 is too much to give up, so there is no truncate().
struct e4m3_format {
  using code = uint8;
  static constexpr int mantissa_bits = 3;
  static constexpr code sign = 0x80u;
  static constexpr code infinity = 0x7fu;  // the first code that is not finite: NaN
  static constexpr code min_normal = 0x08u;

  INVACT_FUNCTION static float load(code c) {
#if INVACT_DETAIL_CONVERTS_FLOAT8
    return load_pair({c, 0})[0];
#else
    const uint32 magnitude = c & 0x7fu;
    const float subnormal = float_from_bits((magnitude << 20) + 0x3c800000u) - 0x1p-6f;
    const uint32 normal = (magnitude << 20) + (120u << 23);
    const uint32 finite = select(magnitude < 0x08u, float_bits(subnormal), normal);
    const uint32 b = select(magnitude == detail::float8_nan, 0x7fc00000u, finite);
    return float_from_bits(b | static_cast<uint32>(c & 0x80u) << 24);
#endif
  }

  INVACT_FUNCTION static code round(float x) {
#if INVACT_DETAIL_CONVERTS_FLOAT8
    return round_pair(x, 0.0f)[0];
#else
    return detail::round_to_float8<3, 7, 0x7eu>(x);
#endif
  }

  INVACT_FUNCTION static fragment<float, 2> load_pair(fragment<code, 2> c) {
#if INVACT_DETAIL_CONVERTS_FLOAT8
    fragment<float, 2> x;
    asm("{ .reg .b32 w; .reg .b16 l, h; cvt.rn.f16x2.e4m3x2 w, %2; mov.b32 {l, h}, w; cvt.f32.f16 %0, l; "
        "cvt.f32.f16 %1, h; }"
        : "=f"(x[0]), "=f"(x[1])
        : "h"(bit_cast<uint16>(c)));
    return x;
#else
    return {load(c[0]), load(c[1])};
#endif
  }

  INVACT_FUNCTION static fragment<code, 2> round_pair(float first, float second) {
#if INVACT_DETAIL_CONVERTS_FLOAT8
    uint16 c;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(c) : "f"(second), "f"(first));
    return bit_cast<fragment<code, 2>>(c);
#else
    return {round(first), round(second)};
#endif
  }
};

struct e5m2_format {
  using code = uint8;
  static constexpr int mantissa_bits = 2;
  static constexpr code sign = 0x80u;
  static constexpr code infinity = 0x7cu;  // never the result of rounding
  static constexpr code min_normal = 0x04u;

  INVACT_FUNCTION static float load(code c) {
    return binary16_format::load(static_cast<uint16>(static_cast<uint32>(c) << 8));
  }

  INVACT_FUNCTION static code round(float x) {
#if INVACT_DETAIL_CONVERTS_FLOAT8
    return round_pair(x, 0.0f)[0];
#else
    return detail::round_to_float8<2, 15, 0x7bu>(x);
#endif
  }

  INVACT_FUNCTION static fragment<float, 2> load_pair(fragment<code, 2> c) {
    return {load(c[0]), load(c[1])};
  }

  INVACT_FUNCTION static fragment<code, 2> round_pair(float first, float second) {
#if INVACT_DETAIL_CONVERTS_FLOAT8
    uint16 c;
    asm("cvt.rn.satfinite.e5m2x2.f32 %0, %1, %2;" : "=h"(c) : "f"(second), "f"(first));
    return bit_cast<fragment<code, 2>>(c);
#else
    return {round(first), round(second)};
#endif
  }
};

#undef INVACT_DETAIL_CONVERTS_FLOAT8

template <class T>
using e4m3_storage = storage_base<T, e4m3_format>;
template <class T>
using e5m2_storage = storage_base<T, e5m2_format>;

template <>
struct storage_traits<float8_e4m3> : e4m3_storage<float8_e4m3> {};
template <>
struct storage_traits<float8_e5m2> : e5m2_storage<float8_e5m2> {};
template <>
struct storage_traits<::__nv_fp8_e4m3> : e4m3_storage<::__nv_fp8_e4m3> {};
template <>
struct storage_traits<::__nv_fp8_e5m2> : e5m2_storage<::__nv_fp8_e5m2> {};

INVACT_NAMESPACE_END
