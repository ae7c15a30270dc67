#include <invact/core/fast_divisor.hpp>

#include <random>

#include "support/catch.hpp"

namespace {

using invact::uint32;
using invact::uint64;
using invact::detail::fast_divisor;

constexpr uint32 most = 0x7fffffff;

// The dividends where a multiplier that is a little off shows: on both sides of multiples of the divisor, the
// largest of them above all.
bool divides(uint32 divisor) {
  const fast_divisor d(divisor);
  bool equal = d.value() == divisor;
  const auto check = [&](uint64 n) {
    if (n <= most) equal = equal && d.quotient(static_cast<uint32>(n)) == static_cast<uint32>(n) / divisor;
  };
  const uint64 last = uint64{most} / divisor * divisor;
  for (const uint64 multiple : {uint64{0}, uint64{divisor}, last / divisor / 2 * divisor, last}) {
    for (uint64 n = multiple < 2 ? 0 : multiple - 2; n <= multiple + 2; ++n) check(n);
  }
  check(most);
  return equal;
}

TEST_CASE("a quotient by a product is the quotient") {
  for (uint32 divisor = 1; divisor <= 70000; ++divisor) {
    if (!divides(divisor)) FAIL(divisor);
  }
  for (int bit = 1; bit < 31; ++bit) {
    for (const int off : {-1, 0, 1}) CHECK(divides(static_cast<uint32>((1 << bit) + off)));
  }
  for (const uint32 divisor : {most, most - 1, most / 2, most / 2 + 1, most / 3}) CHECK(divides(divisor));
  std::mt19937 random(1);
  for (int i = 0; i < 200000; ++i) {
    const uint32 divisor = 1 + random() % most;
    if (!divides(divisor)) FAIL(divisor);
    const uint32 n = random() % most;
    if (fast_divisor(divisor).quotient(n) != n / divisor) FAIL(n << " / " << divisor);
  }
}

}  // namespace
