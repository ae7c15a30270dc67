// Binary floating-point formats from their definition, in double.
#pragma once

#include <cstdint>

namespace reference {

struct format {
  int mantissa_bits;
  int exponent_bits;
  // Codes at the top of the highest binade that are no numbers: all of them in an IEEE 754 format, and then
  // its first is infinity; only the last one, a NaN, in e4m3.
  bool ieee = true;

  int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  std::uint32_t sign() const { return 1u << (mantissa_bits + exponent_bits); }
  // The first code without a finite value.
  std::uint32_t infinity() const { return ieee ? ((1u << exponent_bits) - 1) << mantissa_bits : sign() - 1; }
  std::uint32_t min_normal() const { return 1u << mantissa_bits; }
};
inline constexpr format bfloat16{7, 8};
inline constexpr format binary16{10, 5};
inline constexpr format binary32{23, 8};
inline constexpr format e4m3{3, 4, false};
inline constexpr format e5m2{2, 5};

// The value of a code; infinite for codes without a finite one.
double decode(format f, std::uint32_t code);
// The code nearest to a finite x, ties to even, overflow to infinity().
std::uint32_t encode(format f, double x);
// The unit in the last place at x: the distance of the two codes around it.
double ulp(format f, double x);
// Where |x| lies among the codes: the code below it, and the fraction of the way to the next.
double code_position(format f, double x);

// Results below this are exempt from the bounds in ULP: subnormal ones, and where subnormals are flushed to
// zero those of the last ten binades of float's range too, whose intermediate results may be subnormal.
double smallest_result(format storage, bool flushes);

bool same_bits(float a, float b);
bool is_nan(double x);

}  // namespace reference
