// Arithmetic on two 16-bit floats at once. They lie in a word as elements of a 16-bit storage type do, the first in its
// low half; all are halves but for the one function that says bfloat16. On the device an instruction each (tanh: sm_75,
// the others: sm_80); on the host lane by lane in double, rounded through float, which in rare cases rounds twice.
#pragma once

#include <invact/core/math.hpp>
#include <invact/core/storage.hpp>

INVACT_NAMESPACE_BEGIN

#if !INVACT_DEVICE_CODE
namespace detail {

template <class Format, class Function>
uint32 each_lane(const Function& f, uint32 a, uint32 b, uint32 c) {
  const auto lane = [&](int shift) {
    const auto load = [shift](uint32 word) { return Format::load(static_cast<uint16>(word >> shift)); };
    const float x = load(a), y = load(b), z = load(c);
    const bool no_number = is_nan(x) || is_nan(y) || is_nan(z);
    const uint32 code = Format::round(static_cast<float>(f(x, y, z)));
    return (no_number ? 0x7fffu : code) << shift;
  };
  return lane(0) | lane(16);
}

}  // namespace detail
#endif

INVACT_FUNCTION uint32 half_pair(float first, float second) {
  return binary16_format::round_pair(first, second);
}
INVACT_FUNCTION float first_of_halves(uint32 pair) {
  return binary16_format::load(static_cast<uint16>(pair & 0xffffu));
}
INVACT_FUNCTION float second_of_halves(uint32 pair) {
  return binary16_format::load(static_cast<uint16>(pair >> 16));
}

INVACT_FUNCTION uint32 multiply_halves(uint32 a, uint32 b) {
#if INVACT_DEVICE_CODE
  uint32 r;
  asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));
  return r;
#else
  return detail::each_lane<binary16_format>([](double x, double y, double) { return x * y; }, a, b, 0);
#endif
}

// a * b + c, rounded once.
INVACT_FUNCTION uint32 multiply_add_halves(uint32 a, uint32 b, uint32 c) {
#if INVACT_DEVICE_CODE
  uint32 r;
  asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
  return r;
#else
  return detail::each_lane<binary16_format>([](double x, double y, double z) { return x * y + z; }, a, b,
                                            c);
#endif
}

// max(a * b + c, 0) of bfloat16, rounded once.
INVACT_FUNCTION uint32 multiply_add_positive_bfloat16(uint32 a, uint32 b, uint32 c) {
#if INVACT_DEVICE_CODE
  uint32 r;
  asm("fma.rn.relu.bf16x2 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
  return r;
#else
  return detail::each_lane<bfloat16_format>(
      [](double x, double y, double z) {
        const double sum = x * y + z;
        return sum > 0 ? sum : 0.0;
      },
      a, b, c);
#endif
}

INVACT_FUNCTION uint32 min_halves(uint32 a, uint32 b) {
#if INVACT_DEVICE_CODE
  uint32 r;
  asm("min.NaN.f16x2 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));
  return r;
#else
  return detail::each_lane<binary16_format>([](double x, double y, double) { return x < y ? x : y; }, a, b,
                                            0);
#endif
}

// All ones in each lane where a < b, else 0; 0 for NaN.
INVACT_FUNCTION uint32 less_halves(uint32 a, uint32 b) {
#if INVACT_DEVICE_CODE
  uint32 r;
  asm("set.lt.u32.f16x2 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));
  return r;
#else
  return (is_less(first_of_halves(a), first_of_halves(b)) ? 0xffffu : 0u) |
         (is_less(second_of_halves(a), second_of_halves(b)) ? 0xffff0000u : 0u);
#endif
}

// Within 2^-10.98, as PTX's tanh.approx.f16x2 is; -1 and 1 for infinities.
INVACT_FUNCTION uint32 tanh_halves(uint32 a) {
#if INVACT_DEVICE_CODE
  uint32 r;
  asm("tanh.approx.f16x2 %0, %1;" : "=r"(r) : "r"(a));
  return r;
#else
  const auto tanh = [](double x, double, double) {
    const float kept = minimum(at_least(static_cast<float>(x), -10.0f), 10.0f);
    const float e = native_math::ex2(kept * 2.88539008f);
    return static_cast<double>(e - 1.0f) / static_cast<double>(e + 1.0f);
  };
  return detail::each_lane<binary16_format>(tanh, a, 0, 0);
#endif
}

INVACT_NAMESPACE_END
