#include <stdexcept>
#include <vector>

#include <invact/host/executor.hpp>
#include <invact/invact.hpp>

#include "support/catch.hpp"

namespace {

using namespace invact;

const float infinity = float_from_bits(float_infinity_bits);
const float quiet_nan = float_from_bits(0x7fc00000u);

// x itself, up to what y's storage rounds.
template <class Op>
void check_slope_gradient(Op op, double relative) {
  using traits = storage_traits<typename Op::storage_type>;
  for (const float x : {-8.0f, -1.0f, -0.3f, -0.001f}) {
    const auto e = op.forward(x);
    CHECK(op.slope_gradient(3.0f, e.y, e.piece) == Approx(3.0f * x).epsilon(relative));
  }
  for (const float x : {0.0f, 0.001f, 0.3f, 1.0f, 8.0f}) {
    const auto e = op.forward(x);
    // With the mantissa bit y = 0 is stored as the smallest odd code, 2^-24 in half.
    CHECK(op.slope_gradient(3.0f, e.y, e.piece) == Approx(0.0).margin(1e-6));
  }
  const auto e = op.forward(quiet_nan);
  CHECK(is_nan(traits::load(e.y)));
  CHECK(is_nan(op.slope_gradient(3.0f, e.y, e.piece)));
}

template <class Activation>
void check_refused(Activation with_bad_parameters) {
  const inverted<Activation, float> op(with_bad_parameters);
  CHECK_FALSE(op.is_valid());
  const std::vector<float> x(8, 1.0f);
  std::vector<float> y(8, 7.0f);
  std::vector<uint8> mask(1, 7);
  if constexpr (inverted<Activation, float>::mask_bits > 0) {
    CHECK_THROWS_AS(host::forward(op, 8, x.data(), y.data(), mask.data()), std::invalid_argument);
  } else {
    CHECK_THROWS_AS(host::forward(op, 8, x.data(), y.data()), std::invalid_argument);
  }
  CHECK(y == std::vector<float>(8, 7.0f));
}

template <class Activation>
Activation with(float first) {
  Activation a;
  *reinterpret_cast<float*>(&a) = first;
  return a;
}

}  // namespace

TEST_CASE("a leaky slope's gradient is x on the left and 0 on the right") {
  for (const float slope : {0.25f, 1.0f, 0.01f}) {
    check_slope_gradient(inverted<leaky_relu, float>(with<leaky_relu>(slope)), 1e-6);
    check_slope_gradient(inverted<leaky_relu, bfloat16>(with<leaky_relu>(slope)), 0x1p-8);
  }
  for (const float slope : {0.25f, 1.0f, -0.5f, -3.0f}) {
    check_slope_gradient(inverted<prelu, float>(with<prelu>(slope)), 1e-6);
    check_slope_gradient(inverted<prelu, float, mantissa_bit>(with<prelu>(slope)), 1e-6);
    check_slope_gradient(inverted<prelu, bfloat16>(with<prelu>(slope)), 0x1p-8);
    check_slope_gradient(inverted<prelu, bfloat16, mantissa_bit>(with<prelu>(slope)), 0x1p-7);
    check_slope_gradient(inverted<prelu, binary16, mantissa_bit>(with<prelu>(slope)), 0x1p-9);
  }
}

TEST_CASE("parameters outside their range are refused before anything is written") {
  for (const float bad : {-0.5f, -infinity, quiet_nan}) {
    check_refused(with<leaky_relu>(bad));
    check_refused(with<elu>(bad));
    check_refused(with<celu>(bad));
    check_refused(with<softplus>(bad));
    check_refused(with<softshrink>(bad));
    check_refused(with<hardshrink>(bad));
  }
  check_refused(with<prelu>(quiet_nan));
  check_refused(with<prelu>(infinity));
  check_refused(with<celu>(0.0f));
  check_refused(with<hardtanh>(2.0f));  // above its max
  check_refused(with<hardtanh>(quiet_nan));
}

TEST_CASE("an op is empty or has its activation's parameters") {
  CHECK(std::is_empty<inverted<relu, float>>::value);
  CHECK(std::is_empty<inverted<gelu, bfloat16>>::value);
  CHECK(sizeof(inverted<elu, float>) == sizeof(float));
  CHECK(std::is_trivially_copyable<inverted<hardtanh, bfloat16>>::value);
}
