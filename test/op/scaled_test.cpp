#include <cmath>
#include <random>
#include <string>
#include <vector>

#include <invact/host/executor.hpp>
#include <invact/invact.hpp>

#include "support/catch.hpp"
#include "support/reference_of.hpp"

using namespace invact;
namespace ref = reference;

namespace {

constexpr float infinity = __builtin_huge_valf();

std::vector<float> grid(int count, float reach) {
  std::vector<float> x;
  for (int i = 0; i < count; ++i)
    x.push_back(reach * (2 * static_cast<float>(i) / static_cast<float>(count) - 1));
  return x;
}

// Equal but for what -ffast-math rounds otherwise in one place than in another: half's tables are no better
// than that.
bool near(float a, float b) { return std::fabs(a - b) <= 1e-4f * std::fmax(1.0f, std::fabs(b)); }

// Of so many stored y and masks, how many may differ: such a rounding may take y to another code or part.
#if defined(__FAST_MATH__)
constexpr int other_codes = 10;
#else
constexpr int other_codes = 0;
#endif

template <class Op>
struct forwarded {
  std::vector<typename Op::storage_type> y;
  std::vector<uint8> mask;

  forwarded(const Op& op, const std::vector<float>& x)
      : y(x.size()),
        mask(static_cast<std::size_t>(mask_bytes(static_cast<int64>(x.size()), Op::mask_bits))) {
    if constexpr (Op::mask_bits > 0) {
      host::forward(op, static_cast<int64>(x.size()), x.data(), y.data(), mask.data());
    } else {
      host::forward(op, static_cast<int64>(x.size()), x.data(), y.data());
    }
  }
  std::vector<float> gradient(const Op& op) const {
    const std::vector<float> dy(y.size(), 1.0f);
    std::vector<float> dx(y.size());
    if constexpr (Op::mask_bits > 0) {
      host::backward(op, static_cast<int64>(y.size()), dy.data(), y.data(), mask.data(), dx.data());
    } else {
      host::backward(op, static_cast<int64>(y.size()), dy.data(), y.data(), dx.data());
    }
    return dx;
  }
};

// x whose gradient is not exactly f'(x), which is constant on both sides of each kink, over many scales. x
// at a kink are left out: which side owns it is the accuracy report's.
template <class Activation, class Storage>
int inexact(const std::vector<Activation>& parameters, float least_scale, float largest_scale) {
  std::mt19937 random(5);
  std::uniform_real_distribution<float> exponent(std::log2(least_scale), std::log2(largest_scale));
  int wrong = 0;
  for (const Activation& a : parameters) {
    ref::function f = function_of<Activation>();
    if constexpr (sizeof(Activation) >= sizeof(float) && !std::is_empty<Activation>::value) {
      float values[sizeof(Activation) / sizeof(float)];
      std::memcpy(values, &a, sizeof a);
      f.p.assign(std::begin(values), std::end(values));
    }
    std::vector<float> x = grid(997, 8);
    for (const ref::segment& s : f.of->segments(f.p)) {
      for (const double d : {1e-30, 1e-7, 1e-4, 1e-3, 0.01, 0.03}) {
        for (const double at : {s.from, s.to}) {
          if (std::isinf(at)) continue;
          x.push_back(static_cast<float>(at + d));
          x.push_back(static_cast<float>(at - d));
        }
      }
    }
    for (int trial = 0; trial < 60; ++trial) {
      const float scale = trial == 0 ? 1.0f : std::exp2(exponent(random));
      const scaled<Activation, Storage> op(&scale, nullptr, a);
      for (const float v : x) {
        bool at_kink = false;
        for (const ref::segment& s : f.of->segments(f.p)) at_kink = at_kink || v == s.from || v == s.to;
        if (at_kink) continue;
        const auto e = op.forward(v);
        wrong += op.gradient_factor(e.y, e.piece) != static_cast<float>(f.derivative(v));
      }
    }
  }
  return wrong;
}

}  // namespace

TEMPLATE_TEST_CASE("a scaled op stores f(x) * scale, rounded, by the executor, fragments and scalars alike",
                   "", (scaled<gelu, float8_e4m3>), (scaled<softplus, float8_e4m3>),
                   (scaled<silu, float8_e5m2, refined_bitmask<4>>)) {
  using op_type = TestType;
  using traits = storage_traits<typename op_type::storage_type>;
  const ref::format format = format_of<typename op_type::storage_type>;
  const std::vector<float> x = grid(1003, 6);
  for (const float scale : {1.0f, 0.3f, 21.0f}) {
    ref::function f = function_of<typename op_type::activation_type>();
    f.scale = scale;
    const op_type op(&scale);
    const forwarded<op_type> got(op, x);
    const std::vector<float> g = got.gradient(op);
    int wrong_code = 0, wrong_value = 0, wrong_executor = 0, wrong_fragment = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto e = op.forward(x[i]);
      const double want = f.value(x[i]);
      // f is computed to 0.3 ULP of bfloat16.
      const double at = ref::code_position(format, traits::load(e.y));
      wrong_code += std::fabs(at - ref::code_position(format, want)) > 0.5 + 0.3 / 16;
      wrong_value += std::fabs(e.value * scale - want) > 0x1p-9 * std::fabs(want);
      wrong_executor += traits::to_code(e.y) != traits::to_code(got.y[i]);
      wrong_executor += !near(op.gradient_factor(e.y, e.piece), g[i]);
      if (i % 8 != 0 || i + 8 > x.size()) continue;
      fragment<float, 8> in;
      for (int k = 0; k < 8; ++k) in[k] = x[i + static_cast<std::size_t>(k)];
      typename op_type::template pieces<8> kept;
      fragment<float, 8> values;
      const auto y = op.forward(in, kept, values);
      const auto dx = op.backward(in, y, kept);
      for (int k = 0; k < 8; ++k) {
        const auto one = op.forward(in[k]);
        wrong_fragment += traits::to_code(one.y) != traits::to_code(y[k]);
        wrong_fragment += !near(one.value, values[k]) + !near(op.backward(in[k], y[k], kept[k]), dx[k]);
      }
    }
    CHECK(wrong_code == 0);
    CHECK(wrong_value == 0);
    CHECK(wrong_executor <= other_codes);
    CHECK(wrong_fragment <= other_codes);
  }
}

TEST_CASE("the gradient of constant pieces and slopes is exact at every scale") {
  CHECK(inexact<relu, float8_e4m3>({{}}, 0x1p-40f, 0x1p+40f) == 0);
  CHECK(inexact<leaky_relu, float8_e5m2>({{}, {0.25f}}, 0x1p-30f, 0x1p+30f) == 0);
  CHECK(inexact<prelu, float8_e4m3>({{}, {-0.5f}}, 0x1p-30f, 0x1p+30f) == 0);
  CHECK(inexact<softshrink, float8_e4m3>({{}, {2.0f}}, 0x1p-30f, 0x1p+30f) == 0);
  CHECK(inexact<hardshrink, float8_e4m3>({{}}, 0x1p-30f, 0x1p+30f) == 0);
  // Where two constants have numbers of the format, and a number between them.
  CHECK(inexact<relu6, float8_e4m3>({{}}, 0x1p-9f, 0x1p+12f) == 0);
  CHECK(inexact<hardsigmoid, float8_e5m2>({{}}, 0x1p-12f, 0x1p+20f) == 0);
  CHECK(inexact<hardtanh, float8_e4m3>({{}, {0.0f, 20.0f}, {-20.0f, 0.0f}, {-0.75f, 2.5f}}, 0x1p-6f,
                                       0x1p+6f) == 0);
  CHECK(inexact<invact::threshold, float8_e4m3>({{}, {-1.0f, 0.0f}, {0.125f, 20.0f}, {-1.0f, 0.5f}},
                                                0x1p-9f, 0x1p+12f) == 0);
}

TEST_CASE("a scale of a power of two moves codes by whole binades and leaves the gradient alone") {
  const float small = 8, large = 32;
  const scaled<silu, float8_e4m3> a(&small), b(&large);
  int wrong = 0;
  for (const float x : grid(1000, 5)) {
    if (std::fabs(x) < 0.1f) continue;  // subnormal in one of them
    const auto ya = a.forward(x), yb = b.forward(x);
    wrong += ya.y.bits + 16 != yb.y.bits || ya.piece != yb.piece;
    wrong += !near(a.gradient_factor(ya.y, ya.piece), b.gradient_factor(yb.y, yb.piece));
  }
  CHECK(wrong == 0);
}

TEST_CASE("what is too large saturates, and infinities and NaNs are what they are elsewhere") {
  const float scale = 64;
  const scaled<gelu, float8_e4m3> op(&scale);
  for (const float x : {7.5f, 100.0f, infinity}) {
    CHECK(op.forward(x).y.bits == 0x7eu);
    CHECK(std::fabs(op.gradient_factor(op.forward(x).y, 0u) - 1.0f) < 5e-3f);
  }
  const auto left = op.forward(-infinity);
  CHECK(left.y.bits == 0x80u);
  CHECK(left.piece == 1u);
  CHECK(op.gradient_factor(left.y, left.piece) == 0.0f);
  const auto none = op.forward(float_from_bits(0xffc00000u));
  CHECK(none.y.bits == 0x7fu);
  CHECK(none.piece == 0u);
  CHECK(is_nan(op.gradient_factor(none.y, none.piece)));
}

// Codes far out, where f' has long reached its limit and a cell is wider than g bends: whose gradient is not it.
template <class Op>
int far_from_limit(const Op& op, float scale) {
  using traits = storage_traits<typename Op::storage_type>;
  using format = typename traits::format;
  const ref::function f = function_of<typename Op::activation_type>();
  int wrong = 0;
  for (const float side : {-1.0f, 1.0f}) {
    const double limit = f.derivative(side * 64);
    // Of squared ReLU it grows.
    if (std::fabs(f.value(side * 64) - f.value(side * 32)) < 0.1 || std::fabs(limit) > 2) continue;
    for (uint32 magnitude = 0; magnitude < format::infinity; ++magnitude) {
      const uint32 sign = f.value(side * 64) < 0 ? uint32{format::sign} : 0u;
      const auto c = static_cast<typename format::code>(magnitude | sign);
      if (std::fabs(format::load(c)) / scale < 60) continue;
      for (uint32 mask = 0; mask < 1u << Op::mask_bits; ++mask) {
        // Bit 0 of a code that more than one piece has names the piece; where no cell is cut, of every code.
        using activation = typename Op::activation_type;
        const bool names_piece =
            Op::mask_bits == piece_bits_v<activation> || detail::has_piece<activation, format>(c);
        if (names_piece && Op::mask_bits > 0 && mask % 2 != (side < 0)) continue;
        wrong += !(std::fabs(op.gradient_factor(traits::from_code(c), mask) - limit) < 1e-3);
      }
    }
  }
  return wrong;
}

TEST_CASE("a code far out has the limit of the gradient, whatever the scale and however wide its cell") {
  const auto check = [](auto activation) {
    using type = decltype(activation);
    for (const float scale : {1.0f, 0.25f, 0x1p-12f, 0x1p-40f, 0x1p-100f}) {
      CAPTURE(name_of<type>(), scale);
      CHECK(far_from_limit(scaled<type, float8_e4m3>(&scale), scale) == 0);
      CHECK(far_from_limit(scaled<type, float8_e5m2, refined_bitmask<2>>(&scale), scale) == 0);
    }
    CAPTURE(name_of<type>());
    CHECK(far_from_limit(inverted<type, bfloat16, refined_bitmask<2>>(), 1.0f) == 0);
  };
  check(gelu{});
  check(silu{});
  check(mish{});
  check(lisht{});
  check(hardswish{});
  check(prelu{});
  check(softplus{});
  check(logsigmoid{});
  check(celu{});
  check(tanhshrink{});
}

TEST_CASE("fast decoders are there for every number of bits") {
  const float scale = 1;
  const scaled<gelu, float8_e4m3, refined_bitmask<4>, fast> op(&scale);
  const auto e = op.forward(0.7f);
  CHECK(op.gradient_factor(e.y, e.piece) ==
        Approx(function_of<gelu>().derivative(0.7)).margin(0.01));
}

TEST_CASE("a slope's gradient is x on the left") {
  const float scale = 3;
  const scaled<prelu, float8_e4m3> op(&scale, nullptr, prelu{0.25f});
  const auto e = op.forward(-4.0f);
  // -4 is -3 in the format where 0.25 * -4 * 3 is.
  CHECK(near(op.slope_gradient(2.0f, e.y, e.piece), -8.0f));
  CHECK(op.slope_gradient(2.0f, op.forward(4.0f).y, op.forward(4.0f).piece) == 0.0f);
}

TEST_CASE("amax becomes the largest |f(x)|, of elements that exist, before scaling and rounding") {
  using op = scaled<softplus, float8_e4m3>;
  // Every tail of a block, whose padding would have f(0) = log 2; the largest at every place in turn.
  for (int count = 1; count < 90; ++count) {
    std::vector<float> x(static_cast<std::size_t>(count), -3.0f);
    const float scale = 64;
    float amax = 0;
    std::vector<float8_e4m3> y(x.size());
    host::forward(op(&scale, &amax), count, x.data(), y.data());
    CHECK(std::fabs(amax - std::log1p(std::exp(-3.0f))) < 0x1p-9f * amax);
    x[static_cast<std::size_t>(count * 7 / 11)] = 2.0f;
    host::forward(op(&scale, &amax), count, x.data(), y.data());
    CHECK(std::fabs(amax - std::log1p(std::exp(2.0f))) < 0x1p-9f * amax);
  }
}

TEST_CASE("amax counts a matrix' elements and no others, stays where it is larger, and keeps NaN") {
  using op = scaled<gelu, float8_e4m3>;
  constexpr int rows = 300, cols = 131, ld = 140;
  std::vector<float> x(rows * ld, 1000.0f);
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < cols; ++c)
      x[static_cast<std::size_t>(r * ld + c)] = -6.0f + 0.0002f * static_cast<float>(r * cols + c);
  std::vector<float8_e4m3> y(x.size());
  host::matrix_shape shape;
  shape.rows = rows;
  shape.cols = cols;
  shape.ld_x = shape.ld_y = ld;
  shape.mask_stride_bits = 136;
  std::vector<uint8> mask(rows * 17);
  const float scale = 1, bias = 0;
  const std::vector<float> biases(cols, bias);
  const double want = function_of<gelu>().value(x[(rows - 1) * ld + cols - 1]);
  for (const bool with_bias : {false, true}) {
    float amax = 0;
    const auto run = [&] {
      if (with_bias) {
        host::forward_with_bias(op(&scale, &amax), shape, x.data(), biases.data(), y.data(), mask.data());
      } else {
        host::forward(op(&scale, &amax), shape, x.data(), y.data(), mask.data());
      }
    };
    run();
    CHECK(std::fabs(amax - want) < 0x1p-9 * want);
    amax = 1e6f;
    run();
    CHECK(amax == 1e6f);
    x[ld + 5] = float_from_bits(0xffc00000u);
    run();
    CHECK(is_nan(amax));
    x[ld + 5] = 0;
    run();
    CHECK(is_nan(amax));
  }
  float amax = 0;
  host::forward(op(&scale, &amax), 0, x.data(), y.data(), mask.data());
  CHECK(amax == 0.0f);
}

TEST_CASE("the executor refuses a scaled op without a scale") {
  float x[8] = {}, dx[8] = {};
  float8_e4m3 y[8] = {};
  uint8 mask[1] = {};
  const auto message = [](const auto& call) {
    try {
      call();
    } catch (const std::invalid_argument& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const scaled<gelu, float8_e4m3> none;
  CHECK(message([&] { host::forward(none, 8, x, y, mask); }) ==
        "invact::host::forward: op.scale() is a null pointer");
  CHECK(message([&] { host::backward(none, 8, x, y, mask, dx); }) ==
        "invact::host::backward: op.scale() is a null pointer");
}
