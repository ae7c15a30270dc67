// The block in double, with GELU and its derivative by erf.
#pragma once

#include "block.hpp"

#include <cmath>
#include <cstddef>
#include <vector>

namespace mlp {

using matrix = std::vector<double>;

// What the loss's gradients and the forward are, unrounded.
struct reference_results {
  matrix h, out, x_gradient, w1_gradient, b1_gradient, w2_gradient, b2_gradient;
};

struct reference_inputs {
  matrix x, w1, b1, w2, b2, out_gradient;
};

// c[rows, columns] = sum over k of a(i, k) b(k, j)
template <class A, class B>
matrix product(int rows, int columns, int inner, const A& a, const B& b) {
  matrix c(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns));
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) {
      double sum = 0;
      for (int k = 0; k < inner; ++k) sum += a(i, k) * b(k, j);
      c[static_cast<std::size_t>(i) * static_cast<std::size_t>(columns) + static_cast<std::size_t>(j)] =
          sum;
    }
  return c;
}

inline auto rows_of(const matrix& m, int columns) {
  return [&m, columns](int i, int j) {
    return m[static_cast<std::size_t>(i) * static_cast<std::size_t>(columns) + static_cast<std::size_t>(j)];
  };
}
inline auto transposed(const matrix& m, int columns) {
  return [of = rows_of(m, columns)](int i, int j) { return of(j, i); };
}

inline reference_results reference(const block_shape& s, const reference_inputs& in) {
  const int t = s.tokens, n = s.hidden, f = s.ffn;
  const double root_half = std::sqrt(0.5), peak = 1 / std::sqrt(2 * std::acos(-1.0));
  reference_results to;
  const matrix pre_without_bias = product(t, f, n, rows_of(in.x, n), transposed(in.w1, n));
  matrix derivative(pre_without_bias.size());
  to.h.resize(pre_without_bias.size());
  for (std::size_t i = 0; i < to.h.size(); ++i) {
    const double pre = pre_without_bias[i] + in.b1[i % static_cast<std::size_t>(f)];
    const double below = 0.5 * std::erfc(-pre * root_half);
    to.h[i] = pre * below;
    derivative[i] = below + pre * peak * std::exp(-0.5 * pre * pre);
  }
  to.out = product(t, n, f, rows_of(to.h, f), transposed(in.w2, f));
  for (std::size_t i = 0; i < to.out.size(); ++i) to.out[i] += in.b2[i % static_cast<std::size_t>(n)];

  matrix pre_gradient = product(t, f, n, rows_of(in.out_gradient, n), rows_of(in.w2, f));
  for (std::size_t i = 0; i < derivative.size(); ++i) pre_gradient[i] *= derivative[i];
  to.x_gradient = product(t, n, f, rows_of(pre_gradient, f), rows_of(in.w1, n));
  to.w1_gradient = product(f, n, t, transposed(pre_gradient, f), rows_of(in.x, n));
  to.w2_gradient = product(n, f, t, transposed(in.out_gradient, n), rows_of(to.h, f));
  const auto one = [](int, int) { return 1.0; };
  to.b1_gradient = product(1, f, t, one, rows_of(pre_gradient, f));
  to.b2_gradient = product(1, n, t, one, rows_of(in.out_gradient, n));
  return to;
}

}  // namespace mlp
