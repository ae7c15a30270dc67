// Fits of tanh, x - tanh(x) and log(1 + e), which many forward evaluators are made of.
#pragma once

#include "forward.hpp"

namespace fit {

template <int P, int Q>
struct rational_fit {
  invact::coefficients<P + 1> numerator;
  invact::coefficients<Q + 1> denominator;
};

// Minimax by Lawson's reweighting of the linearised error P - target * Q over the Q before: P(x) / Q(x)
// nearest to target(x), errors relative, Q(0) = 1 and, where `fixed`, P(0) = target(0) = 1.
template <int P, int Q>
rational_fit<P, Q> relative_minimax_rational(const std::vector<double>& points, bool fixed,
                                             const std::function<double(double)>& target) {
  const int n = static_cast<int>(points.size()), first = fixed ? 1 : 0, terms = P + 1 - first;
  double width = 0;
  for (const double x : points) width = std::fmax(width, std::fabs(x));
  Eigen::MatrixXd phi(n, terms + Q);
  Eigen::VectorXd b(n), denominator = Eigen::VectorXd::Ones(n);
  Eigen::VectorXd lawson = Eigen::VectorXd::Constant(n, 1.0 / n), best(terms + Q);
  for (int k = 0; k < n; ++k) {
    const double t = points[k] / width, f = target(points[k]);
    for (int j = 0; j < terms; ++j) phi(k, j) = std::pow(t, j + first) / f;
    for (int j = 0; j < Q; ++j) phi(k, terms + j) = -std::pow(t, j + 1);
    b(k) = 1 - (fixed ? 1 / f : 0);
  }
  double largest = 1e300;
  for (int round = 0; round < 400; ++round) {
    const Eigen::VectorXd scale = lawson.cwiseSqrt().cwiseQuotient(denominator);
    const Eigen::VectorXd c = (scale.asDiagonal() * phi).householderQr().solve(scale.cwiseProduct(b));
    denominator = Eigen::VectorXd::Ones(n) - phi.rightCols(Q) * c.tail(Q);
    const Eigen::VectorXd error = (phi * c - b).cwiseQuotient(denominator).cwiseAbs();
    if (error.maxCoeff() < largest) {
      largest = error.maxCoeff();
      best = c;
    }
    lawson = lawson.cwiseProduct(error);
    lawson /= lawson.sum();
  }
  rational_fit<P, Q> r{};
  r.numerator.c[0] = r.denominator.c[0] = 1;
  for (int j = 0; j < terms; ++j)
    r.numerator.c[j + first] = static_cast<float>(best(j) / std::pow(width, j + first));
  for (int j = 0; j < Q; ++j)
    r.denominator.c[j + 1] = static_cast<float>(best(terms + j) / std::pow(width, j + 1));
  return r;
}

template <int N>
double exact(const invact::coefficients<N>& p, double x) {
  double sum = 0;
  for (int i = N - 1; i >= 0; --i) sum = sum * x + static_cast<double>(p.c[i]);
  return sum;
}

// The largest relative error on `points`.
inline std::string relative_error(const std::vector<double>& points,
                                  const std::function<double(double)>& got,
                                  const std::function<double(double)>& want) {
  double largest = 0;
  for (const double x : points) largest = std::fmax(largest, std::fabs(got(x) / want(x) - 1));
  char text[40];
  std::snprintf(text, sizeof text, "relative error %.1e", largest);
  return text;
}

template <int P, int Q>
std::string rational_table(const std::string& comment, const std::string& name, double largest, bool fixed,
                           const std::function<double(double)>& target) {
  const std::vector<double> points = chebyshev_points(0, largest, 4000);
  const rational_fit<P, Q> r = relative_minimax_rational<P, Q>(points, fixed, target);
  const auto got = [&](double u) { return exact(r.numerator, u) / exact(r.denominator, u); };
  return "// " + comment + "; " + relative_error(points, got, target) + ".\nstruct " + name + " {\n" +
         function("numerator", r.numerator) + function("denominator", r.denominator) + "};\n\n";
}

// Relative minimax by minimax(), each coefficient rounded in turn and the later ones fitted anew, so that
// they make up for it. `weight` is that of an error of the polynomial relative to `target`.
template <int Degree>
invact::coefficients<Degree + 1> rounded_minimax(const std::vector<double>& points,
                                                 const std::function<double(double)>& target,
                                                 const std::function<double(double)>& weight) {
  invact::coefficients<Degree + 1> p{};
  for (int i = 0; i <= Degree; ++i) {
    const auto rest = [&](double x) { return (target(x) - exact(p, x)) / std::pow(x, i); };
    const auto rest_weight = [&](double x) { return weight(x) * std::fabs(std::pow(x, i) / target(x)); };
    double largest;
    p.c[i] = static_cast<float>(minimax(points, Degree + 1 - i, rest, rest_weight, &largest)(0));
  }
  return p;
}

// A polynomial in x - center for x in [from, to]. The constant term's rounding is an error that no other
// term makes up for; the center is the one, of many about the middle, with the smallest largest error.
template <int Degree>
std::string centered_table(const std::string& comment, const std::string& name, double from, double to,
                           const std::function<double(double)>& target) {
  struct attempt {
    double center, error;
    invact::coefficients<Degree + 1> p;
    std::string text;
  };
  std::vector<attempt> all(121);
#if defined(_OPENMP)
#pragma omp parallel for
#endif
  for (int k = 0; k < static_cast<int>(all.size()); ++k) {
    const double center = (from + to) / 2 + (k - 60) / 1024.0;
    const auto moved = [&](double w) { return target(w + center); };
    const std::vector<double> points = chebyshev_points(from - center, to - center, 400);
    const auto p = rounded_minimax<Degree>(points, moved, [](double) { return 1.0; });
    const auto got = [&](double w) { return exact(p, w); };
    double largest = 0;
    for (const double w : points) largest = std::fmax(largest, std::fabs(got(w) / moved(w) - 1));
    all[k] = {center, largest, p, relative_error(points, got, moved)};
  }
  const attempt& best = *std::min_element(
      all.begin(), all.end(), [](const attempt& x, const attempt& y) { return x.error < y.error; });
  return "// " + comment + "; " + best.text + ".\nstruct " + name + " {\n" +
         constant("center", static_cast<float>(best.center)) + function("polynomial", best.p) + "};\n\n";
}

template <int Degree>
std::string polynomial_table(const std::string& comment, const std::string& name, double from, double to,
                             const std::function<double(double)>& target) {
  const std::vector<double> points = chebyshev_points(from, to, 1000);
  const auto p = rounded_minimax<Degree>(points, target, [](double) { return 1.0; });
  return "// " + comment + "; " +
         relative_error(
             points, [&](double x) { return exact(p, x); }, target) +
         ".\nstruct " + name + " {\n" + function("polynomial", p) + "};\n\n";
}

// The same where `scale` times the polynomial is added to 1: its absolute error.
template <int Degree>
std::string scaled_table(const std::string& comment, const std::string& name, double from, double to,
                         const std::function<double(double)>& scale,
                         const std::function<double(double)>& target) {
  const std::vector<double> points = chebyshev_points(from, to, 1000);
  const auto p =
      rounded_minimax<Degree>(points, target, [&](double x) { return std::fabs(scale(x) * target(x)); });
  double largest = 0;
  for (const double x : points) largest = std::fmax(largest, scale(x) * std::fabs(exact(p, x) - target(x)));
  char text[40];
  std::snprintf(text, sizeof text, "error %.1e", largest);
  return "// " + comment + "; " + text + ".\nstruct " + name + " {\n" + function("polynomial", p) +
         "};\n\n";
}

// 2^f - 1 = f * (slope + slope_low + f * polynomial(f)), slope + slope_low = ln 2.
template <int Degree>
std::string exp2m1_table(const std::string& name) {
  const double ln2 = std::log(2.0);
  const auto target = [&](double f) {
    double sum = 0, term = 1;
    for (int k = 20; k >= 2; --k) {
      term = std::pow(ln2, k) / std::tgamma(k + 1.0);
      sum = sum * f + term;
    }
    return sum;
  };
  const auto weight = [&](double f) { return std::fabs(f * target(f) / (ln2 + f * target(f))); };
  const std::vector<double> points = chebyshev_points(-0.5, 0.5, 1000);
  const auto p = rounded_minimax<Degree>(points, target, weight);
  const float slope = static_cast<float>(ln2),
              slope_low = static_cast<float>(ln2 - static_cast<double>(slope));
  return "// 2^f - 1 = f * (slope + slope_low + f * polynomial), f in [-1/2, 1/2]; " +
         relative_error(
             points, [&](double f) { return ln2 + f * exact(p, f); },
             [&](double f) { return ln2 + f * target(f); }) +
         ".\nstruct " + name + " {\n" + constant("slope", slope) + constant("slope_low", slope_low) +
         function("polynomial", p) + "};\n\n";
}

// tanh(x) / x and (x - tanh(x)) / x^3, u = x^2; the latter by series where its terms cancel.
inline double tanh_ratio(double u) { return u > 0 ? std::tanh(std::sqrt(u)) / std::sqrt(u) : 1; }
inline double tanhshrink_ratio(double u) {
  const double x = std::sqrt(u);
  if (u > 1) return (x - std::tanh(x)) / (x * u);
  // x cosh(x) - sinh(x) = sum of 2k x^(2k + 1) / (2k + 1)!
  double sum = 0, term = 1;
  for (int k = 1; k < 12; ++k) {
    term /= 2 * k * (2 * k + 1);
    sum += 2 * k * term;
    term *= u;
  }
  return sum / std::cosh(x);
}
// The x >= 0 with f(x) = y, for a rising f.
inline double inverse_of(const std::function<double(double)>& f, double y) {
  double low = 0, high = y + 2;
  for (int i = 0; i < 80; ++i) {
    const double middle = (low + high) / 2;
    (f(middle) < y ? low : high) = middle;
  }
  return (low + high) / 2;
}

// f'(x) of x - tanh(x) and of x * tanh(x), by y = f(x): over |y|^(2/3) and sqrt(y) next to 0; and the latter's and
// the former's difference from 1, in units of w = exp(-2|y|).
inline double tanhshrink_gradient_ratio(double z) {
  if (z < 1e-9) return std::cbrt(9.0);
  const double x =
      inverse_of([](double v) { return v * v * v * tanhshrink_ratio(v * v); }, std::pow(z, 1.5));
  return std::tanh(x) * std::tanh(x) / z;
}
inline double tanhshrink_rest_ratio(double w) {
  if (w < 1e-30) return 4 * std::exp(-2.0);
  const double y = -std::log(w) / 2, x = inverse_of([](double v) { return v - std::tanh(v); }, y);
  return 1 / (std::cosh(x) * std::cosh(x)) / w;
}
inline double lisht_inverse(double y) {
  return inverse_of([](double v) { return v * std::tanh(v); }, y);
}
inline double lisht_gradient_ratio(double y) {
  if (y < 1e-12) return 2;
  const double x = lisht_inverse(y);
  return (std::tanh(x) + x / (std::cosh(x) * std::cosh(x))) / std::sqrt(y);
}
inline double lisht_rest_ratio(double y) {
  const double x = lisht_inverse(y), e = std::exp(-2 * x);
  return ((4 * x - 2) * e - 2 * e * e) / ((1 + e) * (1 + e)) / std::exp(-2 * y);
}

inline double log1p_ratio(double e) { return e > 0 ? std::log1p(e) / e : 1; }

template <int Near, int Far>
std::string lisht_tables(const std::string& name, double split) {
  // Where w is below 2^-24.
  const double end = 9;
  char range[80];
  std::snprintf(range, sizeof range, ", y in [0, %g]", split);
  const std::string near =
      centered_table<Near>("g / sqrt(y) of x * tanh(x) in y - center" + std::string(range),
                           "lisht_gradient_" + name, 0, split, lisht_gradient_ratio);
  std::snprintf(range, sizeof range, ", y in [%g, %g], w = exp(-2y)", split, end);
  return near + scaled_table<Far>(
                    "(g - 1) / w of x * tanh(x) in y" + std::string(range), "lisht_rest_" + name, split,
                    end, [](double y) { return std::exp(-2 * y); }, lisht_rest_ratio);
}

// The whole header.
inline std::string fit_hyperbolic() {
  return "// tanh, x - tanh(x) and log(1 + e): what approx/hyperbolic.hpp and approx/logistic.hpp are made "
         "of.\n"
         "// Generated by examples/fit (fit_coefficients); do not edit.\n"
         "//\n"
         "// Minimax by Lawson's reweighting; the errors are those of the rounded coefficients, exactly "
         "evaluated.\n"
         "#pragma once\n\n#include <invact/approx/polynomial.hpp>\n\n"
         "INVACT_NAMESPACE_BEGIN\n\nnamespace coefficients_for {\n\n" +
         rational_table<2, 3>("tanh(x) / x in x^2, x in [0, 5], exact at 0", "tanh_narrow", 25, true,
                              tanh_ratio) +
         rational_table<2, 2>("(x - tanh(x)) / x^3 in x^2, x in [0, 5]", "tanhshrink_narrow", 25, false,
                              tanhshrink_ratio) +
         centered_table<7>("(x - tanh(x)) / x^3 in x^2 - center, x in [0, 1]", "tanhshrink_float", 0, 1,
                           tanhshrink_ratio) +
         polynomial_table<6>("log(1 + e) / e, e in [0, 1]", "log1p_narrow", 0, 1, log1p_ratio) +
         centered_table<10>("log(1 + e) / e in e - center, e in [0, 1]", "log1p_float", 0, 1, log1p_ratio) +
         exp2m1_table<5>("exp2m1_float") +
         polynomial_table<4>("g / z of x - tanh(x) in z = |y|^(2/3), |y| in [0, 1]",
                             "tanhshrink_gradient_narrow", 0, 1, tanhshrink_gradient_ratio) +
         polynomial_table<6>("g / z of x - tanh(x) in z = |y|^(2/3), |y| in [0, 1]",
                             "tanhshrink_gradient_float", 0, 1, tanhshrink_gradient_ratio) +
         polynomial_table<3>("(1 - g) / w of x - tanh(x) in w = exp(-2|y|), |y| >= 1", "tanhshrink_rest", 0,
                             std::exp(-2.0), tanhshrink_rest_ratio) +
         lisht_tables<5, 4>("narrow", 2) + lisht_tables<10, 7>("float", 2.5) +
         "}  // namespace coefficients_for\n\nINVACT_NAMESPACE_END\n";
}

}  // namespace fit
