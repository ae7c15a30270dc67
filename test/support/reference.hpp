// The independent reference: activations in double, formats from their definition, and the error floor
// computed from nothing but "all x that share one stored (y, piece)". Compiled apart, without
// -ffast-math, whatever the tests themselves are compiled with.
#pragma once

#include <cstdint>
#include <vector>

namespace reference {

enum class function { gelu, silu };

double value(function f, double x);
double derivative(function f, double x);
double stationary_point(function f);
// x on the piece (1 = left) with f(x) = y; the stationary point for y below the minimum.
double inverse(function f, double y, int piece);

double normal_cdf(double x);

// A binary floating-point format, as IEEE 754 defines one.
struct format {
  int mantissa_bits;
  int exponent_bits;

  int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  std::uint32_t sign() const { return 1u << (mantissa_bits + exponent_bits); }
  std::uint32_t infinity() const { return ((1u << exponent_bits) - 1) << mantissa_bits; }
  std::uint32_t min_normal() const { return 1u << mantissa_bits; }
};
inline constexpr format bfloat16{7, 8};
inline constexpr format binary16{10, 5};
inline constexpr format binary32{23, 8};

// The value of a code; infinite for the infinity, and for the codes above it (NaNs).
double decode(format f, std::uint32_t code);
// The code nearest to a finite x, ties to even, overflow to infinity.
std::uint32_t encode(format f, double x);
// The unit in the last place at x: the distance of the two codes around it.
double ulp(format f, double x);

// Where |x| lies among the codes: the code below it, and the fraction of the way to the next.
double code_position(format f, double x);

// What is stored of x: the smallest |code - y| of the wanted parity when the piece is in the mantissa.
struct cell {
  std::uint32_t code;
  int piece;
  double g_low, g_high;              // the range of f' over the cell
  double mass[2], mean[2], spread[2];  // under N(0, 1) and N(0, 2): probability, E[f'], mass * Var[f']
};

// Every cell of |y| < 64 that some x reaches; in binary32 those within 4096 codes of the minimum.
std::vector<cell> cells(function f, format storage, bool mantissa_bit);

struct floor_of {
  double largest, rms[2];
};
floor_of error_floor(const std::vector<cell>& cells);

// Results below this are exempt from the bounds in ULP: subnormal ones, and where subnormals are flushed
// to zero those of the last ten binades too, whose intermediate results may be subnormal.
inline double smallest_result(format storage) {
  const double normal = decode(storage, storage.min_normal());
#if defined(__FAST_MATH__)
  return normal > 0x1p-116 ? normal : 0x1p-116;
#else
  return normal;
#endif
}

bool same_bits(float a, float b);
bool is_nan(double x);

}  // namespace reference
