#include <algorithm>
#include <cmath>
#include <random>

#include <invact/invact.hpp>

#include "support/bounds.hpp"
#include "support/catch.hpp"
#include "support/perturbed_math.hpp"
#include "support/reference_of.hpp"

namespace {

using namespace invact;
namespace ref = reference;

struct ulp_error {
  double largest = 0, bias = 0;
  float worst = 0;
};

// Over every finite value of Storage as x, and a random float between it and the next, the stored y
// against f(x), in ULP: in codes, so that an error across a binade's edge is counted in the ULP of
// either side, and signed by magnitude. Results below ref::smallest_result are exempt, as is the
// overflow of half. The mean is over the random ones: the values themselves are exact ties of
// the parity where y is x/2, all of which the nearest code resolves toward zero.
template <class Op>
ulp_error forward_error() {
  using storage = typename Op::storage_type;
  using traits = storage_traits<storage>;
  constexpr ref::format format = format_of<storage>;
  const ref::function f = function_of<typename Op::activation_type>();
  const Op op;
  ulp_error e;
  double sum = 0;
  long count = 0;
  constexpr int samples = 4;
  std::mt19937 random(11);
  std::uniform_real_distribution<double> uniform(0, 1);
  for (uint32 c = 0; c < 0x10000u; ++c) {
    if ((c & 0x7fffu) >= format.infinity()) continue;
    for (int i = 0; i < 1 + samples; ++i) {
      const double at = ref::decode(format, c);
      const double next = ref::decode(format, c + 1);
      if (i > 0 && (c & 0x7fffu) + 1 >= format.infinity()) continue;
      const float x = static_cast<float>(i == 0 ? at : at + (next - at) * uniform(random));
      const double y = f.value(x);
      if (std::fabs(y) < smallest_result(format)) continue;
      const auto stored = op.forward(x);
      const double error = ref::code_position(format, ref::decode(format, traits::to_code(stored.y))) -
                           ref::code_position(format, y);
      if (std::fabs(error) > e.largest) {
        e.largest = std::fabs(error);
        e.worst = x;
      }
      if (i == 0) continue;
      sum += error;
      ++count;
    }
  }
  e.bias = sum / static_cast<double>(count);
  return e;
}

template <class Op>
void check_forward(const char* name, double largest) {
  const ulp_error e = forward_error<Op>();
  INFO(name << ": " << e.largest << " ULP at x = " << e.worst << ", bias " << e.bias);
  CHECK(e.largest <= largest);
  CHECK(std::fabs(e.bias) < bounds::mean_ulp);
}

template <class Activation, class Storage, class Evaluator>
void check_both(const char* name) {
  check_forward<inverted<Activation, Storage, bitmask, accurate, Evaluator>>(name, bounds::bitmask_ulp);
  check_forward<inverted<Activation, Storage, mantissa_bit, accurate, Evaluator>>(name, bounds::mantissa_bit_ulp);
}

template <class Activation, class Storage, template <class> class Evaluator>
void check_perturbed(const char* name) {
  check_both<Activation, Storage, Evaluator<shifted_math<0, 2, 0, 2>>>(name);
#if !INVACT_TEST_SAMPLE
  check_both<Activation, Storage, Evaluator<shifted_math<0, 2, 0, -2>>>(name);
  check_both<Activation, Storage, Evaluator<shifted_math<0, -2, 0, 2>>>(name);
  check_both<Activation, Storage, Evaluator<shifted_math<0, -2, 0, -2>>>(name);
#endif
}

template <class Math>
using gelu_bfloat16 = tail_evaluator<coefficients_for::gelu_forward<bfloat16_format>, Math>;
template <class Math>
using gelu_binary16 = tail_evaluator<coefficients_for::gelu_forward<binary16_format>, Math>;

}  // namespace

TEST_CASE("two ULP in ex2 and in rcp do not move a forward bound") {
  check_perturbed<gelu, bfloat16, gelu_bfloat16>("GELU bfloat16");
  check_perturbed<gelu, binary16, gelu_binary16>("GELU binary16");
  check_perturbed<silu, bfloat16, silu_evaluator>("SiLU bfloat16");
  check_perturbed<silu, binary16, silu_evaluator>("SiLU binary16");
}

TEMPLATE_TEST_CASE("NaN, infinities and zeros go through the forward as promised", "", gelu, silu) {
  const auto check = [](auto op) {
    using op_type = decltype(op);
    using traits = storage_traits<typename op_type::storage_type>;
    using format = typename traits::format;
    const auto code = [&](float x) { return static_cast<uint32>(traits::to_code(op.forward(x).y)); };
    const float infinity = float_from_bits(float_infinity_bits);
    // -ffast-math takes a constant -0.0f for 0.0f; only of a value at run time can the bits be kept.
    volatile uint32 sign = float_sign_mask;
    const float negative_zero = float_from_bits(sign);

    for (const uint32 bits : {0x7fc00000u, 0xffc00000u, 0x7fffffffu, 0xffffffffu, 0x7f800001u}) {
      const auto e = op.forward(float_from_bits(bits));
      CHECK(is_nan(traits::load(e.y)));
      CHECK(e.piece == 0);
      CHECK(is_nan(op.backward(1.0f, e.y, e.piece)));
    }
    CHECK(code(infinity) == format::infinity);
    CHECK(op.forward(infinity).piece == 0);
    // Below half an ULP of the widest 16-bit mantissa; float's own rounding for float.
    CHECK(op.backward(1.0f, op.forward(infinity).y, 0) ==
          Approx(1.0).margin(sizeof(typename format::code) == 4 ? 1e-6 : 0x1p-12));

    CHECK(code(0.0f) == 0u);
    CHECK(code(negative_zero) == format::sign);
    const auto zero = op.forward(negative_zero);
    CHECK(op.gradient_factor(zero.y, zero.piece) == Approx(0.5).margin(6e-3));

    // x = -inf, and every x whose y underflows to nothing: -0 with the left piece, or what stands for
    // it in the mantissa; the gradient is exactly 0.
    for (const float x : {-infinity, -3.0e38f, -1000.0f, -120.0f}) {
      const auto e = op.forward(x);
      const uint32 kept = op_type::mask_bits == 0 ? (format::min_kept | 1u) : 0u;
      CHECK(code(x) == (format::sign | kept));
      CHECK(e.piece == (op_type::mask_bits == 0 ? 0u : 1u));
      CHECK(op.gradient_factor(e.y, e.piece) == 0.0f);
    }
  };
  check(inverted<TestType, float>{});
  check(inverted<TestType, float, mantissa_bit>{});
  check(inverted<TestType, bfloat16>{});
  check(inverted<TestType, bfloat16, mantissa_bit>{});
  check(inverted<TestType, binary16>{});
  check(inverted<TestType, binary16, mantissa_bit>{});
  check(inverted<TestType, bfloat16, bitmask, fast>{});
  check(inverted<TestType, binary16, mantissa_bit, fast>{});
}

TEMPLATE_TEST_CASE("the piece index turns exactly at the stationary point", "", gelu, silu) {
  const TestType activation;
  const double t = stationary_point_of<TestType>();
  const float at = TestType::stationary_point;
  const float below = float_from_bits(float_bits(at) + 1);
  REQUIRE(static_cast<double>(at) >= t);
  REQUIRE(static_cast<double>(below) < t);
  CHECK(activation.piece_index(at) == 0u);
  CHECK(activation.piece_index(below) == 1u);
  CHECK(activation.piece_index(float_from_bits(0xff800000u)) == 1u);
  CHECK(activation.piece_index(float_from_bits(0x7f800000u)) == 0u);
  CHECK(activation.piece_index(float_from_bits(0xffc00000u)) == 0u);
  CHECK(activation.piece_index(float_from_bits(0x80000000u)) == 0u);
}
