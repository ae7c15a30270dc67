// How accurate an op is: its forward in ULP of the storage format, and its gradient factor over the error floor,
// over every cell of the format. Used by the tests, by the accuracy report, and on the device's arithmetic.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "reference/cells.hpp"

namespace accuracy {

namespace ref = reference;

using codes = std::vector<std::uint32_t>;

// An op on arrays, on whatever processor.
struct runner {
  std::function<void(const std::vector<float>& x, codes& y, codes& piece)> forward;
  std::function<void(const codes& y, const codes& piece, std::vector<float>& g)> gradient;
};

struct gradient_error {
  double largest = 0, largest_floor = 0;
  double rms[2]{}, rms_floor[2]{};  // x ~ N(0, 1) and N(0, 2)
  double bias = 0;                  // mean error, x ~ N(0, 1)
  double largest_g = 0;             // largest |f'|
};

struct forward_error {
  double largest = 0, bias = 0;  // ULP
  float worst = 0;               // x
};

// The same from x to g, over a fine grid of x, and with the floors of the codes alone: of ops that keep
// more of y than its code, whose error may be below 1 of these floors.
gradient_error measure_round_trip(const runner& op, const ref::function& f, ref::format format);

// What the forward is measured at, with the exact results. Every finite value of a 16- or 8-bit format and four
// random floats between it and the next; of float, the ends of each binade and random ones within it. And 200,000
// of N(0, 1), whose mean error is the bias: within 0.003 ULP for an unbiased forward.
struct samples {
  std::vector<float> x;
  std::vector<double> y;
  std::vector<char> in_mean;
};
samples make_samples(const ref::function& f, ref::format format);

// The decoder against the exact gradient factor. A NaN is as wrong as can be.
gradient_error measure_gradient(const runner& op, const std::vector<ref::cell>& cells);

// In codes, so that an error across a binade's edge is counted in the ULP of either side, and signed by
// magnitude. Results below `smallest` are exempt, as is the overflow of the format.
forward_error measure_forward(const runner& op, ref::format format, const samples& at, double smallest);

}  // namespace accuracy
