#include <cmath>
#include <cstdlib>
#include <random>

#include <invact/invact.hpp>

#include "support/bounds.hpp"
#include "support/catch.hpp"

using namespace invact;

namespace {

// x that visits everything: random over all bit patterns, and over the range where f bends.
float any_float(std::mt19937& random, int i) {
  if (i % 2 == 0) return float_from_bits(random());
  return std::normal_distribution<float>(0, 3)(random);
}

// Bit for bit; under -ffast-math, which lets a compiler round the same expression otherwise in a vector
// than in a scalar, the next code of y of the same piece and as much as the bound on float's RMS error of g.
#if defined(__FAST_MATH__)
constexpr int64 code_tolerance = 2;
constexpr double gradient_tolerance = bounds::float_rms;
#else
constexpr int64 code_tolerance = 0;
constexpr double gradient_tolerance = 0;
#endif

// g, or g * factor, by a fragment and by a scalar call.
bool same(float a, float b, float factor) {
  if (float_bits(a) == float_bits(b) || (is_nan(a) && is_nan(b))) return true;
  const double apart = static_cast<double>(a) - static_cast<double>(b);
  return std::fabs(apart) < gradient_tolerance * std::fabs(static_cast<double>(factor));
}

template <class Op, int N>
int differing_results() {
  const Op op;
  using storage = typename Op::storage_type;
  using traits = storage_traits<storage>;
  std::mt19937 random(N);
  int wrong = 0;
  for (int trial = 0; trial < 2000; ++trial) {
    fragment<float, N> x, dy;
    for (int i = 0; i < N; ++i) {
      x[i] = any_float(random, trial + i);
      dy[i] = any_float(random, trial + i);
    }
    typename Op::template pieces<N> kept;
    const auto y = op.forward(x, kept);
    const auto g = op.gradient_factor(y, kept);
    const auto dx = op.backward(dy, y, kept);
    for (int i = 0; i < N; ++i) {
      const auto e = op.forward(x[i]);
      // The fragment's own y, so that a y one code off does not count again.
      const float one = op.gradient_factor(y[i], kept[i]), product = op.backward(dy[i], y[i], kept[i]);
      const bool nans = is_nan(traits::load(e.y)) && is_nan(traits::load(y[i]));
      wrong += !nans && std::abs(int64{traits::to_code(e.y)} - int64{traits::to_code(y[i])}) > code_tolerance;
      wrong += e.piece != kept[i];
      wrong += !same(one, g[i], 1.0f);
      wrong += !same(product, dx[i], dy[i]);
    }
  }
  return wrong;
}

template <class Activation, class Storage>
void check_fragments() {
  CHECK(differing_results<inverted<Activation, Storage>, 8>() == 0);
  CHECK(differing_results<inverted<Activation, Storage>, 3>() == 0);
  CHECK(differing_results<inverted<Activation, Storage, mantissa_bit>, 8>() == 0);
  CHECK(differing_results<inverted<Activation, Storage, mantissa_bit>, 1>() == 0);
}

// Parts of a user's own: an activation with a parameter and one piece, its evaluator and approximant.
struct scaled_identity {
  static constexpr int pieces = 1;
  static constexpr ambiguous_range ambiguous = ambiguous_range::none;
  float slope = 1;
  INVACT_FUNCTION uint32 piece_index(float) const { return 0; }
};
struct scaled_identity_forward {
  INVACT_FUNCTION static float evaluate(const scaled_identity& a, float x) { return a.slope * x; }
};
struct scaled_identity_gradient {
  INVACT_FUNCTION static float evaluate(const scaled_identity& a, float, uint32) { return a.slope; }
};

}  // namespace

TEST_CASE("fragment calls equal scalar calls bit for bit") {
  check_fragments<gelu, float>();
  check_fragments<gelu, bfloat16>();
  check_fragments<gelu, binary16>();
  check_fragments<silu, float>();
  check_fragments<silu, bfloat16>();
  check_fragments<silu, binary16>();
  CHECK(differing_results<inverted<gelu, bfloat16, bitmask, fast>, 8>() == 0);
  CHECK(differing_results<inverted<silu, binary16, mantissa_bit, fast>, 4>() == 0);
}

TEST_CASE("an op of a parameter-free activation is an empty value") {
  CHECK(sizeof(inverted<gelu, bfloat16>) == 1);
  CHECK(inverted<gelu, bfloat16>::mask_bits == 1);
  CHECK(inverted<gelu, bfloat16, mantissa_bit>::mask_bits == 0);
}

TEST_CASE("an op carries the parameters of a user's activation") {
  using op_type = inverted<scaled_identity, float, bitmask, scaled_identity_gradient, scaled_identity_forward>;
  const op_type op{scaled_identity{3.0f}};
  CHECK(op_type::mask_bits == 0);
  const auto e = op.forward(2.0f);
  CHECK(e.y == 6.0f);
  CHECK(op.backward(5.0f, e.y) == 15.0f);
  CHECK(sizeof(op) == sizeof(float));
}

TEST_CASE("both packings store the same y outside the ambiguous range") {
  std::mt19937 random(2);
  const inverted<silu, binary16> masked;
  const inverted<silu, binary16, mantissa_bit> marked;
  for (int i = 0; i < 20000; ++i) {
    const float x = std::fabs(any_float(random, i));
    CHECK(storage_traits<binary16>::to_code(masked.forward(x).y) ==
          storage_traits<binary16>::to_code(marked.forward(x).y));
  }
}
