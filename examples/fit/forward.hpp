// Fits of the forward evaluators.
#pragma once

#include "gradient.hpp"

namespace fit {

inline std::vector<double> chebyshev_points(double low, double high, int n) {
  std::vector<double> x;
  for (int i = 0; i < n; ++i)
    x.push_back((low + high) / 2 - (high - low) / 2 * std::cos(M_PI * (i + 0.5) / n));
  return x;
}

// A forward evaluator for 16-bit storage to be fitted, of an f with f(x) - f(-x) = x: by the logarithm of its tail
// (invact::tail_evaluator), with the least degree whose error is at most `largest_error` ULP.
struct tail_fit {
  const format* storage;
  double largest_a;  // where |f(-a)| is stored as 0
  double scale;      // a power of two, at most 1 / largest_a
  double largest_error;
};

// log2(u(a)) - log2(scale) in t = a * scale, u(a) = |f(-a)| / a, for y = max(x, 0) - a * u(a): the error at x = -a,
// in ULP of the stored y, normal or subnormal; at x = a, where y is larger, it is smaller. At 0 exact, so that y =
// x * f'(0) for all small x: a coefficient off there would make all of them lean to one side.
inline std::string fit_tail(const activation& of, const tail_fit& wanted) {
  for (const real x : {0.1L, 1.0L, 3.0L})
    if (std::fabs(of.f(x) - of.f(-x) - x) > 1e-15L)
      throw std::invalid_argument("fit: " + of.name + ": a tail_fit needs an f with f(x) - f(-x) = x");
  const format& f = *wanted.storage;
  const double scale = wanted.scale;
  const auto tail = [&](real a) { return -of.f(-a) / a; };
  const auto at_zero = static_cast<double>(std::log2(of.derivative(0)));
  const auto target = [&](double t) {
    return static_cast<double>((std::log2(tail(static_cast<real>(t) / scale)) - at_zero) / t);
  };
  const auto weight = [&](double t) {
    const real a = static_cast<real>(t) / scale, y = a * tail(a);
    int e;
    std::frexp(static_cast<double>(y), &e);
    const real ulp = std::ldexp(1.0L, std::max(e - 1, 1 - f.bias) - f.mantissa_bits);
    // dy of one unit of the polynomial without its constant, over t: y * t * ln 2.
    return static_cast<double>(y * t * std::log(2.0L) / ulp);
  };
  double largest = HUGE_VAL;
  polynomial p{};
  int degree = 2;
  while (largest > wanted.largest_error) {
    if (++degree == 12)
      throw std::runtime_error("fit: " + of.name + ": no tail_fit of degree 11 is good enough");
    const Eigen::VectorXd c =
        minimax(chebyshev_points(0, wanted.largest_a * scale, 4000), degree, target, weight, &largest);
    p = {};
    p.c[0] = static_cast<float>(at_zero - std::log2(scale));
    for (int i = 0; i < degree; ++i) p.c[i + 1] = static_cast<float>(c(i));
  }
  char text[200];
  std::snprintf(text, sizeof text,
                "// log2(|f(-a)| / a) + %g in a * scale, a in [0, %g], exact at 0, weight: ULP of y; error "
                "%.3f ULP.\n",
                -std::log2(scale), wanted.largest_a, largest);
  return text + std::string("template <>\nstruct ") + of.name + "_forward<" + f.name + "> {\n" +
         constant("scale", static_cast<float>(scale)) + function("exponent", p, degree + 1) + "};\n";
}

// Phi(-a) * exp(a^2/2) * (a + pole) as a polynomial in q = 2p - 1, p = a / (a + pole).
template <int Degree>
std::string fit_gelu_ratio(double pole, double largest_a) {
  const auto target = [&](double q) {
    const real a = pole * (1 + q) / (1 - q);
    return static_cast<double>(normal_cdf(-a) * std::exp(a * a / 2) * (a + pole));
  };
  double largest;
  const Eigen::VectorXd c = minimax(
      chebyshev_points(-1, (largest_a - pole) / (largest_a + pole), 2000), Degree + 1, target,
      [&](double q) { return 1 / target(q); }, &largest);
  invact::coefficients<Degree + 1> polynomial;
  assign(polynomial, c);
  char text[240];
  std::snprintf(
      text, sizeof text,
      "// Phi(-a) * exp(a^2/2) * (a + pole) in 2a / (a + pole) - 1, a in [0, %g]; relative error %.1e.\n",
      largest_a, largest);
  return text + std::string("template <>\nstruct gelu_forward<binary32_format> {\n") +
         constant("largest", static_cast<float>(largest_a)) + constant("pole", static_cast<float>(pole)) +
         function("ratio", polynomial) + "};\n";
}

// Of GELU. Beyond their intervals the tails keep falling: at a = 1 / scale, where the evaluator holds it, to 2^-186
// and 2^-47, far below what the formats hold.
inline const std::vector<tail_fit> gelu_tails{{&bfloat16, 13.25, 1.0 / 16, 0.15},
                                              {&binary16, 5.6, 1.0 / 8, 0.01}};
inline std::string fit_gelu_float() { return fit_gelu_ratio<10>(2.5, 14.5); }

}  // namespace fit
