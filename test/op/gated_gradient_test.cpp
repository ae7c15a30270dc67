// The gradients of gated units over g, u ~ N(0, 1): against the floor of what h, u and the piece say, and against the
// ops that keep y, or g.
#include <cmath>
#include <string>
#include <vector>

#include <invact/op/gated_units.hpp>
#include <invact/invact.hpp>

#include "accuracy/gated_runner.hpp"
#include "support/bounds.hpp"
#include "support/catch.hpp"

using namespace invact;

namespace {

constexpr int count = 1 << 14;

struct compared {
  accuracy::gated_error gated, stored, recomputed;
};
template <class Activation, class Storage, class Packing>
compared compare() {
  using op = gated<Activation, Storage, Packing>;
  using plain = inverted<Activation, Storage, Packing>;
  using recompute = gated_recompute<Activation, Storage>;
  accuracy::gated_unit unit = unit_of<op>();
  const auto at = accuracy::normal_samples(count, unit.storage);
  const auto edges = accuracy::edge_samples(unit.f, unit.storage);
  compared c;
  c.gated = accuracy::measure_gated(host_gated_runner(op{}), unit, at, edges);
  c.recomputed = accuracy::measure_recomputed(host_gated_runner(recompute{}), unit, at);
  unit.keeps_y = true;
  c.stored = accuracy::measure_gated(host_keeping_runner(plain{}), unit, at, {});
  return c;
}

// Tables: as good as from a stored y, and better than a rounded g for du.
template <class Activation, class Packing>
void check_table() {
  const compared c = compare<Activation, bfloat16, Packing>();
  INFO(name_of<Activation>());
  CHECK(c.gated.ratio() <= bounds::gated_accurate.rms);
  CHECK(c.gated.factor_ratio() <= bounds::gated_accurate.largest);
  CHECK(c.gated.dg_of_cells <= bounds::gated_over_stored * c.stored.dg_of_cells);
  // What was measured, not expected of the cells: there is some chance in it.
  CHECK(c.gated.dg <= 1.1 * c.gated.dg_of_cells);
  CHECK(c.gated.du <= 1.01 * c.recomputed.du);
}

// Closed forms: h / u has less of some y than y has, which is the floor's and not the decoder's.
template <class Activation, class Packing>
void check_closed_form() {
  const compared c = compare<Activation, bfloat16, Packing>();
  INFO(name_of<Activation>());
  CHECK(c.gated.ratio() <= bounds::gated_accurate.rms);
  CHECK(c.gated.factor_ratio() <= bounds::gated_accurate.largest);
  CHECK(c.gated.dg_of_cells <= bounds::gated_over_stored_closed_form * c.stored.dg_of_cells);
  CHECK(c.gated.dg <= 1.1 * c.gated.dg_of_cells);
}

// A unit of the catalogue with all bits of its types taken off.
struct named {
  std::string name;
  accuracy::gated_unit unit;
  accuracy::gated_runner run;
};
template <class Activation, class Packing>
void add_unit(std::vector<named>& all, const char* name) {
  using op = gated<Activation, bfloat16, Packing>;
  all.push_back({name, unit_of<op>(), host_gated_runner(op{})});
}
template <class Activation>
void add_units(std::vector<named>& all, const char* name) {
  add_unit<Activation, bitmask>(all, name);
  if constexpr (piece_bits_v<Activation> > 0) add_unit<Activation, mantissa_bit>(all, name);
}

}  // namespace

TEST_CASE("gated gradients of tables are at the floor, and du is better than of a rounded g") {
  check_table<silu, bitmask>();
  check_table<silu, mantissa_bit>();
  check_table<gelu, bitmask>();
  check_table<gelu, mantissa_bit>();
  check_table<relu, bitmask>();
  check_table<squared_relu, bitmask>();
#if !INVACT_TEST_SAMPLE
  check_table<gelu_tanh, bitmask>();
  check_table<gelu_tanh, mantissa_bit>();
  check_table<quick_gelu, bitmask>();
  check_table<quick_gelu, mantissa_bit>();
  check_table<mish, bitmask>();
  check_table<mish, mantissa_bit>();
#endif
}

TEST_CASE("gated gradients of closed forms are at the floor") {
  check_closed_form<sigmoid, bitmask>();
  check_closed_form<invact::tanh, bitmask>();
  check_closed_form<hardswish, bitmask>();
  check_closed_form<hardswish, mantissa_bit>();
}

TEST_CASE("fast gradients of gated units are within their bound") {
  const auto check = [](const auto& op) {
    const accuracy::gated_unit unit = unit_of<std::decay_t<decltype(op)>>();
    const auto e =
        accuracy::measure_gated(host_gated_runner(op), unit, accuracy::normal_samples(count, unit.storage),
                                accuracy::edge_samples(unit.f, unit.storage));
    CHECK(e.ratio() <= bounds::gated_fast.rms);
    CHECK(e.factor_ratio() <= bounds::gated_fast.largest);
  };
  check(gated<silu, bfloat16, bitmask, fast>{});
  check(gated<gelu, bfloat16, mantissa_bit, fast>{});
  check(gated<gelu_tanh, binary16, mantissa_bit, fast>{});
}

TEST_CASE("the floor of units with u = 1 is that of the stored y") {
  const auto check = [](accuracy::gated_unit unit, const accuracy::gated_runner& run) {
    auto at = accuracy::normal_samples(1 << 15, unit.storage);
    for (float& u : at.u) u = 1.0f;
    const auto e = accuracy::measure_gated(run, unit, at, {});
    const auto floor = reference::error_floor(reference::cells(unit.f, unit.storage, unit.index));
    CHECK(e.dg_floor == Approx(floor.rms[0]).epsilon(0.02));
  };
  check(unit_of<swiglu<bfloat16>>(), host_gated_runner(swiglu<bfloat16>{}));
  check(unit_of<swiglu<bfloat16, mantissa_bit>>(), host_gated_runner(swiglu<bfloat16, mantissa_bit>{}));
  check(unit_of<gated<hardswish, binary16>>(), host_gated_runner(gated<hardswish, binary16>{}));
  check(unit_of<tanhglu<bfloat16>>(), host_gated_runner(tanhglu<bfloat16>{}));
}

#if !INVACT_TEST_FEW_OPS
TEST_CASE("every activation of the catalogue makes a gated unit") {
  std::vector<named> all;
#define INVACT_ADD(name) add_units<invact::name>(all, #name);
  INVACT_CATALOGUE(INVACT_ADD)
#undef INVACT_ADD
  for (const named& n : all) {
    const auto at = accuracy::normal_samples(1 << 12, n.unit.storage);
    const auto e = accuracy::measure_gated(n.run, n.unit, at, {});
    const auto h = accuracy::measure_gated_forward(n.run, n.unit, at, smallest_result(n.unit.storage));
    INFO(n.name);
    CHECK(e.ratio() <= bounds::gated_accurate.rms);
    CHECK(h.largest <= accuracy::gated_ulp(n.unit));
    // A y of up to 4, and of a code with the mantissa bit.
    CHECK(e.du_largest <= 4 * 0x1p-6);
  }
}
#endif
