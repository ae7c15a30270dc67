// What a fit starts from, in long double: f, f', and where f' changes its sign; and the shipped activations.
#pragma once

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

namespace fit {

using real = long double;

// A stretch of x, between two turning points or beyond the last, on which f is strictly monotone. `index` is
// what the library calls the piece: 0 where x = +0 is, the others 1, 2, ... from the left.
struct piece {
  real from, to;  // infinite at the ends
  int index;
  bool rising;
  real low, high;  // the range of f; infinite where f grows without bound

  // f tends to 0 at an infinite end: values of small magnitude are far out there, and not about x = 0.
  bool has_tail() const { return (std::isinf(from) || std::isinf(to)) && (low == 0 || high == 0); }
};

class activation {
 public:
  using function = real (*)(real);

  activation(std::string its_name, function its_f, function its_derivative, std::vector<real> where_f_turns)
      : name(std::move(its_name)), f(its_f), derivative(its_derivative), turning_points(std::move(where_f_turns)) {
    const real infinity = HUGE_VALL;
    for (std::size_t i = 0; i <= turning_points.size(); ++i) {
      piece p{};
      p.from = i == 0 ? -infinity : turning_points[i - 1];
      p.to = i == turning_points.size() ? infinity : turning_points[i];
      const real left = end(p.from), right = end(p.to);
      p.rising = right > left;
      p.low = std::fmin(left, right);
      p.high = std::fmax(left, right);
      pieces.push_back(p);
    }
    int next = 1;
    for (piece& p : pieces) p.index = p.from <= 0 && 0 < p.to ? 0 : next++;
  }

  std::string name;
  function f, derivative;
  std::vector<real> turning_points;
  std::vector<piece> pieces;  // from left to right

  // Of an activation that has one: the value where f' first turns positive.
  real minimum() const {
    for (const piece& p : pieces)
      if (p.rising && std::isfinite(p.from)) return p.low;
    return 0;
  }

  // Throws where the forms cannot fit it: they are polynomials about one minimum below 0 with a tail of f on its
  // left, or about both extrema of an odd f with three pieces. And where f' is not the derivative of f.
  void check() const {
    const auto fail = [&](const std::string& what) {
      throw std::invalid_argument("fit: " + name + ": " + what);
    };
    for (real x = -4.03125L; x < 5; x += 0.5L) {
      constexpr real h = 1e-5L;
      if (!(std::fabs((f(x + h) - f(x - h)) / (2 * h) - derivative(x)) <
            1e-6L * (1 + std::fabs(derivative(x)))))
        fail("the derivative is not that of f at x = " + std::to_string(x));
    }
    for (const real x : turning_points)
      if (!(std::fabs(derivative(x)) < 1e-9L))
        fail("f' is not 0 at the turning point " + std::to_string(x));
    const bool has_minimum =
        pieces.size() == 2 && pieces[1].rising && pieces[1].low < 0 && pieces[0].high == 0;
    const bool is_odd = pieces.size() == 3 && pieces[1].rising && std::fabs(f(1) + f(-1)) < 1e-15L;
    if (!has_minimum && !is_odd)
      fail(
          "there is no form for it: it needs one turning point, a minimum below 0, with f from 0 on its "
          "left, or be "
          "odd with two. Where f' has a closed form in y, give the activation gradient_factor() instead");
  }

  // Whether y of this sign are reached by more than one piece, and so take an index.
  bool is_ambiguous(int sign) const {
    int count = 0;
    for (const piece& p : pieces) count += sign > 0 ? p.high > 0 : p.low < 0;
    return count > 1;
  }

  // x on a piece with f(x) = y, by bisection; the end of the piece where y is not in its range.
  real inverse(real y, const piece& p) const {
    if (y <= p.low) return p.rising ? p.from : p.to;
    if (y >= p.high) return p.rising ? p.to : p.from;
    // f(low) < y <= f(high).
    const auto finite = [&](real x, bool is_high) {
      if (std::isfinite(x)) return x;
      const real sign = x < 0 ? -1 : 1;
      if (std::isfinite(is_high ? p.high : p.low)) return sign * 200.0L;
      real far = std::fmax(2 * (is_high ? y : -y) + 2, 1.0L);
      while (is_high ? f(sign * far) < y : f(sign * far) >= y) far *= 2;
      return sign * far;
    };
    real low = finite(p.rising ? p.from : p.to, false);
    real high = finite(p.rising ? p.to : p.from, true);
    for (int i = 0; i < 90; ++i) {
      const real middle = (low + high) / 2;
      (f(middle) < y ? low : high) = middle;
    }
    return (low + high) / 2;
  }

 private:
  // f at the end of a piece. Whatever is small or changes no more at a thousand is taken for the limit.
  real end(real x) const {
    if (std::isfinite(x)) return f(x);
    const real sign = x < 0 ? -1 : 1, near = f(sign * 1000), far = f(sign * 2000);
    if (std::fabs(far) < 1e-30L) return 0;
    return std::fabs(far - near) < 1e-9L ? far : std::copysign(HUGE_VALL, far);
  }
};

// Where f' is 0, between two x at which its signs differ.
inline real turning_point(activation::function derivative, real from, real to) {
  const bool rises = derivative(to) > 0;
  for (int i = 0; i < 100; ++i) {
    const real middle = (from + to) / 2;
    ((derivative(middle) > 0) == rises ? to : from) = middle;
  }
  return (from + to) / 2;
}

inline constexpr real sqrt_half = 0.707106781186547524400844362104849039L;
inline constexpr real inverse_sqrt_2pi = 0.398942280401432677939946059934381868L;

inline real normal_cdf(real x) { return std::erfc(-x * sqrt_half) / 2; }
inline real normal_pdf(real x) { return inverse_sqrt_2pi * std::exp(-x * x / 2); }
inline real sigmoid(real x) {
  const real e = std::exp(-std::fabs(x));
  return x < 0 ? e / (1 + e) : 1 / (1 + e);
}

inline activation gelu() {
  return {"gelu", [](real x) { return x * normal_cdf(x); },
          [](real x) { return normal_cdf(x) + x * normal_pdf(x); },
          {-0.7517915246935644574579049467795240396645L}};
}

inline activation silu() {
  return {"silu", [](real x) { return x * sigmoid(x); },
          [](real x) { return sigmoid(x) * (1 + x * sigmoid(-x)); },
          {-1.278464542761073795109358739022980155439L}};
}

// x * sigmoid(2u).
inline activation gelu_tanh() {
  static constexpr real root = 1.595769121605730711759784239737527L, cubic = 0.044715L;
  return {"gelu_tanh", [](real x) { return x * sigmoid(root * x * (1 + cubic * x * x)); },
          [](real x) {
            const real z = root * x * (1 + cubic * x * x);
            return sigmoid(z) * (1 + x * root * (1 + 3 * cubic * x * x) * sigmoid(-z));
          },
          {-0.7524614220710162584879544432889160906054L}};
}

// x * n / (n + 2), n = e^x (e^x + 2).
inline activation mish() {
  return {"mish",
          [](real x) {
            const real e = std::exp(std::fmin(x, 100.0L)), n = e * (e + 2);
            return x * (n / (n + 2));
          },
          [](real x) {
            const real e = std::exp(std::fmin(x, 100.0L)), n = e * (e + 2);
            return n / (n + 2) + x * sigmoid(x) * (4 * (1 + n) / (n + 2) / (n + 2));
          },
          {-1.19243121451549521213758834042073940560L}};
}

// With beta = 1.
inline activation swish() {
  activation a = silu();
  a.name = "swish";
  return a;
}

}  // namespace fit
