// Cells: all x that share one stored (y, piece), and the error floor that they impose on any decoder. Computed
// from the definition of the function and of the stored formats alone.
#pragma once

#include <vector>

#include "reference/activation.hpp"
#include "reference/format.hpp"

namespace reference {

// x beyond is not looked at: every activation is at its limits there, or at more than any test draws.
inline constexpr double largest_x = 64;

struct cell {
  std::uint32_t code;
  int piece;
  double g_low, g_high;                // the range of f' over the cell
  double mass[2], mean[2], spread[2];  // under N(0, 1) and N(0, 2): probability, E[f'], mass * Var[f']
};

// How the piece index is stored: not in y, or in the lowest bits of y where the sign bit is as said.
struct index_in_mantissa {
  int bits = 0;
  bool negative = false, positive = false;
};

// Every cell that some x in [-largest_x, largest_x] reaches. In binary32 those within 500 codes of the end of a
// segment, where the floor is highest, and beyond one in k/500 of those k codes away, which counts for all.
std::vector<cell> cells(const function& f, format storage, index_in_mantissa index = {});

struct floor_of {
  double largest, rms[2];
};
floor_of error_floor(const std::vector<cell>& cells);

// The x in a segment with f(x) = y, the nearer end where there is none.
double inverse(const function& f, const segment& s, double y);

}  // namespace reference
