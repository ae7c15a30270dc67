#include <algorithm>
#include <cstdint>
#include <random>

#include <invact/core/packed.hpp>
#include <invact/core/storage.hpp>

#include "support/catch.hpp"

using namespace invact;

namespace {

int32 lane(uint32 word, int i) { return static_cast<std::int16_t>(word >> (16 * i)); }
int32 wrapped(int32 sum) { return static_cast<std::int16_t>(sum); }

}  // namespace

TEST_CASE("the lanes of a word add, and are bounded, as 16-bit integers each") {
  // Where lanes differ in sign, wrap around, or carry.
  const uint32 edges[] = {0x0000u, 0x0001u, 0x7ffeu, 0x7fffu, 0x8000u,
                          0x8001u, 0xfffeu, 0xffffu, 0x7f80u, 0x8080u};
  std::mt19937 random(4);
  int wrong = 0;
  for (const uint32 low : edges) {
    for (const uint32 high : edges) {
      for (const uint32 other : edges) {
        for (const uint32 bound : edges) {
          const uint32 a = low | high << 16, b = other | (random() & 0xffffu) << 16;
          const uint32 c = (random() & 0xffffu) | bound << 16;
          for (int i = 0; i < 2; ++i) {
            const int32 sum = wrapped(lane(a, i) + lane(b, i));
            wrong += lane(half_lanes::min(a, b), i) != std::min(lane(a, i), lane(b, i));
            wrong += lane(half_lanes::add_min(a, b, c), i) != std::min(sum, lane(c, i));
            wrong += lane(half_lanes::add_max(a, b, c), i) != std::max(sum, lane(c, i));
          }
        }
      }
    }
  }
  CHECK(wrong == 0);
  CHECK(half_lanes::all(0xffff8001u) == 0x80018001u);
}

TEST_CASE("a word as one lane is a 32-bit integer") {
  CHECK(word_lanes::all(0x12345678u) == 0x12345678u);
  CHECK(word_lanes::min(0x80000000u, 1u) == 0x80000000u);
  CHECK(word_lanes::add_min(0x7fffffffu, 1u, 0u) == 0x80000000u);
  CHECK(word_lanes::add_max(0x7fffffffu, 1u, 0xffffffffu) == 0xffffffffu);
  CHECK(word_lanes::add_max(1u, 2u, 0x80000000u) == 3u);
}

TEST_CASE("a bit decides whether a magnitude is added") {
  CHECK(add_if(1, 0x80008000u, 0x80000081u) == 0x80008081u);
  CHECK(add_if(0, 0x80008000u, 0x80000081u) == 0x80008000u);
  CHECK(add_if(1, 0x80008081u, 0x80810000u) == 0x80818081u);
  CHECK(add_if(1, 0x7fffffu, 0x800000u) == 0xffffffu);
}

TEST_CASE("halves and bits are put together") {
  CHECK(upper_halves(0x11112222u, 0x33334444u) == 0x33331111u);
  CHECK(masked_difference(0xff00ff00u, 0x0ff00ff0u, 0x00ffff00u) == 0x00f0f000u);
}

TEMPLATE_TEST_CASE("a pair is converted as its elements are", "", bfloat16_format, binary16_format) {
  std::mt19937 random(6);
  int wrong = 0;
  for (int i = 0; i < 100000; ++i) {
    const float a = float_from_bits(random()), b = float_from_bits(random());
    wrong += TestType::round_pair(a, b) != (TestType::round(a) | uint32{TestType::round(b)} << 16);
    if (is_nan(a) || is_nan(b)) continue;
    wrong += TestType::truncate_pair(a, b) != (TestType::truncate(a) | uint32{TestType::truncate(b)} << 16);
  }
  CHECK(wrong == 0);
}
