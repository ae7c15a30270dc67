#include <algorithm>
#include <cmath>
#include <random>

#include <invact/approx/polynomial.hpp>
#include <invact/approx/rational.hpp>

#include "support/catch.hpp"

using namespace invact;

namespace {

// Horner and Estrin against long double, in units of the sum of the terms' magnitudes: the forward
// error bound of either scheme is about 2N such units of 2^-24.
template <int N>
void check_schemes() {
  std::mt19937 random(N);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (int trial = 0; trial < 500; ++trial) {
    coefficients<N> p;
    for (float& c : p.c) c = uniform(random);
    const float x = 1.5f * uniform(random);
    long double exact = 0, magnitude = 0;
    for (int i = N - 1; i >= 0; --i) {
      exact = exact * x + p.c[i];
      magnitude = magnitude * std::fabs(x) + std::fabs(p.c[i]);
    }
    const long double bound = 2 * N * 0x1p-24L * magnitude;
    CHECK(std::fabs(horner(p, x) - exact) <= bound);
    CHECK(std::fabs(estrin(p, x) - exact) <= bound);
  }
}

}  // namespace

TEST_CASE("Horner and Estrin agree with long double at every length") {
  check_schemes<1>();
  check_schemes<2>();
  check_schemes<3>();
  check_schemes<4>();
  check_schemes<5>();
  check_schemes<7>();
  check_schemes<8>();
  check_schemes<9>();
  check_schemes<12>();
  check_schemes<16>();
  check_schemes<17>();
}

TEST_CASE("coefficients are in ascending powers") {
  const coefficients<3> p{{1.0f, 10.0f, 100.0f}};
  CHECK(horner(p, 2.0f) == 421.0f);
  CHECK(estrin(p, 2.0f) == 421.0f);
}

TEST_CASE("a rational function is the quotient of its polynomials within 3 ULP and their own error") {
  const coefficients<2> p{{1.0f, 2.0f}};
  const coefficients<3> q{{4.0f, 0.0f, 1.0f}};
  for (float x = 0.0f; x < 8.0f; x += 0.01f) {
    const double want = (1.0 + 2.0 * x) / (4.0 + static_cast<double>(x) * x);
    CHECK(std::fabs(rational(p, q, x) - want) <= 6 * 0x1p-23 * want);
  }
}
