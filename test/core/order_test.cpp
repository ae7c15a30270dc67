#include <invact/core/order.hpp>

#include <vector>

#include "reference/format.hpp"
#include "support/catch.hpp"

namespace {

using namespace invact;
namespace ref = reference;

// Every binade's ends, both zeros, subnormals and infinities, from bits that no flag may flush.
std::vector<uint32> all_bits() {
  std::vector<uint32> all;
  for (uint32 sign = 0; sign < 2; ++sign) {
    for (uint32 exponent = 0; exponent < 255; ++exponent)
      for (const uint32 mantissa : {0u, 1u, 0x400000u, 0x7fffffu})
        all.push_back(sign << 31 | exponent << 23 | mantissa);
    all.push_back(sign << 31 | float_infinity_bits);
  }
  return all;
}

double value(uint32 bits) { return ref::decode(ref::binary32, bits); }

}  // namespace

TEST_CASE("comparisons order subnormals and zeros as numbers, whatever is flushed") {
  long wrong = 0;
  for (const uint32 a : all_bits()) {
    const float x = float_from_bits(a);
    if (is_above_zero(x) != (value(a) > 0)) ++wrong;
    for (const uint32 b : all_bits()) {
      const float bound = float_from_bits(b);
      if (is_at_most(x, bound) != (value(a) <= value(b))) ++wrong;
      if (is_at_least(x, bound) != (value(a) >= value(b))) ++wrong;
      if (value(float_bits(larger(x, bound))) != std::fmax(value(a), value(b))) ++wrong;
      if (value(float_bits(smaller(x, bound))) != std::fmin(value(a), value(b))) ++wrong;
      if (is_between(x, -1.0f, bound) != (value(a) > -1 && value(a) < value(b))) ++wrong;
      if (is_between(x, bound, 1.0f) != (value(a) > value(b) && value(a) < 1)) ++wrong;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("a NaN is in no order, and goes through the larger and the smaller") {
  for (const uint32 bits : {0x7fc00000u, 0xffc00000u, 0x7f800001u, 0xffffffffu}) {
    const float nan = float_from_bits(bits);
    CHECK_FALSE(is_above_zero(nan));
    for (const float bound : {-1.0f, 0.0f, 1.0f}) {
      CHECK_FALSE(is_at_most(nan, bound));
      CHECK_FALSE(is_at_least(nan, bound));
      CHECK_FALSE(is_between(nan, bound, 2.0f));
      CHECK(is_nan(larger(nan, bound)));
      CHECK(is_nan(smaller(nan, bound)));
    }
  }
}
