// The activations to fit, in long double: f, f', and the stationary point T where f' = 0.
#pragma once

#include <cmath>
#include <string>

namespace fit {

using real = long double;

struct activation {
  std::string name;
  real (*f)(real);
  real (*derivative)(real);
  real stationary_point;

  real minimum() const { return f(stationary_point); }

  // x on the given piece (1 = left) with f(x) = y, by bisection; y at most f at the far end.
  real inverse(real y, int piece) const {
    if (y <= minimum()) return stationary_point;
    if (piece == 1 && y >= 0) return -INFINITY;
    // `low` has f(low) < y, `high` has f(high) >= y.
    real low = stationary_point;
    real high = piece == 1 ? -200.0L : std::fmax(2 * y + 2, 1.0L);
    for (int i = 0; i < 90; ++i) {
      const real middle = (low + high) / 2;
      (f(middle) < y ? low : high) = middle;
    }
    return (low + high) / 2;
  }
};

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
          -0.7517915246935644574579049467795240396645L};
}

inline activation silu() {
  return {"silu", [](real x) { return x * sigmoid(x); },
          [](real x) { return sigmoid(x) * (1 + x * sigmoid(-x)); },
          -1.278464542761073795109358739022980155439L};
}

}  // namespace fit
