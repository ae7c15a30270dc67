#include <cmath>
#include <random>
#include <string>
#include <vector>

#include <invact/op/gated_recompute.hpp>
#include <invact/invact.hpp>

#include "accuracy/gated_runner.hpp"
#include "support/bounds.hpp"
#include "support/catch.hpp"

using namespace invact;

namespace {

template <class Activation, class Storage>
using unit =
    gated_recompute<Activation, Storage, default_evaluator,
                    typename invact::detail::conditional<
                        invact::detail::is_same_v<Activation, clamped_swish>, clamped_up, plain_up>::type>;

// The h of backward that is not that of forward, over all kinds of g and u.
template <class Op>
int differing_h() {
  using traits = storage_traits<typename Op::storage_type>;
  const Op op;
  std::mt19937 random(2);
  int wrong = 0;
  for (int i = 0; i < 20000; ++i) {
    const float wide = float_from_bits(random());
    const auto g = traits::round(i % 2 == 0 ? wide : std::normal_distribution<float>(0, 3)(random));
    const float u = i % 3 == 0 ? float_from_bits(random()) : std::normal_distribution<float>(0, 2)(random);
    const auto forward = traits::to_code(op.forward(traits::load(g), u).h);
    const auto backward = traits::to_code(op.backward(1.0f, g, u).h);
    const bool nans = is_nan(traits::load(op.forward(traits::load(g), u).h)) &&
                      is_nan(traits::load(op.backward(1.0f, g, u).h));
    wrong += forward != backward && !nans;
  }
  return wrong;
}

template <class Op, int N>
int differing_fragments() {
  using storage = typename Op::storage_type;
  using traits = storage_traits<storage>;
  const Op op;
  std::mt19937 random(N);
  std::normal_distribution<float> normal(0, 2);
  const auto near = [](float a, float b) {
#if defined(__FAST_MATH__)
    return std::fabs(static_cast<double>(a) - static_cast<double>(b)) <=
           1e-5 * (1 + std::fabs(static_cast<double>(b)));
#else
    return float_bits(a) == float_bits(b);
#endif
  };
  int wrong = 0;
  for (int trial = 0; trial < 500; ++trial) {
    fragment<float, N> g, u, dh, dg, du;
    fragment<storage, N> kept_g, h_again;
    for (int i = 0; i < N; ++i) {
      kept_g[i] = traits::round(normal(random));
      g[i] = traits::load(kept_g[i]);
      u[i] = normal(random);
      dh[i] = normal(random);
    }
    typename Op::template pieces<N> kept;
    const auto h = op.forward(g, u, kept);
    op.backward(dh, kept_g, u, kept, dg, du, h_again);
    for (int i = 0; i < N; ++i) {
      const auto d = op.backward(dh[i], kept_g[i], u[i]);
      wrong += !near(dg[i], d.dg) || !near(du[i], d.du);
      wrong += !near(traits::load(h_again[i]), traits::load(h[i])) && sizeof(storage) == 4;
#if !defined(__FAST_MATH__)
      wrong += traits::to_code(h_again[i]) != traits::to_code(h[i]) ||
               traits::to_code(d.h) != traits::to_code(h[i]);
#endif
    }
  }
  return wrong;
}

// dg and du at the stored g, dh = 1: each against the definition, relative to u and to f's scale.
template <class Op>
void check_gradients() {
  using traits = storage_traits<typename Op::storage_type>;
  const Op op;
  const accuracy::gated_unit of = unit_of<Op>();
  const bool is_float = of.storage.mantissa_bits == 23;
  std::mt19937 random(4);
  std::normal_distribution<float> normal(0, 2);
  double dg_largest = 0, du_largest = 0;
  for (int i = 0; i < 20000; ++i) {
    const auto g = traits::round(normal(random));
    const float u = accuracy::stored_in(of.storage, static_cast<double>(normal(random)));
    const double x = traits::load(g), m = static_cast<double>(op.up().multiplier(u));
    bool kink = false;
    for (const reference::segment& s : of.f.of->segments(of.f.p))
      kink = kink || std::fabs(x - s.from) < 1e-6 || std::fabs(x - s.to) < 1e-6;
    if (kink && is_float) continue;
    const auto d = op.backward(1.0f, g, u);
    const double y = of.f.value(x);
    if (!kink && m != 0)
      dg_largest = std::fmax(dg_largest, std::fabs(static_cast<double>(d.dg) / m - of.f.derivative(x)));
    if (!op.up().is_clamped(u) && std::fabs(y) >= smallest_result(of.storage))
      du_largest =
          std::fmax(du_largest, std::fabs(static_cast<double>(d.du) - y) / reference::ulp(of.storage, y));
  }
  INFO(gated_name_of<typename Op::activation_type>() << " " << of.storage.mantissa_bits);
  // In 16 bits before du is rounded.
  CHECK(du_largest <= (is_float ? bounds::float_ulp : bounds::bitmask_ulp - 0.5));
  CHECK(dg_largest <= (is_float ? bounds::recomputed_factor_float : bounds::recomputed_factor));
}

}  // namespace

TEST_CASE("the h that the backward computes again is the forward's, bit for bit") {
  const auto check = [](int differing) {
#if defined(__FAST_MATH__)
    // The compiler may round the same expression otherwise.
    CHECK(differing <= 200);
#else
    CHECK(differing == 0);
#endif
  };
  check(differing_h<unit<silu, bfloat16>>());
  check(differing_h<unit<silu, float>>());
  check(differing_h<unit<gelu, binary16>>());
  check(differing_h<unit<gelu, float>>());
  check(differing_h<unit<relu, bfloat16>>());
  check(differing_h<unit<mish, bfloat16>>());
  check(differing_h<unit<sigmoid, binary16>>());
  check(differing_h<unit<clamped_swish, bfloat16>>());
  check(differing_h<unit<clamped_swish, float>>());
}

TEST_CASE("fragment calls of recomputing units equal scalar calls") {
  CHECK(differing_fragments<unit<silu, bfloat16>, 8>() == 0);
  CHECK(differing_fragments<unit<gelu, float>, 4>() == 0);
  CHECK(differing_fragments<unit<clamped_swish, binary16>, 3>() == 0);
  CHECK(unit<silu, bfloat16>::mask_bits == 0);
  CHECK(unit<silu, bfloat16>::recomputes);
}

TEST_CASE("recomputed gradients are those of the stored g to a few ULP") {
  check_gradients<unit<silu, bfloat16>>();
  check_gradients<unit<silu, binary16>>();
  check_gradients<unit<silu, float>>();
  check_gradients<unit<gelu, bfloat16>>();
  check_gradients<unit<gelu, binary16>>();
  check_gradients<unit<gelu_tanh, bfloat16>>();
  check_gradients<unit<quick_gelu, binary16>>();
  check_gradients<unit<mish, bfloat16>>();
  check_gradients<unit<relu, bfloat16>>();
  check_gradients<unit<sigmoid, binary16>>();
  check_gradients<unit<invact::tanh, bfloat16>>();
  check_gradients<unit<squared_relu, bfloat16>>();
  check_gradients<unit<clamped_swish, bfloat16>>();
}

TEST_CASE("recomputed gradients of NaN are NaN, and of infinite g the limits") {
  const float infinity = float_from_bits(float_infinity_bits), nan = float_from_bits(0x7fc00000u);
  const auto check = [&](const auto& op) {
    using traits = storage_traits<typename std::decay_t<decltype(op)>::storage_type>;
    for (const uint32 bits : {0x7fc00000u, 0xffffffffu, 0x7f800001u}) {
      const auto d = op.backward(1.0f, traits::round(float_from_bits(bits)), 1.5f);
      CHECK(is_nan(d.dg));
      CHECK(is_nan(d.du));
      CHECK(is_nan(traits::load(d.h)));
    }
    const auto of_u = op.backward(1.0f, traits::round(1.0f), nan);
    CHECK(is_nan(of_u.dg));
    CHECK(is_nan(traits::load(of_u.h)));
    const auto of_dh = op.backward(nan, traits::round(1.0f), 1.0f);
    CHECK(is_nan(of_dh.dg));
    CHECK(is_nan(of_dh.du));
    const auto high = op.backward(1.0f, traits::round(infinity), 2.0f),
               low = op.backward(1.0f, traits::round(negated(infinity)), 2.0f);
    CHECK(std::fabs(static_cast<double>(high.dg) - 2) < 2e-3);
    CHECK(float_bits(high.du) == float_infinity_bits);
    CHECK(std::fabs(static_cast<double>(low.dg)) < 2e-3);
    CHECK(std::fabs(static_cast<double>(low.du)) < 1e-12);
  };
  check(unit<silu, bfloat16>{});
  check(unit<silu, float>{});
  check(unit<gelu, binary16>{});
  check(unit<mish, bfloat16>{});
  check(unit<gelu_tanh, bfloat16>{});
  check(unit<relu, bfloat16>{});
}

TEST_CASE("a clamped g or u has a recomputed gradient of 0, and one at its limit not") {
  const auto check = [](const auto& op) {
    using traits = storage_traits<typename std::decay_t<decltype(op)>::storage_type>;
    for (const float u : {0.5f, -7.0f, 7.0f, -2.0f}) {
      CHECK(op.backward(1.0f, traits::round(8.0f), u).dg == 0.0f);
      CHECK(op.backward(1.0f, traits::round(1e30f), u).dg == 0.0f);
      CHECK(std::fabs(static_cast<double>(op.backward(1.0f, traits::round(7.0f), u).dg / (u + 1.0f)) - 1) <
            1e-3);
      CHECK(op.backward(1.0f, traits::round(3.0f), u).du > 2.9f);
    }
    for (const float u : {7.5f, -8.0f, 1e20f}) CHECK(op.backward(1.0f, traits::round(3.0f), u).du == 0.0f);
  };
  check(unit<clamped_swish, bfloat16>{});
  check(unit<clamped_swish, binary16>{});
  check(unit<clamped_swish, float>{});
}
