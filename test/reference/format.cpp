#include "reference/format.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace reference {

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
  if (magnitude == 0) return 0;
  int e;
  std::frexp(magnitude, &e);
  const int exponent = std::max(e - 1 + f.bias(), 1);
  const double first = exponent == 1 && magnitude < std::ldexp(1.0, 1 - f.bias())
                           ? 0.0
                           : std::ldexp(1.0, exponent - f.bias());
  return (first == 0 ? 0.0 : std::ldexp(exponent, f.mantissa_bits)) + (magnitude - first) / step;
}

double smallest_result(format storage, bool flushes) {
  const double normal = decode(storage, storage.min_normal());
  return flushes ? std::max(normal, 0x1p-116) : normal;
}

bool same_bits(float a, float b) { return std::memcmp(&a, &b, sizeof a) == 0; }

bool is_nan(double x) {
  std::uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return (bits & 0x7fffffffffffffffu) > 0x7ff0000000000000u;
}

}  // namespace reference
