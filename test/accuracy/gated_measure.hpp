// How accurate a gated unit is: h in ULP of its storage, dg over the error floor of whatever decodes (h, u, piece), and
// du. Used by the tests and by the gated report; nothing of the library is included.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "reference/cells.hpp"
#include "support/accuracy.hpp"

namespace accuracy {

// An op on arrays, on whatever processor. The gradients are those of dh = 1. `kept` is what the op keeps beside u and
// piece: h, or g where it recomputes.
struct gated_runner {
  std::function<void(const std::vector<float>& g, const std::vector<float>& u, codes& h, codes& piece)>
      forward;
  std::function<void(const codes& kept, const std::vector<float>& u, const codes& piece,
                     std::vector<float>& dg, std::vector<float>& du)>
      backward;
};

// h = f(g) * (clamp(u, -limit, limit) + offset).
struct up_of {
  static constexpr double none = 1e300;
  double limit = none, offset = 0;

  bool clamps() const { return limit < none; }
  // Not here: -ffast-math, with which the tests that include this are compiled, knows no -0.
  double operator()(double u) const;
  bool is_clamped(double u) const;
};

// A gated unit as its definition has it.
struct gated_unit {
  ref::function f;
  ref::format storage;
  ref::index_in_mantissa index;
  up_of up;
  // What the multiplier's magnitude is nudged up to.
  double least_multiplier = 0x1p-60;
  // h is y itself, without u: what an op that stores y keeps.
  bool keeps_y = false;

  // What y is multiplied with before it is stored.
  double factor(double u) const;
  // Whether that changes y's sign.
  bool flips(double u) const;
};

// All that may have become the same (h, u, piece): the range of f', its mean and variance under g ~ N(0, 1), and the
// probability.
struct gated_cell {
  double low, high, mean, variance, mass;
};

// `near` is a g of the cell, from which its ends are looked for. Of infinite h it is empty: its mass is 0.
gated_cell cell_of(const gated_unit& unit, std::uint32_t h, double u, int piece, double near);

// What is measured at: u is of the storage format.
struct gated_samples {
  std::vector<float> g, u;
};

// g and u ~ N(0, 1), evenly spread.
gated_samples normal_samples(int count, ref::format storage);
// g next to where f' is least certain, the end of each stretch of x, for u of all mantissas.
gated_samples edge_samples(const ref::function& f, ref::format storage);
// g and u of all magnitudes of the storage format.
gated_samples wide_samples(int count, ref::format storage);

struct gated_error {
  // RMS of dg over g, u ~ N(0, 1): as it is; as it is expected of the cells, which is nearly the same with less chance
  // in it; and the floor, of a decoder that gives each cell's mean.
  double dg = 0, dg_of_cells = 0, dg_floor = 0;
  double dg_bias = 0, dg_largest = 0;
  // The largest error of f' over any cell of a normal h, and the floor: half of the range of f'.
  double factor = 0, factor_floor = 0;
  double du = 0, du_bias = 0, du_largest = 0;

  double ratio() const { return dg_floor > 0 ? dg_of_cells / dg_floor : dg_of_cells > 0 ? 1e300 : 1; }
  double factor_ratio() const { return factor_floor > 0 ? factor / factor_floor : factor > 0 ? 1e300 : 1; }
};

// Over `at`; `largest` has more samples of the largest error alone.
gated_error measure_gated(const gated_runner& op, const gated_unit& unit, const gated_samples& at,
                          const gated_samples& largest);
// The same of an op that keeps g, rounded: there are no cells. h is that of the rounded g.
gated_error measure_recomputed(const gated_runner& op, const gated_unit& unit, const gated_samples& at);

// h in codes, signed by magnitude. Exempt are f(g) and results below `smallest`, and overflow.
struct gated_forward_error {
  double largest = 0, rms = 0, bias = 0;
  float worst_g = 0, worst_u = 0;
};
gated_forward_error measure_gated_forward(const gated_runner& op, const gated_unit& unit,
                                          const gated_samples& at, double smallest);

// The bound on that error: see bounds.hpp.
double gated_ulp(const gated_unit& unit);

// A number as its bits say, whatever the processor makes of subnormals.
double exact_value(float x);
// The nearest number of the format, as a float.
float stored_in(ref::format storage, double x);

}  // namespace accuracy
