// Cells: all x that share one stored (y, piece), and the error floor they impose on any decoder.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "activations.hpp"

namespace fit {

// A 16-bit binary format; code c >= 0 is the magnitude, the sign is kept apart.
struct format {
  const char* name;        // the library's class
  int mantissa_bits;
  int bias;
  int infinity;            // code
  int min_normal;          // code
  int min_kept;            // code of the smallest magnitude that mantissa_bit stores

  real value(int code) const {
    const int e = code >> mantissa_bits;
    const int m = code & ((1 << mantissa_bits) - 1);
    return e == 0 ? std::ldexp(static_cast<real>(m), 1 - bias - mantissa_bits)
                  : std::ldexp(static_cast<real>(m + (1 << mantissa_bits)), e - bias - mantissa_bits);
  }
};

inline const format bfloat16{"bfloat16_format", 7, 127, 0x7f80, 0x0080, 0x0080};
inline const format binary16{"binary16_format", 10, 15, 0x7c00, 0x0400, 0x0001};

inline constexpr int deviations = 2;  // x ~ N(0, 1) and N(0, 2)

struct cell {
  real y;                 // the stored value
  int piece;
  real g_low, g_high;     // range of f' over the cell
  real mass[deviations];  // probability of the cell
  real mean[deviations];  // conditional mean of f'
  real variance[deviations];
};

struct cell_set {
  std::vector<cell> cells;
  real largest_floor = 0;        // the minimax decoder's largest error
  real rms_floor[deviations]{};  // the conditional-mean decoder's RMS error
};

namespace detail {

// `stands_for` cells of about this probability, of which only this one is looked at.
inline void add_cell(cell_set& set, const activation& a, real y, int piece, real y_low, real y_high,
                     real stands_for = 1) {
  const real minimum = a.minimum();
  if (y_high <= minimum) return;
  real x0 = a.inverse(std::fmax(y_low, minimum), piece);
  real x1 = a.inverse(y_high, piece);
  if (x0 > x1) std::swap(x0, x1);
  if (!(x0 < x1)) return;
  x0 = std::fmax(x0, -60.0L);
  cell c{y, piece, 1e9L, -1e9L, {}, {}, {}};
  const real points[8] = {-0.960289856497536232L, -0.796666477413626740L, -0.525532409916328986L,
                          -0.183434642495649805L, 0.183434642495649805L,  0.525532409916328986L,
                          0.796666477413626740L,  0.960289856497536232L};
  const real weights[8] = {0.101228536290376259L, 0.222381034453374471L, 0.313706645877887287L,
                           0.362683783378361983L, 0.362683783378361983L, 0.313706645877887287L,
                           0.222381034453374471L, 0.101228536290376259L};
  const int panels = x1 - x0 > 0.1L ? 64 : 1;
  real moment[deviations]{}, square[deviations]{};
  for (int p = 0; p < panels; ++p) {
    const real width = (x1 - x0) / panels, left = x0 + p * width;
    for (int i = 0; i < 8; ++i) {
      const real x = left + width * (points[i] + 1) / 2, g = a.derivative(x);
      c.g_low = std::fmin(c.g_low, g);
      c.g_high = std::fmax(c.g_high, g);
      for (int s = 0; s < deviations; ++s) {
        const real m = weights[i] * width / 2 * normal_pdf(x / (s + 1)) / (s + 1);
        c.mass[s] += m;
        moment[s] += m * g;
        square[s] += m * g * g;
      }
    }
  }
  for (const real x : {x0, x1}) {
    c.g_low = std::fmin(c.g_low, a.derivative(x));
    c.g_high = std::fmax(c.g_high, a.derivative(x));
  }
  for (int s = 0; s < deviations; ++s) {
    c.mean[s] = c.mass[s] > 0 ? moment[s] / c.mass[s] : (c.g_low + c.g_high) / 2;
    c.variance[s] = stands_for * std::fmax(square[s] - moment[s] * c.mean[s], 0.0L);
    c.mass[s] *= stands_for;
  }
  set.largest_floor = std::fmax(set.largest_floor, (c.g_high - c.g_low) / 2);
  for (int s = 0; s < deviations; ++s) set.rms_floor[s] += c.variance[s];
  set.cells.push_back(c);
}

}  // namespace detail

// All cells with |y| < 64 (beyond, f' = 1). Magnitudes below 2^-24 with x near 0 are thinned out.
inline cell_set make_cells(const activation& a, const format& f, int spent_bits) {
  cell_set set;
  const auto middle = [&](int c) { return (f.value(c) + f.value(c + 1)) / 2; };
  for (int c = 1; f.value(c) < 64; ++c) {
    if (f.value(c) < 0x1p-24L && c % 64 != 0) continue;
    detail::add_cell(set, a, f.value(c), 0, middle(c - 1), middle(c));
  }
  const real bottom = -a.minimum();
  for (int c = 1; f.value(c - 1) <= bottom; ++c) {
    const real y = -f.value(c);
    if (spent_bits == 0) {
      detail::add_cell(set, a, y, 1, -middle(c), -middle(c - 1));
      if (-y > 0x1p-24L || c % 64 == 0) detail::add_cell(set, a, y, 0, -middle(c), -middle(c - 1));
    } else {
      const bool smallest = c == (f.min_kept | 1);
      if (c % 2 == 1 && c > f.min_kept - 1)
        detail::add_cell(set, a, y, 1, -f.value(c + 1), smallest ? 0 : -f.value(c - 1));
      if (c % 2 == 0 && (-y > 0x1p-24L || c % 64 == 0))
        detail::add_cell(set, a, y, 0, -f.value(c + 1), -f.value(c - 1));
    }
  }
  for (real& r : set.rms_floor) r = std::sqrt(r);
  return set;
}

// The same for float: every code near the minimum, where the error floor is, and from there on one code
// in k/500 of those k codes away from it.
inline cell_set make_float_cells(const activation& a, int spent_bits, real largest_y) {
  cell_set set;
  const auto value = [](std::int64_t c) {
    const auto bits = static_cast<std::uint32_t>(c);
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return static_cast<real>(x);
  };
  const auto code = [](real x) {
    const float y = static_cast<float>(x);
    std::uint32_t bits;
    std::memcpy(&bits, &y, sizeof bits);
    return static_cast<std::int64_t>(bits);
  };
  const std::int64_t bottom = code(-a.minimum()) + 2;
  for (int piece = 0; piece < 2; ++piece) {
    // Right of x = -2^-24 the negative codes are as good as zero.
    const std::int64_t last = piece == 1 ? code(0x1p-126L) : code(0x1p-24L);
    for (std::int64_t c = bottom; c > last;) {
      const std::int64_t step = std::max<std::int64_t>(1, (bottom - c) / 500);
      if (spent_bits == 0) {
        detail::add_cell(set, a, -value(c), piece, -(value(c) + value(c + 1)) / 2,
                         -(value(c) + value(c - 1)) / 2, step);
      } else {
        // y is rounded to float first; a wrong low bit is then a tie, and goes to the code whose next bit
        // is 0: of four codes one gets the rounding cells of three, and one only its own.
        const std::int64_t code_of_piece = (c & ~std::int64_t{1}) | piece;
        const bool wide = (code_of_piece & 2) == 0;
        const auto edge = [&](std::int64_t from) { return -(value(from) + value(from + 1)) / 2; };
        const real stands_for = step == 1 ? (code_of_piece == c ? 1 : 0) : wide ? step / 3.0L : step;
        detail::add_cell(set, a, -value(code_of_piece), piece, edge(code_of_piece + (wide ? 1 : 0)),
                         edge(code_of_piece - (wide ? 2 : 1)), stands_for);
      }
      c -= step;
    }
  }
  for (std::int64_t c = code(0x1p-24L); value(c) < largest_y; c += 1 << 14)
    detail::add_cell(set, a, value(c), 0, (value(c) + value(c - 1)) / 2, (value(c) + value(c + 1)) / 2,
                     1 << 14);
  for (real& r : set.rms_floor) r = std::sqrt(r);
  return set;
}

// How far a decoder is from the floor.
struct quality {
  real largest, rms[deviations];
};

template <class Decoder>
quality measure(const cell_set& set, const Decoder& decode) {
  quality q{};
  for (const cell& c : set.cells) {
    const real g = decode(c);
    q.largest = std::fmax(q.largest, std::fmax(std::fabs(g - c.g_low), std::fabs(g - c.g_high)));
    for (int s = 0; s < deviations; ++s)
      q.rms[s] += c.variance[s] + c.mass[s] * (g - c.mean[s]) * (g - c.mean[s]);
  }
  q.largest /= set.largest_floor;
  for (int s = 0; s < deviations; ++s) q.rms[s] = std::sqrt(q.rms[s]) / set.rms_floor[s];
  return q;
}

}  // namespace fit
