// Polynomial fits over cells: weighted least squares, reweighted until no cell's largest error stands
// out, so that one fit serves the RMS and the largest error together. And fits over points.
#pragma once

#include <Eigen/Dense>
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
Eigen::VectorXd fit_cells(const cell_set& set, const std::vector<const cell*>& cells, int terms,
                          const std::function<void(const cell&, double*)>& basis,
                          const std::vector<constraint>& fixed, const goal& aim);

// Minimax by Lawson's reweighting: coefficients of sum_j c_j * x^j nearest to target(x) on `points`,
// errors weighted by weight(x); `largest` gets the largest weighted error.
Eigen::VectorXd minimax(const std::vector<double>& points, int terms,
                        const std::function<double(double)>& target,
                        const std::function<double(double)>& weight, double* largest);

}  // namespace fit
