// The forms for float storage.
#pragma once

#include "gradient.hpp"

namespace fit {

// The coefficients of p(x * width) from those of p(x): fits are made in a variable scaled to [-1, 1], where the
// normal equations are well conditioned.
inline Eigen::VectorXd unscale(Eigen::VectorXd c, double width) {
  for (int j = 0; j < c.size(); ++j) c(j) /= std::pow(width, j);
  return c;
}

class float_form : public form {
 public:
  using form::form;

 protected:
  // The largest error counts over its floor, the RMS error itself, both over what is aimed at.
  double cost(const quality& q) const {
    const double largest = static_cast<double>(q.largest) / chosen.aim.largest;
    const double rms = static_cast<double>(q.rms[0] * in.set.rms_floor[0]) / chosen.aim.rms;
    const double rms_wide = static_cast<double>(q.rms[1] * in.set.rms_floor[1]) / chosen.aim.rms_wide;
    return std::fmax(largest, std::fmax(rms, rms_wide));
  }

  // The arithmetic's own noise is about 1e-7: below it, level errors out rather than weigh them.
  goal aim() const {
    goal g;
    g.uniform = std::pow(static_cast<double>(in.set.largest_floor / in.set.rms_floor[0]), 2) / 4;
    return g;
  }
};

// In three parts: see invact::joint_approximant. Degrees middle, left and right. Settings: `near_fraction` of
// |y_min| above it the log root takes over on the left, at `split` of the range of |t| the second polynomial on
// the right; `saturation` above y_min g is at its limit.
class joint_form : public float_form {
 public:
  using float_form::float_form;

  std::vector<stage> stages() override {
    fit_far_parts();
    axis shift{{}, 0.1};
    for (int i = -10; i <= 10; ++i) shift.starts.push_back(i * 0.2);
    std::vector<axis> axes{shift};
    if (in.spent_bits > 0) axes.push_back(shift);
    return {{axes, [this](const std::vector<double>& at) { return fit_middle(at); }}};
  }
  quality measure() const override { return measure_float<invact::joint_approximant<table>>(); }
  std::string members() const override {
    return constant("center", table::center) + constant("scale", table::scale) +
           constant("offset", table::offset) + constant("left_offset", table::left_offset) +
           constant("vanishing", table::vanishing) + constant("log2_minimum", table::log2_minimum) +
           constant("smallest", table::smallest) + constant("left_center", table::left_center) +
           constant("middle_center", table::middle_center) + constant("middle_width", table::middle_width) +
           constant("right_center", table::right_center) +
           function("middle", table::middle_, chosen.degrees.at(0) + 1) +
           function("left", table::left_, chosen.degrees.at(1) + 1) +
           function("right", table::right_, chosen.degrees.at(2) + 1);
  }

 private:
  using table = joint_table;

  double near_fraction() const { return chosen.settings.at(0); }
  double split() const { return chosen.settings.at(1); }
  double saturation() const { return chosen.settings.at(2); }
  // t where the middle ends on the left.
  double first() const { return -std::sqrt(near_fraction() * -in.minimum / saturation()); }

  double t(const cell& c, double shift) const {
    const double v = static_cast<double>(c.y - in.of->minimum()) - shift * in.ulp;
    const double root = std::sqrt(std::fmin(std::fmax(v / saturation(), 0.0), 1.0));
    return c.piece == 1 ? -root : root;
  }

  // What no shift of the minimum changes.
  void fit_far_parts() {
    table::center = static_cast<float>(in.minimum);
    table::scale = static_cast<float>(1 / saturation());
    table::vanishing = 0x1.000002p-126f;
    table::smallest = 0x1p-126f;
    table::log2_minimum = static_cast<float>(std::log2(-in.of->minimum()));
    std::vector<const cell*> left, right;
    middle_.clear();
    for (const cell& c : in.set.cells) {
      // A little overlap, so that neither side of a seam is an extrapolation.
      if (t(c, 0) > 1.02 * first() && t(c, 0) < 1.02 * split()) middle_.push_back(&c);
      if (t(c, 0) < 0.98 * first()) left.push_back(&c);
      if (t(c, 0) > 0.98 * split()) right.push_back(&c);
    }
    const int left_terms = chosen.degrees.at(1) + 1, right_terms = chosen.degrees.at(2) + 1;
    const double far_root = in.log_root(*left.back(), 0, 0x1p-126);
    const double near_root = std::sqrt(std::log2(1 / (1 - 0.96 * near_fraction())));
    // Nearer to the end where g is large, because there the terms must not cancel.
    table::left_center = static_cast<float>(near_root + (far_root - near_root) / 10);
    const double left_width = (far_root - near_root) / 2;
    goal left_aim = aim();
    left_aim.relative = 1e3;
    assign(table::left_, unscale(fit_cells(
                                     in.set, left, left_terms,
                                     [&](const cell& q, double* row) {
                                       const double r = in.log_root(q, 0, 0x1p-126) - table::left_center;
                                       powers(r / left_width, left_terms, static_cast<double>(q.y), row);
                                     },
                                     {}, left_aim),
                                 left_width));

    table::right_center = static_cast<float>((split() + 1) / 2);
    const double right_width = (1 - split()) / 2;
    Eigen::VectorXd end(right_terms);
    powers((1 - table::right_center) / right_width, right_terms, 1.0, end.data());
    assign(table::right_,
           unscale(fit_cells(
                       in.set, right, right_terms,
                       [&](const cell& q, double* row) {
                         powers((t(q, 0) - table::right_center) / right_width, right_terms, 1.0, row);
                       },
                       {{end, in.limit}}, aim()),
                   right_width));
    table::middle_center = static_cast<float>((first() + split()) / 2);
    table::middle_width = static_cast<float>((split() - first()) / 2);
  }

  double fit_middle(const std::vector<double>& at) const {
    const double shift = at[0], left_shift = in.spent_bits == 0 ? shift : at[1];
    const real low = in.of->minimum() - static_cast<real>(static_cast<float>(in.minimum));
    table::offset = static_cast<float>(-static_cast<double>(low + shift * in.ulp) / saturation());
    table::left_offset = static_cast<float>(-static_cast<double>(low + left_shift * in.ulp) / saturation());
    // At the minimum the shift alone has to level the largest error: a polynomial bent to do it would be
    // wrong everywhere else.
    goal near_aim = aim();
    near_aim.rounds = 1;
    const int terms = chosen.degrees.at(0) + 1;
    const auto c = fit_cells(
        in.set, middle_, terms,
        [&](const cell& q, double* row) {
          const double from = t(q, q.piece == 1 ? left_shift : shift);
          powers((from - table::middle_center) / table::middle_width, terms, 1.0, row);
        },
        {}, near_aim);
    assign(table::middle_, unscale(c, table::middle_width));
    return cost(measure());
  }

  std::vector<const cell*> middle_;
};

}  // namespace fit
