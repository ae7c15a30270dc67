// What a fit chooses from: a form is one of the library's approximants with its degrees, and the few numbers,
// found by search, that its least-squares fits depend on.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "least_squares.hpp"
#include "tables.hpp"

namespace fit {

// Ratios to the floor: of the largest error and of the RMS errors under N(0, 1) and N(0, 2).
struct ratios {
  double largest, rms, rms_wide;
};

// Everything that determines a table: what a search finds and what regenerates it.
struct choice {
  std::string form;
  std::vector<int> degrees;
  std::vector<double> settings;  // of forms that take some
  ratios aim;                    // the search minimised the worst of these
  std::vector<double> at;        // where it ended

  std::string text() const {
    std::string all = form + " of degree";
    for (const int d : degrees) all += " " + std::to_string(d);
    for (std::size_t i = 0; i < at.size(); ++i) {
      char item[40];
      std::snprintf(item, sizeof item, "%s%.6g", i == 0 ? ", at " : ", ", at[i]);
      all += item;
    }
    return all;
  }
};

// One activation, storage format and packing. Of an odd one, with a minimum and a maximum, only negative y are fitted,
// with piece 1 for the outer ones.
struct problem {
  const activation* of;
  const format* storage;  // null for float
  int spent_bits;
  cell_set set;
  std::vector<const cell*> left, right, all;
  double minimum, ulp;
  double limit;  // g at the far end of the right piece: +infinity, or 0

  problem(const activation& a, const format* f, int spent, cell_set cells)
      : of(&a), storage(f), spent_bits(spent), set(std::move(cells)) {
    const bool is_odd = a.pieces.size() == 3;
    if (is_odd) {
      for (cell& c : set.cells) {
        c.y = -std::fabs(c.y);
        c.piece = c.piece != 0;
      }
    }
    for (const cell& c : set.cells) {
      all.push_back(&c);
      (c.piece == 1 ? left : right).push_back(&c);
    }
    minimum = static_cast<double>(a.minimum());
    int e;
    std::frexp(-minimum, &e);
    ulp = std::ldexp(1.0, e - 1 - (f != nullptr ? f->mantissa_bits : 23));
    limit = static_cast<double>(a.derivative(is_odd ? 0 : 1000));
  }
  problem(const problem&) = delete;

  std::string format_name() const { return storage != nullptr ? storage->name : "binary32_format"; }

  // t^2 of a stored y whose minimum is taken to be `shift` ULP above the true one.
  double u(const cell& c, double shift, double saturation) const {
    const double v = static_cast<double>(c.y) - (minimum + shift * ulp);
    return std::fmin(std::fmax(v / saturation, 0.0), 1.0);
  }

  // The shift of a piece, in ULP, that levels the largest errors of the cells next to the minimum if g is exact
  // otherwise: where a search begins.
  double level_shift(int piece_index) const {
    const double h = 1e-5;
    const double slope = static_cast<double>(of->derivative(of->turning_points[0] + h)) / h;
    std::vector<const cell*> bottom = piece_index == 1 ? left : right;
    std::sort(bottom.begin(), bottom.end(), [](const cell* a, const cell* b) { return a->y < b->y; });
    if (bottom.size() > 6) bottom.resize(6);
    double best = 0, lowest_error = 1e300;
    for (double shift = -1.5; shift < 1.5; shift += 0.01) {
      double error = 0;
      for (const cell* c : bottom) {
        const double v = static_cast<double>(c->y) - (minimum + shift * ulp);
        const double root = std::sqrt(2 * std::fabs(slope) * std::fmax(v, 0.0));
        const double g = piece_index == 1 ? -root : root;
        const double above = static_cast<double>(c->g_high) - g, below = g - static_cast<double>(c->g_low);
        error = std::fmax(error, std::fmax(above, below));
      }
      if (error < lowest_error) {
        lowest_error = error;
        best = shift;
      }
    }
    return best;
  }

  double log_root(const cell& c, double shift, double smallest) const {
    const double d = std::log2((minimum + shift * ulp) / std::fmin(static_cast<double>(c.y), -smallest));
    return std::sqrt(std::fmax(d, 0.0));
  }
};

// Numbers to search over: where to start, and the first step, which is halved four times.
struct axis {
  std::vector<double> starts;
  double step;
};

// A part of the search: it minimises `cost`, which fits the tables, over its own axes.
struct stage {
  std::vector<axis> axes;
  std::function<double(const std::vector<double>&)> cost;
};

class form {
 public:
  form(const problem& p, const choice& c) : in(p), chosen(c) {}
  virtual ~form() = default;

  virtual std::vector<stage> stages() = 0;
  // Of the tables as the last cost() left them.
  virtual quality measure() const = 0;
  virtual std::string members() const = 0;
  // Another line of the table's comment.
  virtual std::string remark() const { return ""; }

 protected:
  // What a search minimises: the worst of the ratios, each over what is aimed at.
  double cost(const quality& q) const {
    return std::fmax(static_cast<double>(q.largest) / chosen.aim.largest,
                     std::fmax(static_cast<double>(q.rms[0]) / chosen.aim.rms,
                               static_cast<double>(q.rms[1]) / chosen.aim.rms_wide));
  }

  template <class Approximant>
  quality measure_float() const {
    return fit::measure(in.set, [](const cell& c) {
      return static_cast<real>(
          Approximant::evaluate(0, static_cast<float>(c.y), static_cast<invact::uint32>(c.piece)));
    });
  }

  const problem& in;
  const choice chosen;
};

// Factories by name; in forms.hpp.
std::unique_ptr<form> make_form(const problem& p, const choice& c);

inline std::string table_text(const std::string& name, const problem& p, const form& f) {
  const quality q = f.measure();
  char text[240];
  std::snprintf(text, sizeof text, "// floor %.3Le, %.3Le, %.3Le; reached %.3Lf, %.3Lf, %.3Lf x floor\n",
                p.set.largest_floor, p.set.rms_floor[0], p.set.rms_floor[1], q.largest, q.rms[0], q.rms[1]);
  return f.remark() + text + "template <>\nstruct " + name + "<" + p.format_name() + ", " +
         std::to_string(p.spent_bits) + "> {\n" + f.members() + "};\n";
}

}  // namespace fit
