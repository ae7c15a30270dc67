// Storage types: the formats y is kept in, and the conversions between them and float.
//
// Three formats ship: IEEE binary32, IEEE binary16 and bfloat16. `storage_traits<T>` says how a C++
// type holds one; it exists for float, for CUDA's __half and __nv_bfloat16 (which are only declared
// here, so that no CUDA header is needed), and for the plain `binary16` and `bfloat16` below, which
// exist where no CUDA toolkit does. A user's own 16-bit type joins with one line:
//
//   template <> struct invact::storage_traits<my::half> : invact::binary16_storage<my::half> {};
//
// Conversions from float are done on bits on the host, so they vectorise and do not depend on the
// rounding mode, flush-to-zero or fast-math flags; on the device they are the hardware's.
#pragma once

#include <invact/core/packed.hpp>

struct __half;
struct __nv_bfloat16;

INVACT_NAMESPACE_BEGIN

// A 16-bit IEEE half held as its bits, for code built without cuda_fp16.h.
struct binary16 {
  uint16 bits;
};

// A bfloat16 held as its bits, for code built without cuda_bf16.h.
struct bfloat16 {
  uint16 bits;
};

// The encoding of a storage type, independent of the C++ class that carries it: what a table of
// coefficients is fitted for. `code` is the unsigned integer with the value's bits. A 16-bit format
// converts two values at once as well, the first to the low half of a word: on the device one
// instruction instead of two slower ones.
struct binary32_format {
  using code = uint32;
  static constexpr int mantissa_bits = 23;
  static constexpr code sign = 0x80000000u;
  static constexpr code infinity = 0x7f800000u;
  static constexpr code min_normal = 0x00800000u;
  // The smallest magnitude that a consumer is expected to keep: see mantissa_bit.
  static constexpr code min_kept = min_normal;

  INVACT_FUNCTION static float load(code c) { return float_from_bits(c); }
  INVACT_FUNCTION static code round(float x) { return float_bits(x); }
  INVACT_FUNCTION static code truncate(float x) { return float_bits(x); }
  // 1 where c has all bits of the constant `mask`, else 0.
  INVACT_FUNCTION static uint32 has_bits(code c, code mask) { return invact::has_bits(c, mask); }
};

struct bfloat16_format {
  using code = uint16;
  static constexpr int mantissa_bits = 7;
  static constexpr code sign = 0x8000u;
  static constexpr code infinity = 0x7f80u;
  static constexpr code min_normal = 0x0080u;
  static constexpr code min_kept = min_normal;

  INVACT_FUNCTION static float load(code c) {
#if INVACT_DEVICE_CODE
    // Told as a pair of halves, the upper code of a register takes one instruction; by a shift, two.
    uint32 r;
    asm("{ .reg .b16 z; mov.b16 z, 0; mov.b32 %0, {z, %1}; }" : "=r"(r) : "h"(c));
    return float_from_bits(r);
#else
    return float_from_bits(static_cast<uint32>(c) << 16);
#endif
  }

  // To nearest, ties to even. A NaN stays a NaN (quiet, its sign kept on the host).
  INVACT_FUNCTION static code round(float x) {
#if INVACT_DEVICE_CODE
    code c;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(c) : "f"(x));
    return c;
#else
    const uint32 b = float_bits(x);
    const uint32 rounded = (b + 0x7fffu + ((b >> 16) & 1u)) >> 16;
    const uint32 quiet = (b >> 16) | 0x40u;
    return static_cast<code>(select(is_nan(x), quiet, rounded));
#endif
  }

  // Toward zero; not meant for NaN (a payload in the low half would be lost).
  INVACT_FUNCTION static code truncate(float x) { return static_cast<code>(float_bits(x) >> 16); }

  // round() and truncate() of two values.
  INVACT_FUNCTION static uint32 round_pair(float first, float second) {
#if INVACT_DEVICE_CODE
    uint32 r;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(second), "f"(first));
    return r;
#else
    return round(first) | static_cast<uint32>(round(second)) << 16;
#endif
  }
  INVACT_FUNCTION static uint32 truncate_pair(float first, float second) {
    return upper_halves(float_bits(first), float_bits(second));
  }

  // Of the float, which decoding needs anyway: half a register would have to be moved first.
  INVACT_FUNCTION static uint32 has_bits(code c, code mask) {
    return invact::has_bits(float_bits(load(c)), static_cast<uint32>(mask) << 16);
  }
};

struct binary16_format {
  using code = uint16;
  static constexpr int mantissa_bits = 10;
  static constexpr code sign = 0x8000u;
  static constexpr code infinity = 0x7c00u;
  static constexpr code min_normal = 0x0400u;
  // Half's subnormals are in everyday use, so even the smallest is kept.
  static constexpr code min_kept = 0x0001u;

  INVACT_FUNCTION static float load(code c) {
#if INVACT_DEVICE_CODE
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(c));
    return x;
#else
    const uint32 sign_mask = static_cast<uint32>(c & 0x8000u) << 16;
    const uint32 magnitude = c & 0x7fffu;
    // A subnormal is put under the exponent of 2^-14 and that hidden bit is subtracted again: unlike
    // a multiplication of a subnormal float, this survives denormals-are-zero.
    const float subnormal = float_from_bits((magnitude << 13) + 0x38800000u) - 0x1p-14f;
    const uint32 special = select(magnitude >= 0x7c00u, 112u << 23, 0u);
    const uint32 normal = (magnitude << 13) + (112u << 23) + special;
    const uint32 b = select(magnitude < 0x0400u, float_bits(subnormal), normal);
    return float_from_bits(b | sign_mask);
#endif
  }

  // To nearest, ties to even; overflow goes to infinity. A NaN stays a NaN.
  INVACT_FUNCTION static code round(float x) {
#if INVACT_DEVICE_CODE
    code c;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(c) : "f"(x));
    return c;
#else
    const uint32 b = float_bits(x) & 0x7fffffffu;
    const uint32 normal = (b - (112u << 23) + 0xfffu + ((b >> 13) & 1u)) >> 13;
    // 0.5f has an ULP of 2^-24, half's smallest subnormal: the addition itself rounds.
    const uint32 subnormal = float_bits(float_from_bits(b) + 0.5f) - 0x3f000000u;
    const uint32 large = select(b > float_infinity_bits, 0x7e00u, 0x7c00u);
    const uint32 finite = select(b < 0x38800000u, subnormal, normal);
    const uint32 magnitude = select(b >= 0x477ff000u, large, finite);
    return static_cast<code>(magnitude | ((float_bits(x) >> 16) & 0x8000u));
#endif
  }

  // Toward zero, with overflow to the largest finite value; not meant for NaN or infinity.
  INVACT_FUNCTION static code truncate(float x) {
#if INVACT_DEVICE_CODE
    code c;
    asm("cvt.rz.f16.f32 %0, %1;" : "=h"(c) : "f"(x));
    return c;
#else
    const uint32 b = float_bits(x) & 0x7fffffffu;
    const uint32 normal = (b - (112u << 23)) >> 13;
    const uint32 subnormal = static_cast<uint32>(
        static_cast<int32>(select(b < 0x38800000u, float_from_bits(b) * 0x1p24f, 0.0f)));
    const uint32 finite = select(b < 0x38800000u, subnormal, normal);
    const uint32 magnitude = select(b >= 0x47800000u, 0x7bffu, finite);
    return static_cast<code>(magnitude | ((float_bits(x) >> 16) & 0x8000u));
#endif
  }

  // round() and truncate() of two values.
  INVACT_FUNCTION static uint32 round_pair(float first, float second) {
#if INVACT_DEVICE_CODE
    uint32 r;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(second), "f"(first));
    return r;
#else
    return round(first) | static_cast<uint32>(round(second)) << 16;
#endif
  }
  INVACT_FUNCTION static uint32 truncate_pair(float first, float second) {
#if INVACT_DEVICE_CODE
    uint32 r;
    asm("cvt.rz.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(second), "f"(first));
    return r;
#else
    return truncate(first) | static_cast<uint32>(truncate(second)) << 16;
#endif
  }

  INVACT_FUNCTION static uint32 has_bits(code c, code mask) { return invact::has_bits(c, mask); }
};

// How the C++ type T holds a format: the base of every storage_traits specialisation.
template <class T, class Format>
struct storage_base {
  using format = Format;
  using code = typename Format::code;

  INVACT_FUNCTION static code to_code(const T& value) { return bit_cast<code>(value); }
  INVACT_FUNCTION static T from_code(code c) { return bit_cast<T>(c); }
  INVACT_FUNCTION static float load(const T& value) { return Format::load(to_code(value)); }
  INVACT_FUNCTION static T round(float x) { return from_code(Format::round(x)); }
};

template <class T>
using binary32_storage = storage_base<T, binary32_format>;
template <class T>
using binary16_storage = storage_base<T, binary16_format>;
template <class T>
using bfloat16_storage = storage_base<T, bfloat16_format>;

// Specialise by inheriting from one of the three bases above.
template <class T>
struct storage_traits;

template <>
struct storage_traits<float> : binary32_storage<float> {};
template <>
struct storage_traits<binary16> : binary16_storage<binary16> {};
template <>
struct storage_traits<bfloat16> : bfloat16_storage<bfloat16> {};
template <>
struct storage_traits<::__half> : binary16_storage<::__half> {};
template <>
struct storage_traits<::__nv_bfloat16> : bfloat16_storage<::__nv_bfloat16> {};

INVACT_NAMESPACE_END
