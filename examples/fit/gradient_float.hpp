// The fit for float storage, in three parts: see invact::joint_approximant.
#pragma once

#include "gradient.hpp"

namespace fit {

// `near_fraction` of |y_min| above it the log root takes over on the left, and at `split` of the range of |t| the
// second polynomial on the right; `saturation` above y_min g is 1.
template <int MiddleDegree, int LeftDegree, int RightDegree>
std::string fit_joint(const activation& a, int spent, const std::string& name, double near_fraction,
                      double split, double saturation) {
  using table = joint_table<MiddleDegree, LeftDegree, RightDegree>;
  using approximant = invact::joint_approximant<table>;
  const fit_input in(a, make_float_cells(a, spent, saturation + 1), 23);
  const double near_u = near_fraction * -in.minimum / saturation;
  const double center = static_cast<double>(static_cast<float>(in.minimum));
  const real low = a.minimum() - static_cast<real>(static_cast<float>(in.minimum));
  table::center = static_cast<float>(center);
  table::scale = static_cast<float>(1 / saturation);
  table::vanishing = 0x1.000002p-126f;
  table::smallest = 0x1p-126f;
  table::log2_minimum = static_cast<float>(std::log2(-a.minimum()));

  const auto u = [&](const cell& c, double shift) {
    const double v = static_cast<double>(c.y - a.minimum()) - shift * in.ulp;
    return std::fmin(std::fmax(v / saturation, 0.0), 1.0);
  };
  // The arithmetic's own noise is about 1e-7: below it, level errors out rather than weigh them.
  goal aim;
  aim.uniform = std::pow(static_cast<double>(in.set.largest_floor / in.set.rms_floor[0]), 2) / 4;

  // At the minimum the shift alone has to level the largest error: a polynomial bent to do it would be
  // wrong everywhere else.
  goal near_aim = aim;
  near_aim.rounds = 1;

  const auto t = [&](const cell& c, double shift) {
    const double root = std::sqrt(u(c, shift));
    return c.piece == 1 ? -root : root;
  };
  const double first = -std::sqrt(near_u);
  std::vector<const cell*> middle, left, right;
  for (const cell& c : in.set.cells) {
    // A little overlap, so that neither side of a seam is an extrapolation.
    if (t(c, 0) > 1.02 * first && t(c, 0) < 1.02 * split) middle.push_back(&c);
    if (t(c, 0) < 0.98 * first) left.push_back(&c);
    if (t(c, 0) > 0.98 * split) right.push_back(&c);
  }

  // Fits in a variable scaled to [-1, 1], where the normal equations are well conditioned; the
  // coefficients are scaled back after.
  const auto unscale = [](Eigen::VectorXd c, double width) {
    for (int j = 0; j < c.size(); ++j) c(j) /= std::pow(width, j);
    return c;
  };
  const double far_root = in.log_root(*left.back(), 0, 0x1p-126);
  const double near_root = std::sqrt(std::log2(1 / (1 - 0.96 * near_fraction)));
  // Nearer to the end where g is large, because there the terms must not cancel.
  table::left_center = static_cast<float>(near_root + (far_root - near_root) / 10);
  const double left_width = (far_root - near_root) / 2;
  goal left_aim = aim;
  left_aim.relative = 1e3;
  assign(table::left_, unscale(fit_cells(
                                   in.set, left, LeftDegree + 1,
                                   [&](const cell& q, double* row) {
                                     const double r = in.log_root(q, 0, 0x1p-126) - table::left_center;
                                     powers(r / left_width, LeftDegree + 1, static_cast<double>(q.y), row);
                                   },
                                   {}, left_aim),
                               left_width));

  table::right_center = static_cast<float>((split + 1) / 2);
  const double right_width = (1 - split) / 2;
  Eigen::VectorXd end(RightDegree + 1);
  powers((1 - table::right_center) / right_width, RightDegree + 1, 1.0, end.data());
  assign(table::right_, unscale(fit_cells(
                                    in.set, right, RightDegree + 1,
                                    [&](const cell& q, double* row) {
                                      powers((t(q, 0) - table::right_center) / right_width, RightDegree + 1,
                                             1.0, row);
                                    },
                                    {{end, 1.0}}, aim),
                                right_width));

  table::middle_center = static_cast<float>((first + split) / 2);
  table::middle_width = static_cast<float>((split - first) / 2);
  const auto attempt = [&](const std::vector<double>& p) {
    const double shift = p[0], left_shift = spent == 0 ? shift : p[1];
    table::offset = static_cast<float>(-static_cast<double>(low + shift * in.ulp) / saturation);
    table::left_offset = static_cast<float>(-static_cast<double>(low + left_shift * in.ulp) / saturation);
    const auto c = fit_cells(
        in.set, middle, MiddleDegree + 1,
        [&](const cell& q, double* row) {
          const double at = t(q, q.piece == 1 ? left_shift : shift);
          powers((at - table::middle_center) / table::middle_width, MiddleDegree + 1, 1.0, row);
        },
        {}, near_aim);
    assign(table::middle_, unscale(c, table::middle_width));
    const quality q = measure_float<approximant>(in.set);
    return static_cast<double>(std::fmax(q.largest / 1.1L, q.rms[0] * in.set.rms_floor[0] / 1e-6L));
  };
  // The cost has several minima: take the best of a grid first.
  std::vector<double> best{0.0, 0.0};
  double least = 1e9;
  for (double shift = -2; shift < 2.1; shift += 0.2) {
    for (double left_shift = spent == 0 ? shift : -2; left_shift < 2.1;
         left_shift += spent == 0 ? 9 : 0.2) {
      const double value = attempt({shift, left_shift});
      if (value < least) {
        least = value;
        best = {shift, left_shift};
      }
    }
  }
  pattern_search(best, {0.1, 0.1}, attempt);
  const quality q = measure_float<approximant>(in.set);
  return open_table(name, "binary32_format", spent, in.set, q) + base_text<table>() +
         constant("left_offset", table::left_offset) + constant("vanishing", table::vanishing) +
         log_text<table>() + constant("left_center", table::left_center) +
         constant("middle_center", table::middle_center) + constant("middle_width", table::middle_width) +
         constant("right_center", table::right_center) + function("middle", table::middle_) +
         function("left", table::left_) + function("right", table::right_) + "};\n";
}

}  // namespace fit
