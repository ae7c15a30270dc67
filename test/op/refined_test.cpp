#include <cmath>

#include <invact/invact.hpp>

#include "support/catch.hpp"
#include "support/reference_of.hpp"

using namespace invact;

namespace {

template <class Op>
int differing_fragments() {
  const Op op;
  int wrong = 0;
  for (int i = 0; i < 500; ++i) {
    fragment<float, 8> x;
    for (int k = 0; k < 8; ++k) x[k] = static_cast<float>(8 * i + k) / 500 - 4;
    typename Op::template pieces<8> kept;
    const auto y = op.forward(x, kept);
    const auto g = op.gradient_factor(y, kept);
    for (int k = 0; k < 8; ++k) {
      const auto e = op.forward(x[k]);
      // -ffast-math lets a compiler round a vector otherwise than a scalar, and y then go to another code
      // or part.
#if !defined(__FAST_MATH__)
      wrong += e.y.bits != y[k].bits || e.piece != kept[k];
#endif
      wrong += std::fabs(op.gradient_factor(e.y, e.piece) - g[k]) > 1e-2f;
      wrong += std::fabs(op.gradient_factor(y[k], kept[k]) - g[k]) > 1e-5f;
    }
  }
  return wrong;
}

template <class Activation>
int inexact_gradients(const Activation& activation = {}, const reference::parameters& p = {}) {
  const inverted<Activation, bfloat16, refined_bitmask<2>> op(activation);
  reference::function f = function_of<Activation>();
  if (!p.empty()) f.p = p;
  int wrong = 0;
  for (int i = 0; i < 8000; ++i) {
    const float x = (static_cast<float>(i) + 0.5f) / 500 - 8;
    const auto e = op.forward(x);
    wrong += op.gradient_factor(e.y, e.piece) != static_cast<float>(f.derivative(x));
  }
  return wrong;
}

}  // namespace

TEST_CASE("fragment calls of a refined op are its scalar calls") {
  CHECK(differing_fragments<inverted<gelu, bfloat16, refined_bitmask<2>>>() == 0);
  CHECK(differing_fragments<inverted<invact::tanh, binary16, refined_bitmask<4>>>() == 0);
  CHECK(sizeof(inverted<gelu, bfloat16, refined_bitmask<2>>) == 1);
}

TEST_CASE("a refined op's y is what the plain bitmask stores") {
  const inverted<silu, bfloat16> plain;
  const inverted<silu, bfloat16, refined_bitmask<4>> refined;
  int apart = 0;
  for (int i = 0; i < 8000; ++i) {
    const float x = static_cast<float>(i) / 500 - 8;
    // Both compute f to a quarter of a ULP or better.
    apart += std::abs(plain.forward(x).y.bits - refined.forward(x).y.bits) > 1;
  }
  CHECK(apart == 0);
}

TEST_CASE("constant pieces and slopes keep their exact gradients in refined codes") {
  CHECK(inexact_gradients<relu>() == 0);
  CHECK(inexact_gradients<relu6>() == 0);
  CHECK(inexact_gradients<hardtanh>() == 0);
  // Constants that are no numbers of the format.
  CHECK(inexact_gradients(hardtanh{-0.7f, 2.3f}, {-0.7f, 2.3f}) == 0);
  CHECK(inexact_gradients(hardtanh{-0.3f, 1.1f}, {-0.3f, 1.1f}) == 0);
  CHECK(inexact_gradients<softshrink>() == 0);
  CHECK(inexact_gradients<prelu>() == 0);
}

TEST_CASE("infinities, zeros and NaNs of a refined op are their own") {
  const inverted<gelu, bfloat16, refined_bitmask<4>> op;
  const auto left = op.forward(-__builtin_huge_valf()), right = op.forward(__builtin_huge_valf());
  CHECK(left.y.bits == 0x8000u);
  CHECK(op.gradient_factor(left.y, left.piece) == 0.0f);
  CHECK(right.y.bits == 0x7f80u);
  CHECK(std::fabs(op.gradient_factor(right.y, right.piece) - 1.0f) < 1e-6f);
  const auto zero = op.forward(0.0f);
  CHECK(std::fabs(op.gradient_factor(zero.y, zero.piece) - 0.5f) < 1e-6f);
  const auto none = op.forward(float_from_bits(0x7fc00000u));
  CHECK(is_nan(storage_traits<bfloat16>::load(none.y)));
  CHECK(is_nan(op.gradient_factor(none.y, none.piece)));
}
