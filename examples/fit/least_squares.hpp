// Polynomial fits over cells: weighted least squares, reweighted until no cell's largest error stands
// out, so that one fit serves the RMS and the largest error together.
#pragma once

#include <Eigen/Dense>
#include <cmath>
#include <functional>
#include <vector>

#include "cells.hpp"

namespace fit {

// What a fit minimises: sum over s of importance[s] * (RMS error / floor)^2, with the largest error
// held near `largest_target` times its floor where that is possible.
struct goal {
  double importance[deviations]{1.0, 0.5, 0.0, 0.0};
  double largest_target = 1.02;
  int rounds = 25;
  // Weight of the mean squared error over the cells, each counted once: a trace of it keeps cells of
  // vanishing probability from being left to chance.
  double uniform = 1e-4;
  // Weight of the mean squared relative error, for fits whose tail should keep its relative accuracy.
  double relative = 0;
};

// A basis vector, and the value that the fit must take there.
struct constraint {
  Eigen::VectorXd basis;
  double value;
};

// Coefficients c of sum_j c_j * basis(cell, j) over `cells`, which belong to `set`.
inline Eigen::VectorXd fit_cells(const cell_set& set, const std::vector<const cell*>& cells, int terms,
                                 const std::function<void(const cell&, double*)>& basis,
                                 const std::vector<constraint>& fixed, const goal& aim) {
  const int n = static_cast<int>(cells.size());
  Eigen::MatrixXd phi(n, terms);
  Eigen::VectorXd mean(n), middle(n), half_range(n), weight(n), push = Eigen::VectorXd::Zero(n);
  std::vector<double> row(terms);
  for (int k = 0; k < n; ++k) {
    const cell& c = *cells[k];
    basis(c, row.data());
    for (int j = 0; j < terms; ++j) phi(k, j) = row[j];
    double w = 0, m = 0;
    for (int s = 0; s < deviations; ++s) {
      const double part =
          aim.importance[s] * static_cast<double>(c.mass[s] / (set.rms_floor[s] * set.rms_floor[s]));
      w += part;
      m += part * static_cast<double>(c.mean[s]);
    }
    middle(k) = static_cast<double>(c.g_low + c.g_high) / 2;
    half_range(k) = static_cast<double>(c.g_high - c.g_low) / 2;
    const double trace = aim.uniform / n / static_cast<double>(set.largest_floor * set.largest_floor);
    const double relative = aim.relative / n / std::fmax(middle(k) * middle(k), 1e-60);
    weight(k) = w + trace + relative;
    mean(k) = (m + (trace + relative) * middle(k)) / weight(k);
  }
  const double floor = static_cast<double>(set.largest_floor);
  const int m = static_cast<int>(fixed.size());
  Eigen::VectorXd solution(terms);
  for (int round = 0; round < aim.rounds; ++round) {
    // Minimise |W (phi c - target)|^2 subject to the constraints, by their null space.
    Eigen::MatrixXd a(n, terms);
    Eigen::VectorXd b(n);
    for (int k = 0; k < n; ++k) {
      const double total = weight(k) + push(k);
      const double target = (weight(k) * mean(k) + push(k) * middle(k)) / total;
      a.row(k) = std::sqrt(total) * phi.row(k);
      b(k) = std::sqrt(total) * target;
    }
    if (m == 0) {
      solution = a.householderQr().solve(b);
    } else {
      Eigen::MatrixXd e(m, terms);
      Eigen::VectorXd value(m);
      for (int i = 0; i < m; ++i) {
        e.row(i) = fixed[i].basis.transpose();
        value(i) = fixed[i].value;
      }
      const Eigen::HouseholderQR<Eigen::MatrixXd> qr(e.transpose());
      const Eigen::MatrixXd q = qr.householderQ();
      const Eigen::MatrixXd null = q.rightCols(terms - m);
      const Eigen::VectorXd particular = e.colPivHouseholderQr().solve(value);
      const Eigen::MatrixXd reduced = a * null;
      solution = particular + null * reduced.householderQr().solve(b - a * particular);
    }
    const Eigen::VectorXd g = phi * solution;
    bool quiet = true;
    for (int k = 0; k < n; ++k) {
      const double error = std::fabs(g(k) - middle(k)) + half_range(k);
      const double excess = error / (aim.largest_target * floor);
      if (excess > 1) {
        quiet = false;
        push(k) = push(k) * std::pow(excess, 4) + (excess - 1) * 0.03 / (floor * floor);
      }
    }
    if (quiet) break;
  }
  return solution;
}

}  // namespace fit
