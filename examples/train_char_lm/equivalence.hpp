// When a variant counts as equivalent to the standard one. Two conditions, both over pairs that share
// seed, initial weights and every batch:
//
// 1. Held-out loss, by two one-sided t-tests (TOST; D. Schuirmann, J. Pharmacokinet. Biopharm. 15, 1987):
//    the 90 % confidence interval of the mean difference over the seeds lies inside +-loss_margin. Unlike
//    a test for a difference, it cannot be passed by being noisy.
// 2. Gradients at equal weights on equal batches: the root mean square of their difference is at most
//    gradient_bound of the standard gradient's. It needs no training to show an error, and cannot be
//    made good by the optimiser.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <vector>

namespace char_lm {

// Nats a token: a third of a percent of the loss that this network ends at. The interval of four seeds is
// about a twentieth as wide, with gated blocks, in which trainings part faster, at most two fifths.
constexpr double loss_margin = 0.005;

// What bfloat16 itself costs: the gradient factor decoded from a rounded y has an error of at least 1.5e-3
// RMS for x ~ N(0, 1) with the bitmask and 2.7e-3 with the mantissa bit (the floor), against a factor of
// 0.65 RMS: 0.23 % and 0.42 % in each of three blocks, 0.4 % and 0.7 % together. With the rounding of x
// in the standard run 1 % leaves less than half as much again. Gated blocks, whose y = h / u has the error of h,
// come to 0.3 % and 0.7 % as well (SwiGLU), and GeGLUs to 0.5 % and 0.7 %, of which 0.45 % is the forward's: two
// GELUs now and then round to different h. With one of float's accuracy the recomputing variant is 0.01 % off.
constexpr double gradient_bound = 0.01;

struct interval {
  double low;
  double high;
};

// 95 % quantile of Student's t for 1, 2, ... degrees of freedom; above the table, its last entry, which
// is too large and so errs to the safe side.
inline double student_t_95(std::size_t degrees) {
  static constexpr double quantile[] = {6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860,
                                        1.833, 1.812, 1.796, 1.782, 1.771, 1.761, 1.753, 1.746};
  return quantile[std::min(degrees, std::size(quantile)) - 1];
}

// The 90 % confidence interval of the mean of at least two differences.
inline interval confidence_interval(const std::vector<double>& differences) {
  const double n = static_cast<double>(differences.size());
  double mean = 0;
  for (const double d : differences) mean += d / n;
  double square = 0;
  for (const double d : differences) square += (d - mean) * (d - mean);
  const double half = student_t_95(differences.size() - 1) * std::sqrt(square / (n - 1) / n);
  return {mean - half, mean + half};
}

// A NaN is in no interval and below no bound.
inline bool losses_equivalent(interval difference) {
  return difference.low > -loss_margin && difference.high < loss_margin;
}
inline bool gradients_equivalent(double relative_error) { return relative_error <= gradient_bound; }

}  // namespace char_lm
