#include "support/reference.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace reference {

namespace {

double normal_pdf(double x) { return 0.39894228040143267794 * std::exp(-x * x / 2); }

double sigmoid(double x) {
  const double e = std::exp(-std::fabs(x));
  return x < 0 ? e / (1 + e) : 1 / (1 + e);
}

// The x between which f(x) lies in [y_low, y_high] on one piece.
void add_cell(std::vector<cell>& cells, function f, std::uint32_t code, int piece, double y_low,
              double y_high) {
  if (y_high <= value(f, stationary_point(f))) return;
  double x0 = inverse(f, y_low, piece), x1 = inverse(f, y_high, piece);
  if (x0 > x1) std::swap(x0, x1);
  x0 = std::max(x0, -40.0);
  if (!(x0 < x1)) return;
  cell c{code, piece, 1e9, -1e9, {}, {}, {}};
  // Midpoint rule; the widest cells, in the left tail, get the most points.
  const int points = x1 - x0 > 0.05 ? 2000 : 16;
  double square[2] = {0, 0};
  for (int i = 0; i < points; ++i) {
    const double x = x0 + (i + 0.5) * (x1 - x0) / points, g = derivative(f, x);
    c.g_low = std::min(c.g_low, g);
    c.g_high = std::max(c.g_high, g);
    for (int s = 0; s < 2; ++s) {
      const double m = normal_pdf(x / (s + 1)) / (s + 1) * (x1 - x0) / points;
      c.mass[s] += m;
      c.mean[s] += m * g;
      square[s] += m * g * g;
    }
  }
  for (const double x : {x0, x1}) {
    c.g_low = std::min(c.g_low, derivative(f, x));
    c.g_high = std::max(c.g_high, derivative(f, x));
  }
  for (int s = 0; s < 2; ++s) {
    c.mean[s] = c.mass[s] > 0 ? c.mean[s] / c.mass[s] : (c.g_low + c.g_high) / 2;
    c.spread[s] = std::max(0.0, square[s] - c.mass[s] * c.mean[s] * c.mean[s]);
  }
  cells.push_back(c);
}

}  // namespace

double normal_cdf(double x) { return std::erfc(-x * 0.70710678118654752440) / 2; }

double value(function f, double x) {
  if (std::isinf(x)) return x > 0 ? x : -0.0;
  return f == function::gelu ? x * normal_cdf(x) : x * sigmoid(x);
}

double derivative(function f, double x) {
  if (std::isinf(x)) return x > 0 ? 1 : 0;
  return f == function::gelu ? normal_cdf(x) + x * normal_pdf(x)
                             : sigmoid(x) * (1 + x * sigmoid(-x));
}

double stationary_point(function f) {
  return f == function::gelu ? -0.7517915246935644574579 : -1.2784645427610737951094;
}

double inverse(function f, double y, int piece) {
  const double t = stationary_point(f);
  if (y <= value(f, t)) return t;
  if (piece == 1 && y >= 0) return -INFINITY;
  double low = t, high = piece == 1 ? -800.0 : std::max(2 * y + 2, 1.0);
  for (int i = 0; i < 70; ++i) {
    const double middle = (low + high) / 2;
    (value(f, middle) < y ? low : high) = middle;
  }
  return (low + high) / 2;
}

double decode(format f, std::uint32_t code) {
  const std::uint32_t magnitude = code & (f.sign() - 1);
  const int exponent = static_cast<int>(magnitude >> f.mantissa_bits);
  const double mantissa = magnitude & (f.min_normal() - 1);
  double v = std::ldexp(mantissa + (exponent > 0 ? f.min_normal() : 0),
                        std::max(exponent, 1) - f.bias() - f.mantissa_bits);
  if (magnitude >= f.infinity()) v = INFINITY;
  return (code & f.sign()) != 0 ? -v : v;
}

std::uint32_t encode(format f, double x) {
  const double magnitude = std::fabs(x);
  // By bisection over the codes, whose values increase: no arithmetic on bits to be wrong about.
  std::uint32_t low = 0, high = f.infinity();
  while (high - low > 1) {
    const std::uint32_t middle = low + (high - low) / 2;
    (decode(f, middle) <= magnitude ? low : high) = middle;
  }
  const double step = low + 1 == f.infinity() ? decode(f, low) - decode(f, low - 1)
                                              : decode(f, low + 1) - decode(f, low);
  const double over = magnitude - decode(f, low) - step / 2;
  const std::uint32_t nearest = over > 0 || (over == 0 && low % 2 == 1) ? low + 1 : low;
  return nearest | (std::signbit(x) ? f.sign() : 0);
}

double ulp(format f, double x) {
  int e;
  std::frexp(x, &e);
  return std::ldexp(1.0, std::max(e - 1, 1 - f.bias()) - f.mantissa_bits);
}

double code_position(format f, double x) {
  const double magnitude = std::fabs(x), step = ulp(f, magnitude);
  int e;
  std::frexp(magnitude, &e);
  const int exponent = std::max(e - 1 + f.bias(), 1);
  const double first = exponent == 1 && magnitude < std::ldexp(1.0, 1 - f.bias())
                           ? 0.0
                           : std::ldexp(1.0, exponent - f.bias());
  return (first == 0 ? 0.0 : std::ldexp(exponent, f.mantissa_bits)) + (magnitude - first) / step;
}

std::vector<cell> cells(function f, format storage, bool mantissa_bit) {
  std::vector<cell> all;
  const auto y = [&](std::uint32_t c) { return decode(storage, c); };
  const double bottom = -value(f, stationary_point(f));
  const std::uint32_t deepest = encode(storage, bottom) + 2;
  const bool wide = storage.mantissa_bits == 23;
  const std::uint32_t first = wide ? deepest - 4096 : 0;
  for (std::uint32_t c = first; c <= deepest; ++c) {
    const double below = c == 0 ? 0.0 : y(c - 1);
    if (!mantissa_bit) {
      const double low = -(y(c) + y(c + 1)) / 2, high = -(y(c) + below) / 2;
      for (int piece = 0; piece < 2; ++piece) add_cell(all, f, c | storage.sign(), piece, low, high);
      continue;
    }
    if (wide) {
      // The compute value is a float already: a wrong parity is a tie, won by the neighbour whose bit 1
      // is 0. So the cell is the code's own rounding cell, and those of its neighbours if it wins them.
      const std::uint32_t reach = (c & 2) == 0 ? 1 : 0;
      add_cell(all, f, c | storage.sign(), static_cast<int>(c % 2), -(y(c + reach) + y(c + reach + 1)) / 2,
               -(y(c - reach) + y(c - reach - 1)) / 2);
      continue;
    }
    // The nearest code of the piece's parity: the cell reaches one code to either side. What
    // underflows on the left goes to the smallest code that is kept.
    const std::uint32_t smallest = storage.exponent_bits == 5 ? 1 : storage.min_normal() + 1;
    const int piece = static_cast<int>(c % 2);
    if (piece == 1 && c < smallest) continue;
    add_cell(all, f, c | storage.sign(), piece, -y(c + 1), c == smallest ? -0.0 : -below);
  }
  for (std::uint32_t c = 0; !wide && y(c) < 64; ++c)
    add_cell(all, f, c, 0, c == 0 ? 0.0 : (y(c) + y(c - 1)) / 2, (y(c) + y(c + 1)) / 2);
  return all;
}

floor_of error_floor(const std::vector<cell>& cells) {
  floor_of result{};
  for (const cell& c : cells) {
    result.largest = std::max(result.largest, (c.g_high - c.g_low) / 2);
    for (int s = 0; s < 2; ++s) result.rms[s] += c.spread[s];
  }
  for (double& r : result.rms) r = std::sqrt(r);
  return result;
}

bool same_bits(float a, float b) { return std::memcmp(&a, &b, sizeof a) == 0; }

bool is_nan(double x) {
  std::uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return (bits & 0x7fffffffffffffffu) > 0x7ff0000000000000u;
}

}  // namespace reference
