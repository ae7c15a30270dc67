#include <cmath>
#include <random>

#include <invact/core/storage.hpp>

#include "support/catch.hpp"
#include "reference/format.hpp"

using namespace invact;
namespace ref = reference;

namespace {

template <class Format>
constexpr ref::format reference_of = Format::mantissa_bits == 7 ? ref::bfloat16 : ref::binary16;

bool exact_in_float(double x) {
  // Subnormal floats are left out: with flush-to-zero the processor no longer sees them.
  return std::fabs(x) >= 0x1p-126 && static_cast<double>(static_cast<float>(x)) == x;
}

}  // namespace

TEMPLATE_TEST_CASE("every 16-bit code loads as the number its format defines", "", bfloat16_format,
                   binary16_format) {
  constexpr ref::format format = reference_of<TestType>;
  int wrong = 0;
  for (uint32 c = 0; c < 0x10000u; ++c) {
    const float x = TestType::load(static_cast<uint16>(c));
    if ((c & 0x7fffu) > format.infinity()) {
      wrong += !is_nan(x);
      continue;
    }
    const double want = ref::decode(format, c);
    if (want != 0 && std::fabs(want) < 0x1p-126) continue;
    wrong += !ref::same_bits(x, static_cast<float>(want));
  }
  CHECK(wrong == 0);
}

TEMPLATE_TEST_CASE("rounding goes to the nearest code, ties to even, around every code", "",
                   bfloat16_format, binary16_format) {
  constexpr ref::format format = reference_of<TestType>;
  int wrong_round = 0, wrong_truncate = 0;
  for (uint32 c = 0; c < format.infinity(); ++c) {
    const double low = ref::decode(format, c);
    const double step = c + 1 == format.infinity() ? low - ref::decode(format, c - 1)
                                                   : ref::decode(format, c + 1) - low;
    for (const double part : {0.0, 0.25, 0.4999, 0.5, 0.5001, 0.75, 0.9999}) {
      const double exact = low + part * step;
      const float x = static_cast<float>(exact);
      if (std::fabs(exact) < 0x1p-126 || std::isinf(x)) continue;
      // What the float itself stands for, should `exact` not be one.
      const uint32 want = ref::encode(format, static_cast<double>(x));
      wrong_round += TestType::round(x) != want;
      wrong_round += TestType::round(-x) != (want | 0x8000u);
      const double kept = static_cast<double>(x);
      if (kept >= low && kept < low + step) {
        wrong_truncate += TestType::truncate(x) != c;
        wrong_truncate += TestType::truncate(-x) != (c | 0x8000u);
      }
    }
  }
  CHECK(wrong_round == 0);
  CHECK(wrong_truncate == 0);
}

TEMPLATE_TEST_CASE("random floats round as the definition says", "", bfloat16_format, binary16_format) {
  constexpr ref::format format = reference_of<TestType>;
  std::mt19937 random(3);
  int wrong = 0;
  for (int i = 0; i < 300000; ++i) {
    const float x = float_from_bits(random());
    if (is_nan(x) || !exact_in_float(static_cast<double>(x)) || std::isinf(x)) continue;
    wrong += TestType::round(x) != ref::encode(format, static_cast<double>(x));
  }
  CHECK(wrong == 0);
}

TEMPLATE_TEST_CASE("infinities stay, NaNs stay NaNs", "", bfloat16_format, binary16_format) {
  CHECK(TestType::round(float_from_bits(0x7f800000u)) == TestType::infinity);
  CHECK(TestType::round(float_from_bits(0xff800000u)) == (TestType::infinity | 0x8000u));
  for (const uint32 b : {0x7fc00000u, 0xffc00000u, 0x7f800001u, 0xff800001u, 0x7fffffffu, 0xffffffffu}) {
    const auto code = TestType::round(float_from_bits(b));
    CHECK((code & 0x7fffu) > TestType::infinity);
    CHECK(is_nan(TestType::load(code)));
  }
}

TEST_CASE("half overflows to infinity from 65520 on and truncates to 65504") {
  CHECK(binary16_format::round(65504.0f) == 0x7bffu);
  CHECK(binary16_format::round(65519.996f) == 0x7bffu);
  CHECK(binary16_format::round(65520.0f) == 0x7c00u);
  CHECK(binary16_format::round(-1e30f) == 0xfc00u);
  CHECK(binary16_format::truncate(65535.0f) == 0x7bffu);
  CHECK(binary16_format::truncate(1e30f) == 0x7bffu);
}

TEST_CASE("a user's own type becomes storage by one line") {
  CHECK(sizeof(storage_traits<binary16>::code) == 2);
  CHECK(storage_traits<bfloat16>::to_code(storage_traits<bfloat16>::from_code(0xbeefu)) == 0xbeefu);
  CHECK(storage_traits<float>::load(1.25f) == 1.25f);
}
