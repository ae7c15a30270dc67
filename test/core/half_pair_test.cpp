#include <invact/core/half_pair.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include "support/catch.hpp"

namespace {

using namespace invact;

uint32 pair(uint32 first, uint32 second) { return first | second << 16; }
double half(uint32 code) { return static_cast<double>(binary16_format::load(static_cast<uint16>(code))); }
double bfloat(uint32 code) { return static_cast<double>(bfloat16_format::load(static_cast<uint16>(code))); }

// Finite codes of either sign, all over a format's range.
std::vector<uint32> sample(uint32 infinity) {
  std::vector<uint32> codes;
  for (uint32 c = 0; c < infinity; c += 211) {
    codes.push_back(c);
    codes.push_back(c | 0x8000u);
  }
  return codes;
}

// Whether no other code is nearer to `exact` than `code` is. Two roundings, first to a
// float, may leave what is nearly a tie to the other side.
template <class Value>
bool is_nearest(uint32 code, double exact, uint32 infinity, const Value& value) {
  const uint32 magnitude = code & 0x7fffu, sign = code & 0x8000u;
  if (magnitude >= infinity) return std::fabs(exact) >= value(infinity - 1);
  const double distance = std::fabs(value(code) - exact) * (1 - 0x1p-11);
  if (magnitude > 0 && std::fabs(value(sign | (magnitude - 1)) - exact) < distance) return false;
  return magnitude + 1 == infinity || !(std::fabs(value(sign | (magnitude + 1)) - exact) < distance);
}

constexpr uint32 half_infinity = 0x7c00u, bfloat_infinity = 0x7f80u, half_nan = 0x7e00u;
bool is_half_nan(uint32 code) { return (code & 0x7fffu) > half_infinity; }

}  // namespace

TEST_CASE("products and sums of halves are the nearest halves, lane by lane") {
  int wrong = 0;
  const std::vector<uint32> codes = sample(half_infinity);
  for (const uint32 a : codes) {
    for (const uint32 b : codes) {
      const uint32 c = codes[(a + 7 * b) % codes.size()];
      const uint32 product = multiply_halves(pair(a, c), pair(b, b)),
                   sum = multiply_add_halves(pair(a, b), pair(b, c), pair(c, a));
      wrong += !is_nearest(product & 0xffffu, half(a) * half(b), half_infinity, half);
      wrong += !is_nearest(product >> 16, half(c) * half(b), half_infinity, half);
      wrong += !is_nearest(sum & 0xffffu, half(a) * half(b) + half(c), half_infinity, half);
      wrong += !is_nearest(sum >> 16, half(b) * half(c) + half(a), half_infinity, half);
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("the sum of bfloat16 is the nearest, or 0 where it is negative, and NaN for NaN") {
  int wrong = 0;
  const std::vector<uint32> codes = sample(bfloat_infinity);
  for (const uint32 a : codes) {
    for (const uint32 b : {0x3e80u, 0x3f80u, 0xbe8du}) {
      for (const uint32 c : {0x3d3du, 0xbd3du, 0u}) {
        const double exact = std::fmax(bfloat(a) * bfloat(b) + bfloat(c), 0.0);
        const uint32 got = multiply_add_positive_bfloat16(pair(a, a), pair(b, b), pair(c, c));
        wrong += (got >> 16) != (got & 0xffffu);
        // Subnormal results may have been flushed: none is of use.
        if (exact >= 0x1p-126 || exact <= 0)
          wrong += !is_nearest(got & 0xffffu, exact, bfloat_infinity, bfloat);
      }
    }
  }
  CHECK(wrong == 0);
  const uint32 one = pair(0x3f80u, 0x3f80u);
  CHECK((multiply_add_positive_bfloat16(pair(0x7fc0u, 0xff81u), one, one) & 0x7fff7fffu) >
        pair(bfloat_infinity, bfloat_infinity));
}

TEST_CASE("the hyperbolic tangent of every half is within 2^-10.98") {
  double worst = 0;
  for (uint32 c = 0; c <= half_infinity; ++c) {
    const uint32 got = tanh_halves(pair(c, c | 0x8000u));
    const double want = c == half_infinity ? 1 : std::tanh(half(c));
    worst = std::fmax(worst, std::fabs(half(got & 0xffffu) - want));
    worst = std::fmax(worst, std::fabs(half(got >> 16) + want));
  }
  CHECK(worst <= std::exp2(-10.98));
  CHECK(is_half_nan(tanh_halves(pair(half_nan, 0)) & 0xffffu));
}

TEST_CASE("the minimum keeps NaN, and a comparison with it is false") {
  const uint32 a = pair(0x3c00u, half_nan), b = pair(0xc000u, 0x3c00u);
  CHECK((min_halves(a, b) & 0xffffu) == 0xc000u);
  CHECK(is_half_nan(min_halves(a, b) >> 16));
  CHECK(is_half_nan(min_halves(b, a) >> 16));
  CHECK(less_halves(b, a) == 0xffffu);
  CHECK(less_halves(a, b) == 0u);
  CHECK(less_halves(pair(0x8000u, 0xfc00u), pair(0u, 0xfbffu)) == 0xffff0000u);
}
