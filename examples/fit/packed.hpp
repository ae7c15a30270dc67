// The tables of `packed`: in half precision, two numbers in a word.
#pragma once

#include <invact/approx/packed.hpp>

#include "forward.hpp"

namespace fit {

// The codes of a number in either format, in both halves of a word; and the number.
inline invact::uint32 both_halves(double v) {
  return invact::binary16_format::round(static_cast<float>(v)) * 0x00010001u;
}
inline invact::uint32 both_bfloat16(double v) {
  return invact::bfloat16_format::round(static_cast<float>(v)) * 0x00010001u;
}
inline double value_of_bfloat16(invact::uint32 pair) {
  return static_cast<double>(invact::float_from_bits(pair << 16));
}

inline std::string word(invact::uint32 v) {
  char text[20];
  std::snprintf(text, sizeof text, "0x%08xu", v);
  return text;
}
inline std::string word_constant(const char* name, invact::uint32 v) {
  return "  static constexpr uint32 " + std::string(name) + " = " + word(v) + ";\n";
}
template <int N>
std::string word_function(const invact::half_coefficients<N>& p, int terms) {
  std::string text = "  INVACT_FUNCTION static constexpr half_coefficients<" + std::to_string(terms) +
                     "> polynomial() {\n    return {{";
  for (int i = 0; i < terms; ++i)
    text += word(p.c[i]) + (i + 1 == terms ? "}};\n  }\n" : i % 7 == 6 ? ",\n              " : ", ");
  return text;
}

// Degree. In t of either sign, moved and stretched to [-1, 1].
class packed_root_form : public narrow_form {
 public:
  using narrow_form::narrow_form;

  std::vector<stage> stages() override {
    return {{saturation_and_shift(0.4, 0.1),
             [this](const std::vector<double>& at) { return fit(at[0], at[1]); }}};
  }
  quality measure() const override { return measure_float<invact::packed_root_approximant<table>>(); }
  std::string members() const override {
    return word_constant("scale", table::scale) + word_constant("offset", table::offset) +
           word_constant("stretch", table::stretch) + word_constant("shift", table::shift) +
           word_function(table::polynomial_, terms());
  }

 private:
  struct table {
    static inline invact::uint32 scale = 0, offset = 0, stretch = 0, shift = 0;
    static inline invact::half_coefficients<24> polynomial_{};
    static invact::half_coefficients<24> polynomial() { return polynomial_; }
  };
  int terms() const { return chosen.degrees.at(0) + 1; }

  // With eight bits each, -offset / scale is near the wanted minimum for some scales near the wanted one.
  void set_scale(double saturation, double shift) const {
    const double wanted = in.minimum + shift * in.ulp;
    double least = 1e300;
    for (int i = -3; i <= 3; ++i) {
      const invact::uint32 scale =
          both_bfloat16(1 / saturation) + static_cast<invact::uint32>(i) * 0x00010001u;
      const invact::uint32 offset = both_bfloat16(-wanted * value_of_bfloat16(scale));
      const double off = std::fabs(value_of_bfloat16(offset) / value_of_bfloat16(scale) + wanted);
      if (off < least) {
        least = off;
        table::scale = scale;
        table::offset = offset;
      }
    }
  }

  // The variable as the library has it.
  double variable(const cell& c) const {
    const double u =
        static_cast<double>(c.y) * value_of_bfloat16(table::scale) + value_of_bfloat16(table::offset);
    const double t = std::fmin(std::sqrt(std::fmax(u, 0.0)), 1.0);
    return (c.piece == 1 ? -t : t) * half(table::stretch) + half(table::shift);
  }
  // Of t.
  Eigen::VectorXd row_at(double t) const {
    Eigen::VectorXd row(terms());
    powers(t * half(table::stretch) + half(table::shift), terms(), 1.0, row.data());
    return row;
  }
  static double half(invact::uint32 pair) { return static_cast<double>(invact::first_of_halves(pair)); }

  double fit(double saturation, double shift) const {
    set_scale(saturation, shift);
    const double least = -std::sqrt(value_of_bfloat16(table::offset)), half_width = (1 - least) / 2;
    table::stretch = both_halves(1 / half_width);
    table::shift = both_halves(-(1 + least) / 2 / half_width);
    // Fitted three times: then the upper half of the coefficients are rounded, and then all but the constant.
    table::polynomial_ = {};
    // g's limits at either end.
    std::vector<constraint> fixed{{row_at(1), in.limit},
                                  {row_at(-std::sqrt(value_of_bfloat16(table::offset))), 0.0}};
    goal aim;
    aim.largest_target = chosen.aim.largest;
    for (int free = terms(); free > 0;) {
      const auto c = fit_cells(
          in.set, in.all, terms(),
          [&](const cell& q, double* row) { powers(variable(q), terms(), 1.0, row); }, fixed, aim);
      const int next = free == terms() ? terms() / 2 : free > 1 ? 1 : 0;
      for (int j = free - 1; j >= next; --j) {
        table::polynomial_.c[j] = both_halves(c(j));
        fixed.push_back({Eigen::VectorXd::Unit(terms(), j), half(table::polynomial_.c[j])});
      }
      free = next;
      if (free == 1) fixed.erase(fixed.begin(), fixed.begin() + 2);  // one free number is for all cells
    }
    return cost(measure());
  }
};

// u(x) / x in x^2 for f(x) = x / 2 * (1 + tanh(u(x))): with the least terms whose error of f is at most `largest_error`,
// where |x| is at most `largest_x`.
struct packed_forward_fit {
  double largest_x, largest_error;
};

inline std::string fit_packed_forward(const activation& of, const packed_forward_fit& wanted) {
  const auto inner = [&](double q) {
    const real x = std::sqrt(static_cast<real>(q));
    // tanh(u) = 2 f(x) / x - 1, and f(x) / x = 1 + f(-x) / x.
    const real tail = -of.f(-x) / x;
    return static_cast<double>(std::log1p(-tail) - std::log(tail)) / 2 / static_cast<double>(x);
  };
  const auto weight = [&](double q) {
    const double x = std::sqrt(q), u = x * inner(q), cosh = std::cosh(u);
    return x * x / 2 / (cosh * cosh);
  };
  const std::vector<double> points = chebyshev_points(0.0, wanted.largest_x * wanted.largest_x, 4000);
  double largest = HUGE_VAL;
  Eigen::VectorXd c;
  int terms = 0;
  while (largest > wanted.largest_error) {
    if (++terms == 4)
      throw std::runtime_error("fit: " + of.name + ": no packed_forward_fit of 3 terms is good enough");
    c = minimax(points, terms, inner, weight, &largest);
  }
  invact::half_coefficients<4> p{};
  for (int i = 0; i < terms; ++i) p.c[i] = both_halves(c(i));
  invact::uint32 bound = both_halves(static_cast<double>(of.turning_points[0]));
  // Of a negative number the code one lower is the next above.
  if (static_cast<real>(invact::first_of_halves(bound)) < of.turning_points[0]) bound -= 0x00010001u;
  char text[200];
  // An error that is rounding alone differs from processor to processor.
  constexpr double rounding = 1e-15;
  std::snprintf(text, sizeof text, "// u(x) / x in x^2, |x| to %g, minimax of f: error %s%.2e before rounding.\n",
                wanted.largest_x, largest < rounding ? "below " : "", std::max(largest, rounding));
  return text + std::string("template <>\nstruct ") + of.name + "_packed_forward<bfloat16_format> {\n" +
         word_constant("bound", bound) + word_function(p, terms) + "};\n";
}

}  // namespace fit
