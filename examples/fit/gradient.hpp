// Fits of the gradient factor: one function for each of the library's approximants.
#pragma once

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "least_squares.hpp"
#include "tables.hpp"

namespace fit {

struct none {};  // the approximants take an activation, and use nothing of it

inline std::string quality_text(const quality& q) {
  char text[120];
  std::snprintf(text, sizeof text, "reached %.3Lf, %.3Lf, %.3Lf x floor", q.largest, q.rms[0], q.rms[1]);
  return text;
}

inline std::string floor_text(const cell_set& set) {
  char text[120];
  std::snprintf(text, sizeof text, "floor %.3Le, %.3Le, %.3Le", set.largest_floor, set.rms_floor[0],
                set.rms_floor[1]);
  return text;
}

inline std::string open_table(const std::string& name, const std::string& format, int spent,
                              const cell_set& set, const quality& q) {
  return "// " + floor_text(set) + "; " + quality_text(q) + "\ntemplate <>\nstruct " + name + "<" + format +
         ", " + std::to_string(spent) + "> {\n";
}

// What a pattern search minimises: the worse of the largest error and the two RMS errors, each over
// what the library promises of it.
inline double cost(const quality& q) {
  return static_cast<double>(std::fmax(q.largest / 1.05L, std::fmax(q.rms[0] / 1.10L, q.rms[1] / 1.15L)));
}

// Minimises f over a few parameters: steps along each axis, halved when none helps.
inline std::vector<double> pattern_search(std::vector<double> at, std::vector<double> step,
                                          const std::function<double(const std::vector<double>&)>& f) {
  double best = f(at);
  for (int halving = 0; halving < 5;) {
    bool better = false;
    for (size_t i = 0; i < at.size(); ++i) {
      for (const double sign : {1.0, -1.0}) {
        std::vector<double> next = at;
        next[i] += sign * step[i];
        const double value = f(next);
        if (value < best - 1e-5) {
          best = value;
          at = next;
          better = true;
          break;
        }
      }
    }
    if (!better) {
      ++halving;
      for (double& s : step) s /= 2;
    }
  }
  f(at);  // leave the tables filled with the best
  return at;
}

inline void powers(double t, int terms, double factor, double* out) {
  for (int j = 0; j < terms; ++j, factor *= t) out[j] = factor;
}

struct fit_input {
  cell_set set;
  std::vector<const cell*> left, right, all;
  double minimum, ulp;

  fit_input(const activation& a, cell_set cells, int mantissa_bits) : set(std::move(cells)) {
    for (const cell& c : set.cells) {
      all.push_back(&c);
      (c.piece == 1 ? left : right).push_back(&c);
    }
    minimum = static_cast<double>(a.minimum());
    int e;
    std::frexp(-minimum, &e);
    ulp = std::ldexp(1.0, e - 1 - mantissa_bits);
  }

  // t^2 of a stored y whose minimum is taken to be `shift` ULP above the true one.
  double u(const cell& c, double shift, double saturation) const {
    const double v = static_cast<double>(c.y) - (minimum + shift * ulp);
    return std::fmin(std::fmax(v / saturation, 0.0), 1.0);
  }

  double log_root(const cell& c, double shift, double smallest) const {
    const double d = std::log2((minimum + shift * ulp) / std::fmin(static_cast<double>(c.y), -smallest));
    return std::sqrt(std::fmax(d, 0.0));
  }
};

// Fills the members every table has. v = y - (minimum + shift * ulp), over `saturation`.
template <class Table>
void set_base(const fit_input& in, double shift, double saturation) {
  Table::center = 0;
  Table::scale = static_cast<float>(1 / saturation);
  Table::offset = static_cast<float>(-(in.minimum + shift * in.ulp) / saturation);
}

// What the mantissa bit stores an underflow on the left piece as.
inline double stored_underflow(const format& f) { return static_cast<double>(f.value(f.min_kept | 1)); }

// The power of two that takes it below the normal floats, and no larger code that half stores with it.
inline float flush_scale(const format& f, int spent) {
  if (spent == 0) return 1;
  int e;
  std::frexp(stored_underflow(f), &e);
  return static_cast<float>(std::ldexp(1.0, -126 - e));
}

template <class Approximant>
quality measure_float(const cell_set& set) {
  return measure(set, [](const cell& c) {
    return static_cast<real>(
        Approximant::evaluate(none{}, static_cast<float>(c.y), static_cast<invact::uint32>(c.piece)));
  });
}

inline constraint all_ones(int terms) { return {Eigen::VectorXd::Ones(terms), 1.0}; }

// With `own_shift` the left piece has a shift of its own.
template <int Degree>
std::string fit_signed_root(const activation& a, const format& f, int spent, const std::string& name,
                            bool own_shift = false) {
  using table = signed_root_table<Degree>;
  const fit_input in(a, make_cells(a, f, spent), f.mantissa_bits);
  table::vanishing = static_cast<float>(stored_underflow(f));
  const auto attempt = [&](const std::vector<double>& p) {
    const double shift = p[1], left = own_shift ? p[2] : shift;
    const auto c = fit_cells(
        in.set, in.all, Degree + 1,
        [&](const cell& q, double* row) {
          const double t = std::sqrt(in.u(q, q.piece == 1 ? left : shift, p[0]));
          powers(q.piece == 1 ? -t : t, Degree + 1, 1.0, row);
        },
        {all_ones(Degree + 1)}, goal{});
    set_base<table>(in, left, p[0]);
    table::left_offset = table::offset;
    set_base<table>(in, shift, p[0]);
    assign(table::polynomial_, c);
    return cost(measure_float<invact::signed_root_approximant<table>>(in.set));
  };
  std::vector<double> start{7.0, 0.2}, step{0.8, 0.1};
  if (own_shift) {
    start.push_back(-0.6);
    step.push_back(0.3);
  }
  pattern_search(start, step, attempt);
  const quality q = measure_float<invact::signed_root_approximant<table>>(in.set);
  return open_table(name, f.name, spent, in.set, q) + base_text<table>() +
         constant("left_offset", table::left_offset) + constant("vanishing", table::vanishing) +
         function("polynomial", table::polynomial_) + "};\n";
}

// The right piece's polynomial in |t|.
template <class Table, int Terms>
void fit_right(const fit_input& in, double shift, double saturation) {
  const auto c = fit_cells(
      in.set, in.right, Terms,
      [&](const cell& q, double* row) { powers(std::sqrt(in.u(q, shift, saturation)), Terms, 1.0, row); },
      {all_ones(Terms)}, goal{});
  set_base<Table>(in, shift, saturation);
  assign(Table::right_, c);
}

// The best of pattern searches over saturation point and shift that start at several saturation points.
inline void search_saturation(const std::function<double(const std::vector<double>&)>& attempt) {
  std::vector<double> best;
  double least = 1e9;
  for (const double saturation : {2.8, 3.4, 4.2, 5.2}) {
    const auto at = pattern_search({saturation, 0.4}, {0.4, 0.2}, attempt);
    const double value = attempt(at);
    if (value < least) {
      least = value;
      best = at;
    }
  }
  attempt(best);
}

// Both pieces take one shift.
template <int LeftDegree, int RightDegree>
std::string fit_split_root(const activation& a, const format& f, int spent, const std::string& name,
                           double wide = goal{}.importance[1]) {
  using table = two_sided_table<LeftDegree, RightDegree>;
  using approximant = invact::split_root_approximant<table>;
  const fit_input in(a, make_cells(a, f, spent), f.mantissa_bits);
  table::flush_scale = flush_scale(f, spent);
  goal aim;
  aim.relative = 1e-5;
  aim.importance[1] = wide;
  search_saturation([&](const std::vector<double>& p) {
    fit_right<table, RightDegree + 1>(in, p[1], p[0]);
    const auto c = fit_cells(
        in.set, in.left, LeftDegree + 1,
        [&](const cell& q, double* row) {
          powers(std::sqrt(in.u(q, p[1], p[0])), LeftDegree + 1,
                 static_cast<double>(q.y) * table::flush_scale, row);
        },
        {}, aim);
    assign(table::left_, c);
    return cost(measure_float<approximant>(in.set));
  });
  const quality q = measure_float<approximant>(in.set);
  char weight[80] = "";
  if (wide != goal{}.importance[1])
    std::snprintf(weight, sizeof weight, "// Of the mass under N(0,2) only %g.\n", wide);
  return weight + open_table(name, f.name, spent, in.set, q) + base_text<table>() +
         constant("flush_scale", table::flush_scale) + function("left", table::left_) +
         function("right", table::right_) + "};\n";
}

template <class Table>
std::string log_text() {
  return constant("log2_minimum", Table::log2_minimum) + constant("smallest", Table::smallest);
}

template <int LeftDegree, int RightDegree>
std::string fit_log_root(const activation& a, const format& f, int spent, const std::string& name) {
  using table = two_sided_table<LeftDegree, RightDegree>;
  using approximant = invact::log_root_approximant<table>;
  const fit_input in(a, make_cells(a, f, spent), f.mantissa_bits);
  search_saturation([&](const std::vector<double>& p) {
    fit_right<table, RightDegree + 1>(in, p[1], p[0]);
    return cost(measure(in.set, [&](const cell& x) -> real {
      if (x.piece == 1) return x.mean[0];
      const float u = static_cast<float>(x.y) * table::scale + table::offset;
      return invact::horner(table::right_, std::sqrt(std::fmin(std::fmax(u, 0.0f), 1.0f)));
    }));
  });
  table::flush_scale = flush_scale(f, spent);
  // Half's left codes with the mantissa bit are odd, and never subnormal in float.
  const bool always_normal = spent != 0 && f.min_kept < f.min_normal;
  table::smallest = always_normal ? 0.0f : static_cast<float>(f.value(f.min_kept));
  const auto attempt = [&](const std::vector<double>& p) {
    table::log2_minimum = static_cast<float>(std::log2(-(in.minimum + p[0] * in.ulp)));
    goal aim;
    aim.relative = 1e-2;
    const auto c = fit_cells(
        in.set, in.left, LeftDegree + 1,
        [&](const cell& q, double* row) {
          powers(in.log_root(q, p[0], static_cast<double>(table::smallest)), LeftDegree + 1,
                 static_cast<double>(q.y) * table::flush_scale, row);
        },
        {}, aim);
    assign(table::left_, c);
    return cost(measure_float<approximant>(in.set));
  };
  pattern_search({0.5}, {0.2}, attempt);
  const quality q = measure_float<approximant>(in.set);
  return open_table(name, f.name, spent, in.set, q) + base_text<table>() + log_text<table>() +
         constant("flush_scale", table::flush_scale) + function("left", table::left_) +
         function("right", table::right_) + "};\n";
}

}  // namespace fit

#include "gradient_float.hpp"
