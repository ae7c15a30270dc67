// The forms for 16-bit storage: how the tables of each of the library's approximants are fitted.
#pragma once

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "form.hpp"

namespace fit {

inline void powers(double t, int terms, double factor, double* out) {
  for (int j = 0; j < terms; ++j, factor *= t) out[j] = factor;
}

// What the mantissa bits store an underflow as on the pieces other than 0, at most.
inline double stored_underflow(const format& f, int spent) {
  return static_cast<double>(f.value((f.min_kept & ~((1 << spent) - 1)) | std::max(spent, 1)));
}

// The power of two that takes it below the normal floats, and no larger code that half stores with it.
inline float flush_scale(const format& f, int spent) {
  if (spent == 0) return 1;
  int e;
  std::frexp(stored_underflow(f, spent), &e);
  return static_cast<float>(std::ldexp(1.0, -126 - e));
}

// The polynomial is `value` where its argument is 1.
inline constraint sum_is(double value, int terms) { return {Eigen::VectorXd::Ones(terms), value}; }

// Saturation points to start from: where g has come within 2^-4 to 2^-12 of its limit, by y - y_min.
inline std::vector<double> saturation_starts(const problem& p) {
  const activation& a = *p.of;
  if (a.pieces.size() == 3) return {-p.minimum};
  std::vector<double> starts;
  const auto reached = [&](double within) {
    real x = 60;
    while (x > 0.1L && std::fabs(static_cast<double>(a.derivative(x)) - p.limit) < within) x -= 0.05L;
    return static_cast<double>(a.f(x)) - p.minimum;
  };
  const double first = reached(0x1p-4), last = reached(0x1p-12);
  for (int i = 0; i < 5; ++i) starts.push_back(first * std::pow(last / first, i / 4.0));
  return starts;
}

class narrow_form : public form {
 public:
  using form::form;

 protected:
  // Saturation and shift.
  std::vector<axis> saturation_and_shift(double saturation_step, double shift_step) const {
    const std::vector<double> starts = saturation_starts(in);
    return {{starts, starts.size() == 1 ? 0 : saturation_step}, {{in.level_shift(0)}, shift_step}};
  }

  // The members every table has. v = y - (minimum + shift * ulp), over `saturation`.
  template <class Table>
  void set_base(double shift, double saturation) const {
    Table::center = 0;
    Table::scale = static_cast<float>(1 / saturation);
    Table::offset = static_cast<float>(-(in.minimum + shift * in.ulp) / saturation);
  }

  template <class Table>
  static std::string base_text() {
    return constant("center", Table::center) + constant("scale", Table::scale) +
           constant("offset", Table::offset);
  }

  // The part of the cost that the right piece's polynomial in |t| makes, fitted to its cells.
  double fit_right(int terms, double shift, double saturation) const {
    using table = two_sided_table;
    const auto c = fit_cells(
        in.set, in.right, terms,
        [&](const cell& q, double* row) { powers(std::sqrt(in.u(q, shift, saturation)), terms, 1.0, row); },
        {sum_is(in.limit, terms)}, goal{});
    set_base<table>(shift, saturation);
    assign(table::right_, c);
    return cost(fit::measure(in.set, [&](const cell& x) -> real {
      if (x.piece == 1) return x.mean[0];
      const float u = static_cast<float>(x.y) * table::scale + table::offset;
      return invact::horner(table::right_, std::sqrt(std::fmin(std::fmax(u, 0.0f), 1.0f)));
    }));
  }
};

// Degree. The left piece may have a shift of its own.
class signed_root_form : public narrow_form {
 public:
  signed_root_form(const problem& p, const choice& c, bool has_own_shift)
      : narrow_form(p, c), own_shift_(has_own_shift) {}

  std::vector<stage> stages() override {
    std::vector<axis> axes = saturation_and_shift(0.8, 0.1);
    if (own_shift_) axes.push_back({{in.level_shift(1)}, 0.3});
    return {{axes, [this](const std::vector<double>& at) { return fit(at); }}};
  }
  quality measure() const override { return measure_float<invact::signed_root_approximant<table>>(); }
  std::string members() const override {
    return base_text<table>() + constant("left_offset", table::left_offset) +
           constant("vanishing", table::vanishing) + function("polynomial", table::polynomial_, terms());
  }

 private:
  using table = single_table;
  int terms() const { return chosen.degrees.at(0) + 1; }

  double fit(const std::vector<double>& at) const {
    const double saturation = at[0], shift = at[1], left = own_shift_ ? at[2] : shift;
    const auto c = fit_cells(
        in.set, in.all, terms(),
        [&](const cell& q, double* row) {
          const double t = std::sqrt(in.u(q, q.piece == 1 ? left : shift, saturation));
          powers(q.piece == 1 ? -t : t, terms(), 1.0, row);
        },
        {sum_is(in.limit, terms())}, goal{});
    table::vanishing = static_cast<float>(stored_underflow(*in.storage, std::max(in.spent_bits, 1)));
    set_base<table>(left, saturation);
    table::left_offset = table::offset;
    set_base<table>(shift, saturation);
    assign(table::polynomial_, c);
    return cost(measure());
  }

  bool own_shift_;
};

// Degree. Good under every deviation of x: a parameter scales it. Fitted at the middles of the cells' t, as the
// library's form has them, without shifts.
class scaled_root_form : public narrow_form {
 public:
  using narrow_form::narrow_form;

  std::vector<stage> stages() override {
    minimum::value = static_cast<float>(in.minimum);
    return {{{{saturation_starts(in), 0.8}}, [this](const std::vector<double>& at) { return fit(at[0]); }}};
  }
  quality measure() const override {
    return in.storage->mantissa_bits == 7 ? measure_as<invact::bfloat16_format>()
                                          : measure_as<invact::binary16_format>();
  }
  std::string members() const override {
    return constant("scale", table::scale) + constant("vanishing", table::vanishing) +
           function("polynomial", table::polynomial_, chosen.degrees.at(0) + 1);
  }

 private:
  using table = single_table;
  struct minimum {
    static inline float value = 0;
  };
  struct unscaled {
    float beta = 1;
  };

  template <class Format>
  quality measure_as() const {
    return fit::measure(in.set, [](const cell& c) -> real {
      return invact::scaled_root_approximant<table, minimum, Format, 0>::evaluate(
          unscaled{}, static_cast<float>(c.y), static_cast<invact::uint32>(c.piece));
    });
  }

  // Half the distance of the format's numbers next to a magnitude.
  double reach(double magnitude) const {
    return magnitude == 0 ? 0 : std::ldexp(0.5, std::ilogb(magnitude) - in.storage->mantissa_bits);
  }
  double middle_t(const cell& c) const {
    const double y = static_cast<double>(c.y), negative = std::fmax(-y, 0.0), v = y - in.minimum;
    const double above = v + reach(negative * (1 - 1e-6)), below = v - reach(negative);
    const double t = (std::sqrt(std::fmax(above, 0.0)) + std::sqrt(std::fmax(below, 0.0))) / 2;
    return c.piece == 1 ? -t : t;
  }

  double fit(double saturation) const {
    const int terms = chosen.degrees.at(0) + 1;
    goal aim;
    for (int s = 0; s < deviations; ++s) aim.importance[s] = 1;
    const auto c = fit_cells(
        in.set, in.all, terms,
        [&](const cell& q, double* row) {
          powers(std::fmin(middle_t(q) / std::sqrt(saturation), 1.0), terms, 1.0, row);
        },
        {sum_is(in.limit, terms)}, aim);
    table::vanishing = static_cast<float>(stored_underflow(*in.storage, 1));
    table::scale = static_cast<float>(1 / saturation);
    assign(table::polynomial_, c);
    const quality q = measure();
    double worst = cost(q);
    for (const real rms : q.rms) worst = std::fmax(worst, static_cast<double>(rms) / chosen.aim.rms_wide);
    return worst;
  }
};

// Degrees left and right; setting: the importance of N(0, 2). Both pieces take one shift.
class split_root_form : public narrow_form {
 public:
  using narrow_form::narrow_form;

  std::vector<stage> stages() override {
    return {{saturation_and_shift(0.4, 0.2), [this](const std::vector<double>& at) { return fit(at[0], at[1]); }}};
  }
  quality measure() const override { return measure_float<invact::split_root_approximant<table>>(); }
  std::string members() const override {
    return base_text<table>() + constant("flush_scale", table::flush_scale) +
           function("left", table::left_, chosen.degrees.at(0) + 1) +
           function("right", table::right_, chosen.degrees.at(1) + 1);
  }
  std::string remark() const override {
    char text[80] = "";
    if (wide() != goal{}.importance[1])
      std::snprintf(text, sizeof text, "// Of the mass under N(0,2) only %g.\n", wide());
    return text;
  }

 private:
  using table = two_sided_table;
  double wide() const { return chosen.settings.empty() ? goal{}.importance[1] : chosen.settings[0]; }

  double fit(double saturation, double shift) const {
    table::flush_scale = flush_scale(*in.storage, in.spent_bits);
    fit_right(chosen.degrees.at(1) + 1, shift, saturation);
    goal aim;
    aim.relative = 1e-5;
    aim.importance[1] = wide();
    const int terms = chosen.degrees.at(0) + 1;
    assign(table::left_, fit_cells(
                             in.set, in.left, terms,
                             [&](const cell& q, double* row) {
                               powers(std::sqrt(in.u(q, shift, saturation)), terms,
                                      static_cast<double>(q.y) * table::flush_scale, row);
                             },
                             {}, aim));
    return cost(measure());
  }
};

// Degrees left and right. First the right piece, then the left one, with a shift of its own.
class log_root_form : public narrow_form {
 public:
  using narrow_form::narrow_form;

  std::vector<stage> stages() override {
    table::flush_scale = flush_scale(*in.storage, in.spent_bits);
    // Half's left codes with the mantissa bit are odd, and never subnormal in float.
    const bool always_normal = in.spent_bits != 0 && in.storage->min_kept < in.storage->min_normal;
    table::smallest = always_normal ? 0.0f : static_cast<float>(in.storage->value(in.storage->min_kept));
    return {
        {saturation_and_shift(0.4, 0.2),
         [this](const std::vector<double>& at) {
           return fit_right(chosen.degrees.at(1) + 1, at[1], at[0]);
         }},
        {{{{in.level_shift(1)}, 0.2}}, [this](const std::vector<double>& at) { return fit_left(at[0]); }}};
  }
  quality measure() const override { return measure_float<invact::log_root_approximant<table>>(); }
  std::string members() const override {
    return base_text<table>() + constant("log2_minimum", table::log2_minimum) +
           constant("smallest", table::smallest) + constant("flush_scale", table::flush_scale) +
           function("left", table::left_, chosen.degrees.at(0) + 1) +
           function("right", table::right_, chosen.degrees.at(1) + 1);
  }

 private:
  using table = two_sided_table;

  double fit_left(double shift) const {
    table::log2_minimum = static_cast<float>(std::log2(-(in.minimum + shift * in.ulp)));
    goal aim;
    aim.relative = 1e-2;
    const int terms = chosen.degrees.at(0) + 1;
    assign(table::left_, fit_cells(
                             in.set, in.left, terms,
                             [&](const cell& q, double* row) {
                               powers(in.log_root(q, shift, static_cast<double>(table::smallest)), terms,
                                      static_cast<double>(q.y) * table::flush_scale, row);
                             },
                             {}, aim));
    return cost(measure());
  }
};

// Degrees left and right, without shifts: fitted at the middles of the cells' roots, as evaluate_cell() has them, which
// is told cells of any place and width. First the right piece, then the left one.
class cell_log_root_form : public narrow_form {
 public:
  using narrow_form::narrow_form;

  std::vector<stage> stages() override {
    table::flush_scale = 1;
    return {{{{saturation_starts(in), 0.4}}, [this](const std::vector<double>& at) {
               fit_left();
               return fit_right_cells(at[0]);
             }}};
  }
  quality measure() const override {
    return fit::measure(in.set, [this](const cell& c) -> real {
      const float y = static_cast<float>(c.y);
      return invact::cell_log_root_approximant<table>::evaluate_cell(
          *this, y, static_cast<float>(2 * half_spacing(c)), 0.5f, static_cast<invact::uint32>(c.piece));
    });
  }
  std::string members() const override {
    return constant("scale", table::scale) + constant("flush_scale", table::flush_scale) +
           function("left", table::left_, chosen.degrees.at(0) + 1) +
           function("right", table::right_, chosen.degrees.at(1) + 1);
  }
  // As of an activation.
  invact::y_minimum lowest() const { return {static_cast<float>(in.minimum), 0}; }

 private:
  using table = two_sided_table;

  // From y to the ends of its cell. (One below a power of two is half as far from it, which is not worth an instruction:
  // the error of such a cell is half as large.)
  double half_spacing(const cell& c) const {
    const int e = std::max(std::ilogb(std::fabs(static_cast<double>(c.y))), 1 - in.storage->bias);
    return std::ldexp(0.5, e - in.storage->mantissa_bits);
  }

  static double sum_of_roots(double a, double b) { return std::sqrt(std::fmax(a, 0.0)) + std::sqrt(std::fmax(b, 0.0)); }

  double fit_right_cells(double saturation) const {
    const int terms = chosen.degrees.at(1) + 1;
    Eigen::VectorXd at_saturation(terms);
    powers(2.0, terms, 1.0, at_saturation.data());
    const auto c = fit_cells(
        in.set, in.right, terms,
        [&](const cell& q, double* row) {
          const double v = static_cast<double>(q.y) - in.minimum, half = half_spacing(q);
          powers(sum_of_roots(std::fmin((v + half) / saturation, 1.0), std::fmin((v - half) / saturation, 1.0)), terms,
                 1.0, row);
        },
        {{at_saturation, in.limit}}, goal{});
    table::scale = static_cast<float>(1 / saturation);
    assign(table::right_, c);
    return cost(measure());
  }

  void fit_left() const {
    goal aim;
    aim.relative = 1e-2;
    const int terms = chosen.degrees.at(0) + 1;
    const auto log_ratio = [&](double magnitude) { return std::log2(-in.minimum / magnitude); };
    assign(table::left_, fit_cells(
                             in.set, in.left, terms,
                             [&](const cell& q, double* row) {
                               const double y = static_cast<double>(q.y), half = half_spacing(q);
                               powers(sum_of_roots(log_ratio(std::fmax(-y - half, -y / 2)), log_ratio(half - y)), terms,
                                      y, row);
                             },
                             {}, aim));
  }
};

}  // namespace fit
