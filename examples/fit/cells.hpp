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
  int min_normal;          // code
  int min_kept;            // code of the smallest magnitude that mantissa_bit stores

  real value(int code) const {
    const int e = code >> mantissa_bits;
    const int m = code & ((1 << mantissa_bits) - 1);
    return e == 0 ? std::ldexp(static_cast<real>(m), 1 - bias - mantissa_bits)
                  : std::ldexp(static_cast<real>(m + (1 << mantissa_bits)), e - bias - mantissa_bits);
  }
};

inline const format bfloat16{"bfloat16_format", 7, 127, 0x0080, 0x0080};
inline const format binary16{"binary16_format", 10, 15, 0x0400, 0x0001};

// x ~ N(0, 1) and N(0, 2), and for what has a parameter that scales x N(0, 1/2) and N(0, 4).
inline constexpr int deviations = 4;
inline constexpr real deviation[deviations] = {1, 2, 0.5L, 4};

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
inline void add_cell(cell_set& set, const activation& a, real y, const piece& p, real y_low, real y_high,
                     real stands_for = 1) {
  if (y_high <= p.low || y_low >= p.high) return;
  real x0 = a.inverse(y_low, p);
  real x1 = a.inverse(y_high, p);
  if (x0 > x1) std::swap(x0, x1);
  if (!(x0 < x1)) return;
  x0 = std::fmax(x0, -60.0L);
  if (std::isinf(x1)) x1 = std::fmax(60.0L, x0);
  cell c{y, p.index, 1e9L, -1e9L, {}, {}, {}};
  const real points[8] = {-0.960289856497536232L, -0.796666477413626740L, -0.525532409916328986L,
                          -0.183434642495649805L, 0.183434642495649805L,  0.525532409916328986L,
                          0.796666477413626740L,  0.960289856497536232L};
  const real weights[8] = {0.101228536290376259L, 0.222381034453374471L, 0.313706645877887287L,
                           0.362683783378361983L, 0.362683783378361983L, 0.313706645877887287L,
                           0.222381034453374471L, 0.101228536290376259L};
  const int panels = x1 - x0 > 0.1L ? 64 : 1;
  real moment[deviations]{}, square[deviations]{};
  for (int k = 0; k < panels; ++k) {
    const real width = (x1 - x0) / panels, left = x0 + k * width;
    for (int i = 0; i < 8; ++i) {
      const real x = left + width * (points[i] + 1) / 2, g = a.derivative(x);
      c.g_low = std::fmin(c.g_low, g);
      c.g_high = std::fmax(c.g_high, g);
      for (int s = 0; s < deviations; ++s) {
        const real m = weights[i] * width / 2 * normal_pdf(x / deviation[s]) / deviation[s];
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

// In this order a fit sums over the cells, and its last bits depend on it.
inline std::vector<const piece*> by_rising_index(const activation& a) {
  std::vector<const piece*> all;
  for (const piece& p : a.pieces) all.push_back(&p);
  std::sort(all.begin(), all.end(), [](const piece* x, const piece* y) { return x->index < y->index; });
  return all;
}
inline std::vector<const piece*> by_falling_index(const activation& a) {
  std::vector<const piece*> all = by_rising_index(a);
  std::reverse(all.begin(), all.end());
  return all;
}

}  // namespace detail

// All cells with |y| < 64 (beyond, f' is at its limit). Magnitudes below 2^-24 with x near 0 are thinned out.

inline cell_set make_cells(const activation& a, const format& f, int spent_bits) {
  cell_set set;
  const auto middle = [&](int c) { return (f.value(c) + f.value(c + 1)) / 2; };
  for (const int sign : {1, -1}) {
    const int step = a.is_ambiguous(sign) ? 1 << spent_bits : 1;
    const auto add = [&](int c, const piece& p) {
      if (step > 1 && c % step != p.index) return;
      // The smallest code of an index takes all that is below it.
      const int smallest = step > 1 && p.index > 0 ? (f.min_kept & ~(step - 1)) | p.index : 0;
      if (c < smallest) return;
      // Cells about x = 0 are all alike. (Half's smallest code counts as one only if negative: so were the first
      // tables fitted, and their last bits depend on it.)
      const bool is_tiny = sign > 0 ? f.value(c) < 0x1p-24L : f.value(c) <= 0x1p-24L;
      if (!p.has_tail() && is_tiny && c % 64 >= step) return;
      const int reach = step / 2;
      const real upper = step > 1 ? f.value(c + reach) : middle(c);
      const real lower = c == smallest ? 0 : step > 1 ? f.value(c - reach) : middle(c - 1);
      if (sign > 0)
        detail::add_cell(set, a, f.value(c), p, lower, upper);
      else
        detail::add_cell(set, a, -f.value(c), p, -upper, -lower);
    };
    real top = 0;
    for (const piece& p : a.pieces) top = std::fmax(top, sign > 0 ? p.high : -p.low);
    // The cell of 0 itself matters only where a piece ends there.
    const bool turns_at_zero = std::any_of(a.turning_points.begin(), a.turning_points.end(),
                                           [&](real x) { return a.f(x) == 0; });
    for (int c = turns_at_zero ? 0 : 1; f.value(c) < 64 && f.value(std::max(c - std::max(step / 2, 1), 0)) <= top; ++c)
      for (const piece* p : detail::by_falling_index(a)) add(c, *p);
  }
  for (real& r : set.rms_floor) r = std::sqrt(r);
  return set;
}

namespace detail {

inline real float_value(std::int64_t code) {
  const auto bits = static_cast<std::uint32_t>(code);
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return static_cast<real>(x);
}
inline std::int64_t float_code(real x) {
  const float y = static_cast<float>(x);
  std::uint32_t bits;
  std::memcpy(&bits, &y, sizeof bits);
  return static_cast<std::int64_t>(bits);
}

// The cell of the code nearest to c that has the index of p. y is rounded to float first; wrong low bits of it
// are then at times a tie, which goes to an even multiple of the step: so its cell has two codes more than an
// odd one's.
inline void add_float_cell(cell_set& set, const activation& a, const piece& p, int sign, int spent_bits,
                           std::int64_t c, std::int64_t distance) {
  const int step = a.is_ambiguous(sign) ? 1 << spent_bits : 1;
  const std::int64_t code = (c & ~std::int64_t{step - 1}) | (step > 1 ? p.index : 0);
  const std::int64_t reach = step / 2 - (step > 1 && (code & step) != 0 ? 1 : 0);
  real stands_for = distance;
  if (step > 1)
    stands_for = distance == 1 ? (code == c ? 1 : 0) : distance / static_cast<real>(2 * reach + 1);
  const real upper = (float_value(code + reach) + float_value(code + reach + 1)) / 2;
  const real lower = (float_value(code - reach) + float_value(code - reach - 1)) / 2;
  if (sign > 0)
    add_cell(set, a, float_value(code), p, lower, upper, stands_for);
  else
    add_cell(set, a, -float_value(code), p, -upper, -lower, stands_for);
}

}  // namespace detail

// The same for float: every code near a turning point, where the error floor is, and from there on one code
// in k/500 of those k codes away from it; elsewhere one in 2^14.
inline cell_set make_float_cells(const activation& a, int spent_bits, real largest_y) {
  cell_set set;
  const auto visit = [&](bool about_turning_points) {
    for (const int sign : {-1, 1}) {
      for (const piece* p : detail::by_rising_index(a)) {
        const real top = sign > 0 ? p->high : -p->low;
        if (!(top > 0) || std::isfinite(top) != about_turning_points) continue;
        if (about_turning_points) {
          // About x = 0 codes below 2^-24 are as good as zero.
          const std::int64_t last = detail::float_code(p->has_tail() ? 0x1p-126L : 0x1p-24L);
          const std::int64_t bottom = detail::float_code(top) + 2;
          for (std::int64_t c = bottom; c > last;) {
            const std::int64_t distance = std::max<std::int64_t>(1, (bottom - c) / 500);
            detail::add_float_cell(set, a, *p, sign, spent_bits, c, distance);
            c -= distance;
          }
        } else {
          for (std::int64_t c = detail::float_code(0x1p-24L); detail::float_value(c) < largest_y; c += 1 << 14)
            detail::add_float_cell(set, a, *p, sign, spent_bits, c, 1 << 14);
        }
      }
    }
  };
  visit(true);
  visit(false);
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
