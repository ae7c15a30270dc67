#include <invact/approx/flat.hpp>
#include <invact/core/float8.hpp>

#include <cmath>

#include "support/catch.hpp"
#include "support/formats.hpp"

namespace {

using namespace invact;
namespace ref = reference;

// What no flag flushes on the way to a double.
double exact(float x) { return ref::decode(ref::binary32, float_bits(x)); }

template <class Format>
double stored(float x) {
  return ref::decode(reference_format<Format>, Format::round(x));
}

}  // namespace

TEMPLATE_TEST_CASE("the format's smallest number and its spacing at 1 are those of its definition", "",
                   binary32_format, binary16_format, bfloat16_format, e4m3_format, e5m2_format) {
  constexpr ref::format format = reference_format<TestType>;
  const float least = detail::least<TestType>, epsilon = detail::epsilon<TestType>;
  CHECK(exact(least) == ref::decode(format, 1));
  CHECK(exact(epsilon) == ref::ulp(format, 1));
}

TEMPLATE_TEST_CASE(
    "apart_from gives the code next to the constant's, on y's side, and leaves what is apart", "",
    binary32_format, binary16_format, bfloat16_format, e4m3_format, e5m2_format) {
  constexpr ref::format format = reference_format<TestType>;
  for (const float flat : {0.0f, 1.0f, -1.0f, 6.0f, 0.1f, -0.3f, 20.0f}) {
    const double taken = stored<TestType>(flat);
    const uint32 code = TestType::round(flat);
    for (int step = -40; step <= 40; ++step) {
      // Around the constant in steps of a tenth of the format's.
      const double spacing = ref::ulp(format, taken == 0 ? ref::decode(format, 1) : taken);
      const float y = static_cast<float>(flat + step * spacing / 10);
      const float apart = detail::apart_from<TestType>(y, flat);
      const double is = stored<TestType>(apart);
      INFO("constant " << flat << ", y " << y);
      CHECK(is != taken);
      if (stored<TestType>(y) != taken) {
        CHECK(is == stored<TestType>(y));
      } else {
        CHECK((is > taken) == (exact(y) >= exact(flat)));
        if (code != 0)
          CHECK(std::abs(static_cast<int>(TestType::round(apart)) - static_cast<int>(code)) == 1);
      }
    }
  }
  const uint32 nan = 0xffc00000u;
  CHECK(is_nan(detail::apart_from<TestType>(float_from_bits(nan), 1.0f)));
}

TEMPLATE_TEST_CASE("a positive y is stored as a positive code", "", binary32_format, binary16_format,
                   bfloat16_format, e4m3_format, e5m2_format) {
  for (uint32 bits = 1; bits < float_infinity_bits; bits += 0x12345u) {
    const float y = float_from_bits(bits);
    const uint32 code = TestType::round(detail::apart_from_zero<TestType>(y));
    REQUIRE((code & (TestType::sign - 1u)) != 0);
    if (TestType::round(y) != 0) REQUIRE(code == TestType::round(y));
  }
}
