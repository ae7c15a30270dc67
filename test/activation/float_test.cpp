#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <invact/invact.hpp>

#include "support/bounds.hpp"
#include "support/catch.hpp"
#include "support/perturbed_math.hpp"
#include "support/reference_of.hpp"

namespace {

using namespace invact;
namespace ref = reference;

// A NaN is as wrong as can be; under -ffast-math no comparison would tell.
double distance(double got, double want) { return ref::is_nan(got) ? 1e30 : std::fabs(got - want); }

double ulp_error(double got, double want) { return distance(got, want) / ref::ulp(ref::binary32, want); }

// Evaluators with the reciprocal moved, which is the only special function they use.
template <class Activation, class Math>
struct evaluator_with {
  using type = silu_float_evaluator<Math>;
};
template <class Math>
struct evaluator_with<gelu, Math> {
  using type = gelu_float_evaluator<coefficients_for::gelu_forward<binary32_format>, Math>;
};

// An activation's evaluators as the host chooses them, and as the device does.
template <class Activation>
std::vector<float (*)(const Activation&, float)> all_evaluators() {
  return {
      evaluator_with<Activation, native_math>::type::evaluate,
      evaluator_with<Activation, shifted_math<0, 0, 0, 2>>::type::evaluate,
      evaluator_with<Activation, shifted_math<0, 0, 0, -2>>::type::evaluate,
#if !defined(__FAST_MATH__)
      evaluator_with<Activation, fused_math<0>>::type::evaluate,
      evaluator_with<Activation, fused_math<2>>::type::evaluate,
      evaluator_with<Activation, fused_math<-2>>::type::evaluate,
#endif
  };
}

}  // namespace

TEMPLATE_TEST_CASE("float's forward is within 4 ULP at every exponent", "", gelu, silu) {
  const ref::function f = function_of<TestType>();
  const TestType activation;
  const auto evaluators = all_evaluators<TestType>();
  std::mt19937 random(7);
  double worst = 0, worst_marked = 0;
  float at = 0;
  for (uint32 exponent = 1; exponent < 255; ++exponent) {
    for (uint32 sign = 0; sign < 2; ++sign) {
      for (int i = 0; i < 2000; ++i) {
        // The first of a binade, the last, and random ones.
        const uint32 mantissa = i == 0 ? 0u : i == 1 ? 0x7fffffu : random() & 0x7fffffu;
        const float x = float_from_bits(sign << 31 | exponent << 23 | mantissa);
        const double y = f.value(x);
        if (std::fabs(y) < smallest_result(ref::binary32)) {
          // Off by less than itself, whatever is flushed, and never of the other sign.
          for (const auto evaluate : evaluators) {
            const float got = evaluate(activation, x);
            REQUIRE(std::fabs(got - y) <= std::fabs(y) + 4 * 0x1p-149);
            REQUIRE(float_bits(got) >> 31 == sign);
          }
          continue;
        }
        const float marked = inverted<TestType, float, mantissa_bit>{}.forward(x).y;
        worst_marked = std::max(worst_marked, ulp_error(marked, y));
        for (const auto evaluate : evaluators) {
          const double error = ulp_error(evaluate(activation, x), y);
          if (error > worst) {
            worst = error;
            at = x;
          }
        }
      }
    }
  }
  INFO(worst << " ULP at x = " << at);
  CHECK(worst <= bounds::float_ulp);
  CHECK(worst_marked <= bounds::float_mantissa_bit_ulp);
}

TEMPLATE_TEST_CASE("every float evaluator treats NaN, infinities, zeros and underflow alike", "", gelu, silu) {
  const TestType activation;
  for (const auto evaluate : all_evaluators<TestType>()) {
    const auto bits = [&](uint32 x) { return float_bits(evaluate(activation, float_from_bits(x))); };
    for (const uint32 nan : {0x7fc00000u, 0xffc00000u, 0x7f800001u, 0xffffffffu})
      CHECK(is_nan(evaluate(activation, float_from_bits(nan))));
    CHECK(bits(0x7f800000u) == 0x7f800000u);
    CHECK(bits(0x7f7fffffu) == 0x7f7fffffu);
    CHECK(bits(0u) == 0u);
    CHECK(bits(0x80000000u) == 0x80000000u);
    // -inf, the most negative number, -120.
    for (const uint32 x : {0xff800000u, 0xff7fffffu, 0xc2f00000u}) CHECK(bits(x) == 0x80000000u);
  }
}

// Where the gradient is small it keeps its order of magnitude.
TEMPLATE_TEST_CASE("on the left tail the gradient is right within a per cent of itself", "", gelu, silu) {
  const ref::function f = function_of<TestType>();
  double worst[2] = {0, 0};
  for (double y = -1e-2; y < -1e-7; y *= 0.9999) {
    const float stored = static_cast<float>(y);
    // Odd: of the left piece.
    const float coded = float_from_bits(float_bits(stored) | 1u);
    const double g[2] = {inverted<TestType, float>{}.gradient_factor(stored, 1u),
                         inverted<TestType, float, mantissa_bit>{}.gradient_factor(coded)};
    for (int p = 0; p < 2; ++p) {
      const double exact = f.derivative(inverse_of<TestType>(p == 0 ? stored : coded, 1));
      worst[p] = std::max(worst[p], distance(g[p], exact) / std::fabs(exact));
    }
  }
  CHECK(worst[0] <= bounds::float_tail);
  CHECK(worst[1] <= bounds::float_tail);
}

// Half of them N(0, 1), half N(0, 2).
TEMPLATE_TEST_CASE("random floats keep the forward and the gradient bounds", "", gelu,
                   silu) {
  const ref::function f = function_of<TestType>();
  const double largest_floor[2] = {ref::error_floor(ref::cells(f, ref::binary32)).largest,
                                   ref::error_floor(ref::cells(f, ref::binary32, {1, true, false})).largest};
  const double turn = stationary_point_of<TestType>();
  double worst_forward = 0, worst[2] = {0, 0}, square[2][2] = {{0, 0}, {0, 0}};
  double together[2] = {0, 0};
  // A hundred million in the plain build; ten million where only compiler options differ, or a sanitizer looks on.
#if defined(__SANITIZE_ADDRESS__) || defined(__FAST_MATH__) || defined(__FMA__) || defined(__clang__)
  constexpr int draws = 126, per_draw = 80000;
#else
  constexpr int draws = 1250, per_draw = 80000;
#endif
#if defined(_OPENMP)
#pragma omp parallel for schedule(dynamic)
#endif
  for (int draw = 0; draw < draws; ++draw) {
    const int wide = draw % 2;
    std::mt19937_64 random(static_cast<unsigned>(draw) + 1);
    std::normal_distribution<float> normal(0.0f, static_cast<float>(wide + 1));
    const inverted<TestType, float> masked;
    const inverted<TestType, float, mantissa_bit> marked;
    double forward = 0, largest[2] = {0, 0}, sum[2] = {0, 0}, total[2] = {0, 0};
    for (int i = 0; i < per_draw; ++i) {
      const float x = normal(random);
      const double y = f.value(x), g = f.derivative(x);
      forward = std::max(forward, ulp_error(masked.forward(x).y, y));
      // The decoder's own error: of y as an exact forward would have stored it.
      const uint32 piece = x < turn ? 1u : 0u;
      const float stored = static_cast<float>(y);
      const float coded = float_from_bits(
          mantissa_bit::encode<TestType, binary32_format>(stored, piece));
      const double error[2] = {distance(masked.gradient_factor(stored, piece), g),
                               distance(marked.gradient_factor(coded), g)};
      // And of forward and backward together.
      const auto e = masked.forward(x);
      const double both[2] = {distance(masked.gradient_factor(e.y, e.piece), g),
                              distance(marked.gradient_factor(marked.forward(x).y), g)};
      for (int p = 0; p < 2; ++p) {
        largest[p] = std::max(largest[p], error[p]);
        sum[p] += error[p] * error[p];
        total[p] += both[p] * both[p];
      }
    }
#if defined(_OPENMP)
#pragma omp critical
#endif
    {
      worst_forward = std::max(worst_forward, forward);
      for (int p = 0; p < 2; ++p) {
        worst[p] = std::max(worst[p], largest[p]);
        square[p][wide] += sum[p];
        together[p] += total[p];
      }
    }
  }
  CHECK(worst_forward <= bounds::float_ulp);
  for (int p = 0; p < 2; ++p) {
    const double count = static_cast<double>(draws) / 2 * per_draw;
    INFO((p == 0 ? "bitmask" : "mantissa bit")
         << ": largest " << worst[p] << " (floor " << largest_floor[p] << "), RMS "
         << std::sqrt(square[p][0] / count) << ", " << std::sqrt(square[p][1] / count)
         << ", with the forward's error " << std::sqrt(together[p] / count / 2));
    CHECK(worst[p] <= bounds::float_largest * largest_floor[p]);
    CHECK(std::sqrt(square[p][0] / count) <= bounds::float_rms);
    CHECK(std::sqrt(square[p][1] / count) <= bounds::float_rms);
    CHECK(std::sqrt(together[p] / count / 2) <= bounds::float_rms_together);
  }
}
