#include <algorithm>
#include <cmath>

#include <invact/core/math.hpp>

#include "support/catch.hpp"
#include "reference/format.hpp"

using namespace invact;
namespace ref = reference;

namespace {

// Largest error of f against g over floats of many mantissas in binades [first, last], in ULP.
template <class F, class G>
double largest_ulp(int first, int last, float sign, F f, G g) {
  double worst = 0;
  for (int e = first; e <= last; ++e) {
    for (uint32 m = 0; m < 0x800000u; m += 4099) {
      const float x = sign * float_from_bits(static_cast<uint32>(e + 127) << 23 | m);
      const double want = g(static_cast<double>(x));
      if (std::fabs(want) < 0x1p-126) continue;
      const double error = std::fabs(static_cast<double>(f(x)) - want) / ref::ulp(ref::binary32, want);
      // -ffast-math would not see a NaN in a comparison.
      worst = ref::is_nan(error) ? 1e30 : std::max(worst, error);
      if (worst >= 1e30) return worst;
    }
  }
  return worst;
}

// Lambdas: g++ refuses to inline through a pointer that a sanitizer checks.
const auto native_sqrt = [](float x) { return native_math::sqrt(x); };
const auto native_ex2 = [](float x) { return native_math::ex2(x); };
const auto native_lg2 = [](float x) { return native_math::lg2(x); };
const auto native_rcp = [](float x) { return native_math::rcp(x); };

}  // namespace

TEST_CASE("the square root is within 2 ULP, 0 of 0") {
  CHECK(largest_ulp(-126, 127, 1, native_sqrt, [](double x) { return std::sqrt(x); }) <= 2);
  CHECK(native_math::sqrt(0.0f) == 0.0f);
}

TEST_CASE("ex2 is within 2 ULP, and ends at zero and infinity") {
  const auto exact = [](double x) { return std::exp2(x); };
  CHECK(largest_ulp(-30, 5, 1, native_ex2, exact) <= 2);
  CHECK(largest_ulp(6, 6, 1, [](float x) { return native_math::ex2(x - 1.0f); },
                    [](double x) { return std::exp2(x - 1); }) <= 2);
  CHECK(largest_ulp(-30, 6, -1, native_ex2, exact) <= 2);
  CHECK(native_math::ex2(-126.5f) == 0.0f);
  CHECK(native_math::ex2(-3e38f) == 0.0f);
  CHECK(float_bits(native_math::ex2(128.0f)) == float_infinity_bits);
  CHECK(float_bits(native_math::ex2(float_from_bits(0x7f800000u))) == float_infinity_bits);
  CHECK(native_math::ex2(float_from_bits(0xff800000u)) == 0.0f);
}

TEST_CASE("lg2 is within 2^-22 near 1 and 2 ULP elsewhere") {
  const auto exact = [](double x) { return std::log2(x); };
  CHECK(largest_ulp(2, 127, 1, native_lg2, exact) <= 2);
  CHECK(largest_ulp(-126, -3, 1, native_lg2, exact) <= 2);
  double worst = 0;
  for (float x = 0.25f; x < 4.0f; x += 0x1p-15f)
    worst = std::max(worst, std::fabs(static_cast<double>(native_math::lg2(x)) - std::log2(static_cast<double>(x))));
  CHECK(worst <= 0x1p-22);
}

TEST_CASE("the reciprocal is within 2 ULP, 0 where it would be subnormal") {
  CHECK(largest_ulp(-126, 125, 1, native_rcp, [](double x) { return 1 / x; }) <= 2);
  CHECK(native_math::rcp(0x1.8p126f) == 0.0f);
  CHECK(native_math::rcp(float_from_bits(0x7f800000u)) == 0.0f);
}

TEST_CASE("the saturated product ends at 0 and 1") {
  CHECK(saturated_multiply(3.0f, 0.25f) == 0.75f);
  CHECK(saturated_multiply(3.0f, 0.5f) == 1.0f);
  CHECK(saturated_multiply(-3.0f, 0.25f) == 0.0f);
  CHECK(saturated_multiply(float_from_bits(0x7f800000u), 0.25f) == 1.0f);
}

TEST_CASE("the positive part less a product keeps x's sign, NaN and infinities") {
  const auto bits = [](uint32 x, float a, float b) {
    return float_bits(positive_part_minus_product(float_from_bits(x), a, b));
  };
  CHECK(bits(float_bits(3.0f), 0.5f, 2.0f) == float_bits(2.0f));
  CHECK(bits(float_bits(-3.0f), 0.5f, 2.0f) == float_bits(-1.0f));
  for (const uint32 sign : {0u, 0x80000000u}) {
    CHECK(bits(sign, 0.0f, 8.0f) == sign);
    CHECK(is_nan(float_from_bits(bits(0x7fc00000u | sign, 0.5f, 2.0f))));
  }
  CHECK(bits(0x7f800000u, 1.0f, 0.0f) == 0x7f800000u);
  CHECK(bits(0xff800000u, 1.0f, 0.0f) == 0x80000000u);
  CHECK(bits(float_bits(-3.0f), 1.0f, 0.0f) == 0x80000000u);
}

TEST_CASE("the fused multiply-add keeps the whole product") {
  // (1 + 2^-12)^2 - (1 + 2^-11) = 2^-24: lost when the product is rounded to float first.
  CHECK(fused_multiply_add(1.000244140625f, 1.000244140625f, -1.00048828125f) == 0x1p-24f);
}

TEST_CASE("a product that is subnormal is flushed, whatever its factors") {
  CHECK(float_bits(flushing_multiply(0x1.02p-126f, 0.5f)) == 0u);
  CHECK(float_bits(flushing_multiply(-0x1p-24f, 0x1p-103f)) << 1 == 0u);
  CHECK(flushing_multiply(-0x1.8p-23f, 0x1p-103f) == -0x1.8p-126f);
  CHECK(flushing_multiply(3.0f, 0.5f) == 1.5f);
}

TEST_CASE("conditional operations keep the other value where the bit is 0") {
  CHECK(multiply_if(1, 3.0f, 2.0f, 7.0f) == 6.0f);
  CHECK(multiply_if(0, 3.0f, 2.0f, 7.0f) == 7.0f);
  CHECK(at_least_if(1, -3.0f, 0.0f, 7.0f) == 0.0f);
  CHECK(at_least_if(1, 3.0f, 0.0f, 7.0f) == 3.0f);
  CHECK(at_least_if(0, 3.0f, 0.0f, 7.0f) == 7.0f);
}
