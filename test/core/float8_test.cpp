#include <cmath>
#include <random>

#include <invact/core/float8.hpp>

#include "reference/format.hpp"
#include "support/catch.hpp"

using namespace invact;
namespace ref = reference;

namespace {

template <class Format>
constexpr ref::format reference_of = Format::mantissa_bits == 3 ? ref::e4m3 : ref::e5m2;

// What a finite x is stored as: the nearest number, the largest where there is none.
uint32 saturated(ref::format format, double x) {
  const uint32 code = ref::encode(format, x), magnitude = code & 0x7fu;
  return magnitude < format.infinity() ? code : (code & 0x80u) | (format.infinity() - 1);
}

}  // namespace

TEMPLATE_TEST_CASE("every 8-bit code loads as the number its format defines", "", e4m3_format, e5m2_format) {
  constexpr ref::format format = reference_of<TestType>;
  CHECK(TestType::infinity == format.infinity());
  CHECK(TestType::min_normal == format.min_normal());
  int wrong = 0;
  for (uint32 c = 0; c < 0x100u; ++c) {
    const float x = TestType::load(static_cast<uint8>(c));
    if ((c & 0x7fu) > 0x7cu && TestType::mantissa_bits == 2) {
      wrong += !is_nan(x);
    } else if ((c & 0x7fu) == 0x7fu) {
      wrong += !is_nan(x);
    } else {
      wrong += !ref::same_bits(x, static_cast<float>(ref::decode(format, c)));
      if ((c & 0x7fu) < format.infinity()) wrong += TestType::round(x) != c;
    }
  }
  CHECK(wrong == 0);
}

TEMPLATE_TEST_CASE("8-bit rounding goes to the nearest code, ties to even, around every code", "", e4m3_format,
                   e5m2_format) {
  constexpr ref::format format = reference_of<TestType>;
  int wrong = 0;
  for (uint32 c = 0; c < format.infinity(); ++c) {
    const double low = ref::decode(format, c);
    const double step = c + 1 == format.infinity() ? low - ref::decode(format, c - 1)
                                                   : ref::decode(format, c + 1) - low;
    for (const double part : {0.0, 0x1p-18, 0.25, 0.5 - 0x1p-18, 0.5, 0.5 + 0x1p-18, 0.75, 1 - 0x1p-18}) {
      const float x = static_cast<float>(low + part * step);
      const uint32 want = saturated(format, static_cast<double>(x));
      wrong += TestType::round(x) != want;
      wrong += TestType::round(negated(x)) != (want | 0x80u);
    }
  }
  CHECK(wrong == 0);
}

TEMPLATE_TEST_CASE("random floats round to 8 bits as the definition says", "", e4m3_format, e5m2_format) {
  constexpr ref::format format = reference_of<TestType>;
  std::mt19937 random(3);
  int wrong = 0;
  for (int i = 0; i < 300000; ++i) {
    // Subnormal floats go the way of zero with flush-to-zero and without.
    const auto bits = static_cast<uint32>(random());
    if ((bits & 0x7f800000u) == 0x7f800000u) continue;
    const float x = float_from_bits(bits);
    wrong += TestType::round(x) != saturated(format, static_cast<double>(x));
  }
  CHECK(wrong == 0);
}

TEMPLATE_TEST_CASE("what is beyond the largest 8-bit number becomes it, a NaN stays one", "", e4m3_format,
                   e5m2_format) {
  constexpr auto largest = static_cast<uint8>(TestType::infinity - 1);
  for (const float x : {TestType::load(largest) * 1.2f, 1e30f, float_from_bits(0x7f800000u)}) {
    CHECK(TestType::round(x) == largest);
    CHECK(TestType::round(negated(x)) == (largest | 0x80u));
  }
  for (const uint32 b : {0x7fc00000u, 0xffc00000u, 0x7f800001u, 0xff800001u, 0x7fffffffu, 0xffffffffu}) {
    CHECK(TestType::round(float_from_bits(b)) == 0x7fu);
    CHECK(is_nan(TestType::load(TestType::round(float_from_bits(b)))));
  }
}

TEMPLATE_TEST_CASE("pairs of 8-bit codes convert as one code does", "", e4m3_format, e5m2_format) {
  int wrong = 0;
  for (uint32 a = 0; a < 0x100u; ++a) {
    const auto first = static_cast<uint8>(a), second = static_cast<uint8>(a * 89u + 5u);
    const fragment<float, 2> x = TestType::load_pair({first, second});
    wrong += !ref::same_bits(x[0], TestType::load(first)) + !ref::same_bits(x[1], TestType::load(second));
    const fragment<uint8, 2> c = TestType::round_pair(x[0] * 1.03f, x[1] * 0.97f);
    wrong += (c[0] != TestType::round(x[0] * 1.03f)) + (c[1] != TestType::round(x[1] * 0.97f));
  }
  CHECK(wrong == 0);
}

namespace {

struct own_type {
  unsigned char bits;
};

}  // namespace

INVACT_NAMESPACE_BEGIN
template <>
struct storage_traits<own_type> : e4m3_storage<own_type> {};
INVACT_NAMESPACE_END

TEST_CASE("FP8 classes hold their codes") {
  CHECK(sizeof(float8_e4m3) == 1);
  CHECK(sizeof(float8_e5m2) == 1);
  CHECK(storage_traits<float8_e4m3>::round(-1.0f).bits == 0xb8u);
  CHECK(storage_traits<float8_e5m2>::round(-1.0f).bits == 0xbcu);
  CHECK(storage_traits<own_type>::load({0x38u}) == 1.0f);
}
