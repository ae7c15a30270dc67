#include <cmath>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include <invact/op/gated_units.hpp>
#include <invact/invact.hpp>

#include "accuracy/gated_runner.hpp"
#include "support/bounds.hpp"
#include "support/catch.hpp"

using namespace invact;

namespace {

// Over all bit patterns, and over the range where f bends and products are ordinary.
float any_float(std::mt19937& random, int i) {
  if (i % 3 == 0) return float_from_bits(random());
  return std::normal_distribution<float>(0, 3)(random);
}

// Bit for bit; under -ffast-math, which lets a compiler round the same expression otherwise in a vector than in a
// scalar, the next codes of h of the same piece, and of f' what a table's polynomial makes of an ULP of y.
#if defined(__FAST_MATH__)
constexpr int64 code_tolerance = 4;
constexpr double factor_tolerance[2] = {4 * bounds::float_rms, 1e-3};  // in float, and in 16 bits
constexpr double y_tolerance = 1e-6;
constexpr bool is_exact = false;
#else
constexpr int64 code_tolerance = 0;
constexpr double factor_tolerance[2] = {0, 0}, y_tolerance = 0;
constexpr bool is_exact = true;
#endif

bool same(float a, float b, float scale, double tolerance) {
  if (float_bits(a) == float_bits(b) || (is_nan(a) && is_nan(b))) return true;
  if (is_exact) return false;
  // A NaN of one alone, or an infinity.
  if (((float_bits(a) & float_infinity_bits) == float_infinity_bits) !=
      ((float_bits(b) & float_infinity_bits) == float_infinity_bits))
    return false;
  const double apart = static_cast<double>(a) - static_cast<double>(b);
  return std::fabs(apart) <= tolerance * std::fabs(static_cast<double>(scale)) + 0x1p-120;
}

template <int N, class Op>
int differing_results(const Op& op) {
  using traits = storage_traits<typename Op::storage_type>;
  std::mt19937 random(N);
  int wrong = 0;
  for (int trial = 0; trial < 1000; ++trial) {
    fragment<float, N> g, u, dh, dg, du;
    for (int i = 0; i < N; ++i) {
      g[i] = any_float(random, trial + i);
      u[i] = any_float(random, trial + i + 1);
      dh[i] = std::normal_distribution<float>(0, 1)(random);
      // What is beside the largest u may be flushed: see gated.hpp.
      if (!is_exact && absolute(u[i]) >= 0x1p+100f) u[i] = 3.0f;
    }
    typename Op::template pieces<N> kept;
    const auto h = op.forward(g, u, kept);
    op.backward(dh, h, u, kept, dg, du);
    for (int i = 0; i < N; ++i) {
      const auto e = op.forward(g[i], u[i]);
      // The fragment's own h, so that an h one code off does not count again.
      const auto d = op.backward(dh[i], h[i], u[i], kept[i]);
      const bool nans = is_nan(traits::load(e.h)) && is_nan(traits::load(h[i]));
      wrong +=
          !nans && std::abs(int64{traits::to_code(e.h)} - int64{traits::to_code(h[i])}) > code_tolerance;
      wrong += e.piece != kept[i];
      wrong += !same(d.dg, dg[i], dh[i] * op.up().multiplier(u[i]),
                     factor_tolerance[sizeof(typename traits::code) == 2]);
      wrong += !same(d.du, du[i], d.du, y_tolerance);
    }
  }
  return wrong;
}

template <class Activation, class Storage, class Packing, class Approximant = accurate,
          class Evaluator = default_evaluator>
using unit =
    gated<Activation, Storage, Packing, Approximant, Evaluator,
          typename invact::detail::conditional<invact::detail::is_same_v<Activation, clamped_swish>,
                                               clamped_up, plain_up>::type>;

template <class Activation>
void check_fragments(const Activation& a = Activation{}) {
  CHECK(differing_results<8>(unit<Activation, bfloat16, bitmask>(a)) == 0);
  CHECK(differing_results<3>(unit<Activation, binary16, bitmask>(a)) == 0);
  CHECK(differing_results<4>(unit<Activation, float, bitmask>(a)) == 0);
  if constexpr (piece_bits_v<Activation> > 0) {
    CHECK(differing_results<8>(unit<Activation, bfloat16, mantissa_bit>(a)) == 0);
    CHECK(differing_results<2>(unit<Activation, binary16, mantissa_bit>(a)) == 0);
    CHECK(differing_results<3>(unit<Activation, float, mantissa_bit>(a)) == 0);
  }
}

// ---- one element at a time, against the definition ------------------------------------------------------------

// An op with all types taken off it.
struct measured {
  std::string name;
  accuracy::gated_unit of;
  accuracy::gated_runner run;
  bool in_mantissa;
};

template <class Op>
measured measured_op(const Op& op = {}) {
  measured m{gated_name_of<typename Op::activation_type>(), unit_of<Op>(), host_gated_runner(op),
             index_of<Op>().bits > 0};
  if (invact::detail::is_same_v<typename Op::up_type, clamped_up>) m.of.up = {7, 1};
  m.name += " with " + std::to_string(m.of.storage.mantissa_bits) +
            (m.in_mantissa ? " mantissa bits, one the piece's" : " mantissa bits");
  return m;
}
template <class Activation>
std::vector<measured> all_storages(const Activation& a = Activation{}) {
  std::vector<measured> all{measured_op(unit<Activation, float, bitmask>(a)),
                            measured_op(unit<Activation, binary16, bitmask>(a)),
                            measured_op(unit<Activation, bfloat16, bitmask>(a))};
  if constexpr (piece_bits_v<Activation> > 0) {
    all.push_back(measured_op(unit<Activation, float, mantissa_bit>(a)));
    all.push_back(measured_op(unit<Activation, binary16, mantissa_bit>(a)));
    all.push_back(measured_op(unit<Activation, bfloat16, mantissa_bit>(a)));
  }
  return all;
}
const std::vector<measured>& all_ops() {
  static const std::vector<measured> all = [] {
    std::vector<measured> ops;
    const auto add = [&ops](std::vector<measured> some) {
      for (measured& m : some) ops.push_back(std::move(m));
    };
    add(all_storages<silu>());
    add(all_storages<relu>());
    add(all_storages<clamped_swish>());
#if !INVACT_TEST_SAMPLE
    add(all_storages<gelu>());
    add(all_storages<mish>());
    add(all_storages<sigmoid>());
    add(all_storages<hardswish>());
    add(all_storages<lisht>());
#endif
    std::vector<measured> negative = all_storages(prelu{-0.5f});
    for (measured& m : negative) m.of.f = reference::find("prelu", {-0.5});
    add(std::move(negative));
    return ops;
  }();
  return all;
}

// What an op keeps of one element and makes of it, with dh = 1.
struct outcome {
  float g, u;
  uint32 h, piece;
  float dg, du;
};
std::vector<outcome> outcomes(const measured& m, const accuracy::gated_samples& at) {
  accuracy::codes h, piece;
  std::vector<float> dg, du;
  m.run.forward(at.g, at.u, h, piece);
  m.run.backward(h, at.u, piece, dg, du);
  std::vector<outcome> all;
  for (std::size_t i = 0; i < h.size(); ++i)
    all.push_back({at.g[i], at.u[i], h[i], piece[i], dg[i], du[i]});
  return all;
}

// Every g of a list with every u.
accuracy::gated_samples products(const std::vector<float>& g, const std::vector<float>& u) {
  accuracy::gated_samples all;
  for (const float a : g) {
    for (const float b : u) {
      all.g.push_back(a);
      all.u.push_back(b);
    }
  }
  return all;
}

const float negative_zero = float_from_bits(float_sign_mask);

// Multipliers of all kinds, of the storage format.
std::vector<float> multipliers(reference::format storage) {
  std::vector<float> all{0.0f, negative_zero, -1.0f, 1.0f, 1.9921875f, -1.0078125f, 0.5f, 3.0f};
  for (const int k :
       {-149, -130, -126, -100, -61, -60, -59, -30, -24, -14, -13, -12, -3, 4, 15, 60, 100, 125}) {
    const double power = std::ldexp(1, k);
    if (storage.exponent_bits == 5 && k > 15) continue;
    for (const float u : {accuracy::stored_in(storage, power), accuracy::stored_in(storage, 1.7 * power)}) {
      all.push_back(u);
      all.push_back(-u);
    }
  }
  if (storage.exponent_bits == 5) all.insert(all.end(), {65504.0f, -65504.0f});
  return all;
}

std::vector<float> gates() {
  std::vector<float> all{0.0f,  negative_zero, -3.0f,    3.0f,     7.0f,     -200.0f,
                         20.0f, 8.0f,          -1.2784f, -1.2785f, -0.7517f, -1.1924f};
  for (float g = 1e-8f; g < 30.0f; g *= 1.31f) {
    all.push_back(g);
    all.push_back(-g);
  }
  return all;
}

bool is_infinite(const measured& m, uint32 h) {
  return (h & (m.of.storage.sign() - 1)) >= m.of.storage.infinity();
}

// The code of |u| y, from that of h.
uint32 unsigned_code(const measured& m, uint32 h, float u) {
  return h ^ (m.of.flips(accuracy::exact_value(u)) ? m.of.storage.sign() : 0u);
}

int piece_at(const measured& m, double g) {
  int piece = 0;
  for (const reference::segment& s : m.of.f.of->segments(m.of.f.p))
    if (g > s.from && g <= s.to) piece = s.piece;
  return piece;
}
// Where two pieces meet either may be the right one.
bool is_between_pieces(const measured& m, double g) {
  for (const reference::segment& s : m.of.f.of->segments(m.of.f.p))
    if (g == s.from || g == s.to) return true;
  return false;
}
bool is_on_flat(const measured& m, double g) {
  for (const reference::segment& s : m.of.f.of->segments(m.of.f.p))
    if (s.flat && g > s.from && g < s.to) return true;
  return false;
}

}  // namespace

TEST_CASE("fragment calls of gated units equal scalar calls bit for bit") {
  check_fragments<silu>();
  CHECK(differing_results<1>(unit<silu, bfloat16, mantissa_bit>{}) == 0);
  CHECK(differing_results<1>(unit<silu, float, bitmask>{}) == 0);
  check_fragments<clamped_swish>();
#if !INVACT_TEST_SAMPLE
  check_fragments<hardswish>();
#endif
#if !INVACT_TEST_FEW_OPS
  check_fragments<gelu>();
  check_fragments<mish>();
  check_fragments<relu>();
  check_fragments<sigmoid>();
  check_fragments(prelu{-0.5f});
#endif
  CHECK(differing_results<8>(unit<gelu, bfloat16, bitmask, fast>{}) == 0);
  CHECK(differing_results<8>(unit<silu, binary16, mantissa_bit, fast>{}) == 0);
  CHECK(differing_results<8>(unit<silu, bfloat16, mantissa_bit, accurate, packed>{}) == 0);
  CHECK(differing_results<3>(unit<gelu, bfloat16, bitmask, accurate, packed>{}) == 0);
}

TEST_CASE("a gated unit without parameters is an empty value, and others carry theirs") {
  CHECK(sizeof(swiglu<bfloat16>) == 1);
  CHECK(swiglu<bfloat16>::mask_bits == 1);
  CHECK(swiglu<bfloat16, mantissa_bit>::mask_bits == 0);
  CHECK(reglu<bfloat16>::mask_bits == 0);
  CHECK_FALSE(swiglu<float>::recomputes);
  const clamped_swiglu<float> op(clamped_swish{1.0f, 3.0f}, clamped_up{2.0f, 0.5f});
  CHECK(op.activation().limit() == 3.0f);
  CHECK(op.up().offset == 0.5f);
  CHECK(op.is_valid());
  CHECK_FALSE(clamped_swiglu<float>(clamped_swish{1.0f, -3.0f}).is_valid());
  CHECK_FALSE(clamped_swiglu<float>(clamped_swish{}, clamped_up{0.0f, 1.0f}).is_valid());
  CHECK_FALSE(
      clamped_swiglu<float>(clamped_swish{}, clamped_up{float_from_bits(0x7fc00000u), 1.0f}).is_valid());
  CHECK_FALSE(clamped_swiglu<float>(clamped_swish{}, clamped_up{7.0f, float_from_bits(float_infinity_bits)})
                  .is_valid());
}

namespace {

// Parts of a user's own.
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
struct twice_up {
  INVACT_FUNCTION float multiplier(float u) const { return u + 1.0f; }
  INVACT_FUNCTION bool is_clamped(float) const { return false; }
};

}  // namespace

TEST_CASE("a gated unit is made of a user's activation, approximant, evaluator and multiplier") {
  using op_type = gated<scaled_identity, bfloat16, bitmask, scaled_identity_gradient,
                        scaled_identity_forward, twice_up>;
  const op_type op{scaled_identity{3.0f}};
  CHECK(op_type::mask_bits == 0);
  const auto e = op.forward(2.0f, 3.0f);
  CHECK(storage_traits<bfloat16>::load(e.h) == 24.0f);
  const auto d = op.backward(5.0f, e.h, 3.0f);
  CHECK(d.dg == 60.0f);
  CHECK(d.du == 30.0f);
}

TEST_CASE("h is f(g) * u within the bound of its storage and packing") {
  for (const measured& m : all_ops()) {
    accuracy::gated_samples at = accuracy::normal_samples(1 << 14, m.of.storage);
    for (const auto& more :
         {accuracy::wide_samples(1 << 14, m.of.storage), accuracy::edge_samples(m.of.f, m.of.storage)}) {
      at.g.insert(at.g.end(), more.g.begin(), more.g.end());
      at.u.insert(at.u.end(), more.u.begin(), more.u.end());
    }
    const auto got = accuracy::measure_gated_forward(m.run, m.of, at, smallest_result(m.of.storage));
    INFO(m.name << " at " << got.worst_g << ", " << got.worst_u);
    CHECK(got.largest <= accuracy::gated_ulp(m.of));
  }
}

TEST_CASE("a packed evaluator's h is within its documented error") {
  const unit<silu, bfloat16, mantissa_bit, accurate, packed> op;
  const auto f = reference::find("silu");
  int wrong = 0;
  std::mt19937 random(5);
  for (int i = 0; i < 20000; ++i) {
    const float g = std::normal_distribution<float>(0, 2)(random);
    const float u =
        accuracy::stored_in(reference::bfloat16, std::normal_distribution<double>(0, 1)(random));
    const double want = f.value(g) * static_cast<double>(u),
                 got = storage_traits<bfloat16>::load(op.forward(g, u).h);
    const double most =
        bounds::packed_relative_to_x * std::fabs(static_cast<double>(g) * static_cast<double>(u)) +
        reference::ulp(reference::bfloat16, std::fmax(std::fabs(want), std::fabs(got)));
    wrong += !(std::fabs(got - want) <= most);
  }
  CHECK(wrong == 0);
}

TEST_CASE("the piece kept is that of g, whatever u and its sign") {
  for (const measured& m : all_ops()) {
    if (piece_at(m, -40) == piece_at(m, 40)) continue;
    int wrong = 0;
    float worst_g = 0, worst_u = 0;
    for (const outcome& o : outcomes(m, products(gates(), multipliers(m.of.storage)))) {
      if (is_between_pieces(m, accuracy::exact_value(o.g))) continue;
      const int want = piece_at(m, accuracy::exact_value(o.g));
      bool right = static_cast<int>(o.piece) == want;
      if (m.in_mantissa) {
        const uint32 c = unsigned_code(m, o.h, o.u);
        const bool negative = (c & m.of.storage.sign()) != 0;
        const bool carries = negative ? m.of.index.negative : m.of.index.positive;
        right = o.piece == 0 && (!carries || is_infinite(m, o.h) || static_cast<int>(c & 1u) == want);
      }
      if (!right) ++wrong, worst_g = o.g, worst_u = o.u;
    }
    INFO(m.name << " at " << worst_g << ", " << worst_u);
    CHECK(wrong == 0);
  }
}

TEST_CASE("the gradients are as near as the bits of h allow, whatever u") {
  for (const measured& m : all_ops()) {
    const reference::format s = m.of.storage;
    int wrong_du = 0, wrong_dg = 0, wrong_flat = 0;
    float worst_g = 0, worst_u = 0;
    // What flushes to zero, and with the mantissa bit what becomes the smallest normal code of a piece.
    const double vanishing = s.exponent_bits == 8 ? 1.01 * 0x1p-126 : 0;
    const double slack = s.mantissa_bits == 23 ? 1e-4 : s.mantissa_bits == 10 ? 2e-3 : 6e-3;
    for (const outcome& o : outcomes(m, products(gates(), multipliers(s)))) {
      const double g = accuracy::exact_value(o.g), u = accuracy::exact_value(o.u);
      // As the op has it, in float.
      const double multiplier = static_cast<double>(static_cast<float>(m.of.up(u)));
      const double size = std::fmax(std::fabs(multiplier), m.of.least_multiplier);
      const double y = m.of.f.value(g), want = std::fabs(y) * size,
                   got = std::fabs(reference::decode(s, o.h));
      const double dg = accuracy::exact_value(o.dg), du = accuracy::exact_value(o.du);
      if (multiplier == 0 && dg != 0) ++wrong_dg, worst_g = o.g, worst_u = o.u;
      if (is_infinite(m, o.h) || want > reference::decode(s, s.infinity() - 1)) continue;
      const bool clamped = m.of.up.is_clamped(u);
      // In half the forward is that of y in half: what is subnormal there has an absolute error alone.
      const double of_y =
          reference::ulp(s, y) * (std::fabs(y) < reference::decode(s, s.min_normal()) ? 1 : 0);
      const double most =
          (accuracy::gated_ulp(m.of) * reference::ulp(s, std::fmax(want, got)) + vanishing) / size +
          0x1p-22 * std::fabs(y) + of_y + 0x1p-126;
      if (!(std::fabs(du - (clamped ? 0 : y)) <= most)) ++wrong_du, worst_g = o.g, worst_u = o.u;
      const double exact = m.of.f.derivative(g);
      if (is_on_flat(m, g)) {
        if (std::fabs(dg - multiplier * exact) > 0x1p-126 + 0x1p-22 * std::fabs(multiplier * exact))
          ++wrong_flat, worst_g = o.g, worst_u = o.u;
        continue;
      }
      const double most_dg = (1 + slack) * std::fabs(multiplier) * std::fabs(exact);
      if (most_dg > 0x1p+127 || is_between_pieces(m, g)) continue;
      const accuracy::gated_cell cell = accuracy::cell_of(m.of, o.h, u, piece_at(m, g), g);
      if (cell.mass <= 0) continue;
      const double reach = 0.1 * (cell.high - cell.low) + slack;
      const double low = std::fmin(exact, cell.low) - reach, high = std::fmax(exact, cell.high) + reach;
      const double factor = multiplier != 0 ? dg / multiplier : exact,
                   least = 0x1p-126 / std::fabs(multiplier);
      if (!(factor >= low - least && factor <= high + least)) ++wrong_dg, worst_g = o.g, worst_u = o.u;
    }
    INFO(m.name << " at " << worst_g << ", " << worst_u);
    CHECK(wrong_du == 0);
    CHECK(wrong_dg == 0);
    CHECK(wrong_flat == 0);
  }
}

TEST_CASE("a subnormal h in half tells y to half of its spacing") {
  for (const measured& m :
       {measured_op(swiglu<binary16>{}), measured_op(swiglu<binary16, mantissa_bit>{})}) {
    int wrong = 0;
    std::mt19937 random(1);
    accuracy::gated_samples at;
    for (int i = 0; i < 20000; ++i) {
      at.g.push_back(std::normal_distribution<float>(0, 2)(random));
      at.u.push_back(accuracy::stored_in(
          reference::binary16, std::ldexp(1 + (i % 100) / 100.0, -20 + i % 12) * (i % 7 < 3 ? -1 : 1)));
    }
    double largest = 0;
    for (const outcome& o : outcomes(m, at)) {
      const double y = m.of.f.value(o.g), size = std::fmax(std::fabs(static_cast<double>(o.u)), 0x1p-13);
      if (std::fabs(y) * size >= 0x1p-14) continue;
      const bool ambiguous = m.in_mantissa && y < 0;
      const double error = std::fabs(static_cast<double>(o.du) - y);
      largest = std::fmax(largest, error);
      wrong += error > 1.001 * (ambiguous ? 0x1p-24 : 0x1p-25) / size + 0x1p-22 * std::fabs(y);
    }
    CHECK(wrong == 0);
    CHECK(largest > (m.in_mantissa ? 0x1.8p-12 : 0x1.8p-13));
  }
}

#if !defined(__FAST_MATH__)
TEST_CASE(
    "multipliers that are powers of two cost nothing: h is y's code moved, and the gradients are the "
    "same") {
  for (const measured& m : all_ops()) {
    const reference::format s = m.of.storage;
    if (m.of.up.clamps()) continue;
    int wrong = 0;
    const std::vector<float> g = [] {
      std::vector<float> all;
      for (float at = 0.01f; at < 9.0f; at *= 1.07f) all.insert(all.end(), {at, -at});
      return all;
    }();
    const auto one = outcomes(m, products(g, {1.0f}));
    for (int k = s.exponent_bits == 8 ? -60 : -13; k < (s.exponent_bits == 8 ? 60 : 12); k += 3) {
      for (const float sign : {1.0f, -1.0f}) {
        const float u = sign * static_cast<float>(std::ldexp(1, k));
        const auto other = outcomes(m, products(g, {u}));
        for (std::size_t i = 0; i < g.size(); ++i) {
          const double h = std::fabs(reference::decode(s, one[i].h)) * std::ldexp(1, k);
          // Apart from subnormal h, from overflow, and from what is held off a constant's code.
          if (h < 2 * reference::decode(s, s.min_normal()) || h > reference::decode(s, s.infinity() - 1))
            continue;
          if (std::fabs(reference::decode(s, one[i].h)) < 2 * reference::decode(s, s.min_normal()))
            continue;
          wrong += std::fabs(reference::decode(s, other[i].h)) != h;
          wrong += !(other[i].du == one[i].du) || !(other[i].dg == u * one[i].dg) ||
                   other[i].piece != one[i].piece;
        }
      }
    }
    INFO(m.name);
    CHECK(wrong == 0);
  }
}
#endif

TEST_CASE("NaN of g, u or dh makes NaN of both gradients") {
  const std::vector<uint32> nans{0x7fc00000u, 0xffc00000u, 0x7fffffffu, 0xffffffffu, 0x7f800001u};
  for (const measured& m : all_ops()) {
    int wrong = 0;
    accuracy::gated_samples at;
    for (const uint32 bits : nans) {
      for (const float other : {0.0f, 1.0f, -2.5f, 1e-30f, 30.0f}) {
        at.g.insert(at.g.end(), {float_from_bits(bits), other, float_from_bits(bits)});
        at.u.insert(at.u.end(), {m.of.up.is_clamped(other) ? 1.0f : other, float_from_bits(bits),
                                 float_from_bits(bits)});
      }
    }
    for (const outcome& o : outcomes(m, at)) {
      wrong += (o.h & (m.of.storage.sign() - 1)) <= m.of.storage.infinity();
      wrong += !is_nan(o.dg) || !is_nan(o.du);
    }
    INFO(m.name);
    CHECK(wrong == 0);
  }
  const float nan = float_from_bits(0x7fc00000u);
  const auto check = [nan](const auto& op) {
    for (const float g : {-20.0f, -1.0f, 1.0f}) {
      const auto e = op.forward(g, 2.0f);
      const auto d = op.backward(nan, e.h, 2.0f, e.piece);
      CHECK(is_nan(d.dg));
      CHECK(is_nan(d.du));
    }
  };
  check(swiglu<bfloat16>{});
  check(reglu<float>{});
  check(geglu<binary16, mantissa_bit>{});
  CHECK(swiglu<bfloat16>{}.forward(nan, 1.0f).piece == 0);
}

TEST_CASE("infinite g is the limit of f, and infinite u has no gradients") {
  const float infinity = float_from_bits(float_infinity_bits);
  for (const measured& m : all_ops()) {
    int wrong = 0;
    for (const outcome& o : outcomes(m, products({infinity, negated(infinity)}, {1.0f, -2.5f, 0.5f}))) {
      const double side = is_above_zero(o.g) ? 1 : -1, far = side * reference::largest_x;
      const double limit = m.of.f.value(far), slope = m.of.f.derivative(far),
                   factor = m.of.up(static_cast<double>(o.u));
      const bool grows = std::fabs(limit - m.of.f.value(far / 2)) > 0.1;
      wrong += grows != is_infinite(m, o.h);
      // An infinite h has no lowest bit to tell a piece by.
      const bool tells = !m.in_mantissa || !grows || !m.of.index.positive;
      if (tells) wrong += !(std::fabs(static_cast<double>(o.dg) - factor * slope) <= 1e-2);
      if (grows) {
        wrong += (float_bits(o.du) & ~float_sign_mask) != float_infinity_bits;
        wrong += (float_bits(o.du) >> 31 != 0) != (limit < 0);
      } else {
        // The smallest odd code of half is what -0 was.
        const double least = m.in_mantissa && m.of.storage.mantissa_bits == 10 ? 0x1p-22 : 1e-20;
        wrong += !(std::fabs(static_cast<double>(o.du) - limit) <= 0x1p-7 * std::fabs(limit) + least);
      }
    }
    if (!m.of.up.clamps()) {
      for (const outcome& o :
           outcomes(m, products({-3.5f, -1.0f, 0.5f, 4.0f}, {infinity, negated(infinity)}))) {
        wrong += !is_nan(o.dg) || !is_nan(o.du);
      }
    }
    INFO(m.name);
    CHECK(wrong == 0);
  }
}

#if !defined(__FAST_MATH__)  // which regroups f's factors and u, so that such an h may overflow
TEST_CASE("of a u whose reciprocal is subnormal the gradients are finite, and du is 0") {
  for (const measured& m : all_ops()) {
    if (m.of.storage.exponent_bits == 5 || m.of.up.clamps()) continue;
    const float largest = static_cast<float>(reference::decode(m.of.storage, m.of.storage.infinity() - 1));
    int wrong = 0;
    for (const outcome& o :
         outcomes(m, products({-0.5f, 0.01f, 0.5f}, {0x1.8p+126f, -0x1.8p+126f, largest, -largest}))) {
      wrong += o.du != 0.0f;
      wrong += (float_bits(o.dg) & ~float_sign_mask) >= float_infinity_bits;
    }
    INFO(m.name);
    CHECK(wrong == 0);
  }
}
#endif

TEST_CASE("where h overflows du is infinite, and dg is not harmed") {
  const auto check = [](const auto& op, float g, float u) {
    const auto e = op.forward(g, u);
    const auto d = op.backward(1.0f, e.h, u, e.piece);
    CHECK(float_bits(d.du) == float_infinity_bits);
    CHECK(std::fabs(static_cast<double>(d.dg / u) - 1.0) < 1e-3);
  };
  check(swiglu<binary16>{}, 300.0f, 300.0f);
  check(swiglu<binary16, mantissa_bit>{}, 300.0f, -300.0f);
  check(reglu<binary16>{}, 70000.0f, 1.0f);
  check(geglu<bfloat16>{}, 1e30f, 1e20f);
  check(swiglu<float>{}, 1e30f, -1e20f);
  check(gated<hardswish, binary16>{}, 10.0f, 30000.0f);
}

namespace {

template <class Op>
void check_clamps(const Op& op) {
  const float limit = op.activation().limit(), bound = op.up().limit;
  const auto storage = format_of<typename Op::storage_type>;
  const reference::function swish =
      reference::find("swish", {static_cast<double>(op.activation().unclamped().beta)});
  const float above = float_from_bits(float_bits(limit) + 1u),
              below = float_from_bits(float_bits(limit) - 1u);
  std::mt19937 random(7);
  std::uniform_real_distribution<float> uniform(-1.5f * bound, 1.5f * bound);
  int wrong = 0;
  for (int i = 0; i < 3000; ++i) {
    const float u = i == 0   ? bound
                    : i == 1 ? -bound
                    : i == 2 ? -op.up().offset
                    : i == 3 ? 0.0f
                             : accuracy::stored_in(storage, static_cast<double>(uniform(random)));
    const double m = static_cast<double>(op.up().multiplier(u));
    const bool clamped = std::fabs(u) > bound;
    for (const float g :
         {above, limit + 0.01f, 2.0f * limit, 1e30f, limit, below, 0.999f * limit, 0.9f * limit}) {
      const auto e = op.forward(g, u);
      const auto d = op.backward(1.0f, e.h, u, e.piece);
      if (g > limit) {
        wrong += d.dg != 0.0f;
      } else {
        const double want = m * swish.derivative(static_cast<double>(g));
        wrong += !(std::fabs(static_cast<double>(d.dg) - want) <= 0.03 * std::fabs(m));
        wrong += m != 0 && d.dg == 0.0f;
      }
      wrong += clamped
                   ? d.du != 0.0f
                   : !(static_cast<double>(d.du) > 0.97 * swish.value(0.9 * static_cast<double>(limit)));
    }
  }
  CHECK(wrong == 0);
}
template <class Storage, class Packing>
void check_clamps() {
  check_clamps(clamped_swiglu<Storage, Packing>{});
  check_clamps(clamped_swiglu<Storage, Packing>(clamped_swish{1.0f, 3.5f}, clamped_up{2.0f, 0.5f}));
  check_clamps(clamped_swiglu<Storage, Packing>(clamped_swish{0.5f, 1.0f}, clamped_up{5.0f, 0.0f}));
}

}  // namespace

TEST_CASE("a clamped g or u has a gradient of 0, and one at its limit, as in PyTorch, not") {
  check_clamps<float, bitmask>();
  check_clamps<binary16, bitmask>();
  check_clamps<bfloat16, bitmask>();
  check_clamps<float, mantissa_bit>();
  check_clamps<binary16, mantissa_bit>();
  check_clamps<bfloat16, mantissa_bit>();
}
