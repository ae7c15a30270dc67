#include <invact/core/bits.hpp>

#include "support/catch.hpp"

using namespace invact;

namespace {
const uint32 nans[] = {0x7fc00000u, 0xffc00000u, 0x7f800001u, 0xffffffffu, 0x7fffffffu};
const uint32 numbers[] = {0x00000000u, 0x80000000u, 0x00000001u, 0x80000001u, 0x007fffffu, 0x3f800000u,
                          0xbf800000u, 0x7f7fffffu, 0xff7fffffu, 0x7f800000u, 0xff800000u};
}  // namespace

TEST_CASE("NaNs are told from numbers by their bits") {
  for (const uint32 b : nans) CHECK(is_nan(float_from_bits(b)));
  for (const uint32 b : numbers) CHECK_FALSE(is_nan(float_from_bits(b)));
}

TEST_CASE("the clamp propagates a NaN and otherwise picks the larger") {
  for (const uint32 b : nans) CHECK(is_nan(max_propagate_nan(float_from_bits(b), 1.0f)));
  CHECK(max_propagate_nan(-2.0f, -1.0f) == -1.0f);
  CHECK(max_propagate_nan(2.0f, -1.0f) == 2.0f);
  CHECK(float_bits(max_propagate_nan(float_from_bits(0xff800000u), -3.0f)) == float_bits(-3.0f));
}

TEST_CASE("the minimum of a NaN and a bound is the bound") {
  CHECK(minimum(-2.0f, -1.0f) == -2.0f);
  CHECK(minimum(float_from_bits(0x7f800000u), 3.0f) == 3.0f);
#if !defined(__FAST_MATH__)
  for (const uint32 b : nans) CHECK(minimum(float_from_bits(b), 1.0f) == 1.0f);
#endif
}

TEST_CASE("is_less is false for every NaN") {
  for (const uint32 b : nans) CHECK_FALSE(is_less(float_from_bits(b), 1.0f));
  CHECK(is_less(-1.0f, 1.0f));
  CHECK_FALSE(is_less(1.0f, 1.0f));
  CHECK(is_less(float_from_bits(0xff800000u), -3e38f));
}

TEST_CASE("signs are changed by their bits, those of zeros included") {
  for (const uint32 b : numbers) {
    CHECK(float_bits(absolute(float_from_bits(b))) == (b & 0x7fffffffu));
    CHECK(float_bits(negated(float_from_bits(b))) == (b ^ 0x80000000u));
    CHECK(float_bits(copy_sign(float_from_bits(b), float_sign_mask)) == (b | 0x80000000u));
  }
}

TEST_CASE("select takes either side bit for bit") {
  CHECK(float_bits(select(true, float_from_bits(0xffc12345u), 1.0f)) == 0xffc12345u);
  CHECK(float_bits(select(false, float_from_bits(0xffc12345u), float_from_bits(0x80000000u))) ==
        0x80000000u);
}

TEST_CASE("a bit test wants all bits of the mask, in whole and half registers") {
  CHECK(has_bits(0x80010000u, 0x80010000u) == 1);
  CHECK(has_bits(0xffffffffu, 0x80010000u) == 1);
  CHECK(has_bits(0x80000000u, 0x80010000u) == 0);
  CHECK(has_bits(0x7fffffffu, 0x80000000u) == 0);
  CHECK(has_bits(uint16{0x8001}, uint16{0x8001}) == 1);
  CHECK(has_bits(uint16{0x8002}, uint16{0x8001}) == 0);
}

TEST_CASE("a NaN that is carried and restored comes through, and no number is changed") {
  for (const uint32 b : nans) {
    const float y = float_from_bits(b);
    CHECK(is_nan(restore_nan(carry_nan(0.25f, y), y)));
  }
  for (const uint32 b : numbers) {
    const float y = float_from_bits(b);
    CHECK(restore_nan(carry_nan(0.25f, y), y) == 0.25f);
  }
}

TEST_CASE("at_least returns the larger of a value and its bound") {
  CHECK(at_least(2.0f, 1.0f) == 2.0f);
  CHECK(at_least(-2.0f, 1.0f) == 1.0f);
}
