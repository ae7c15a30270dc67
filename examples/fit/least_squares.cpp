#include "least_squares.hpp"

#include <cmath>

namespace fit {

Eigen::VectorXd fit_cells(const cell_set& set, const std::vector<const cell*>& cells, int terms,
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

Eigen::VectorXd minimax(const std::vector<double>& points, int terms,
                        const std::function<double(double)>& target,
                        const std::function<double(double)>& weight, double* largest) {
  const int n = static_cast<int>(points.size());
  double width = 0;
  for (const double x : points) width = std::fmax(width, std::fabs(x));
  Eigen::MatrixXd phi(n, terms);
  Eigen::VectorXd b(n), w(n), lawson = Eigen::VectorXd::Constant(n, 1.0 / n);
  for (int k = 0; k < n; ++k) {
    for (int j = 0; j < terms; ++j) phi(k, j) = std::pow(points[k] / width, j);
    b(k) = target(points[k]);
    w(k) = weight(points[k]);
  }
  Eigen::VectorXd best(terms);
  *largest = 1e300;
  for (int round = 0; round < 200; ++round) {
    const Eigen::VectorXd scale = lawson.cwiseSqrt().cwiseProduct(w);
    const Eigen::VectorXd c = (scale.asDiagonal() * phi).householderQr().solve(scale.cwiseProduct(b));
    const Eigen::VectorXd error = (phi * c - b).cwiseAbs().cwiseProduct(w);
    if (error.maxCoeff() < *largest) {
      *largest = error.maxCoeff();
      best = c;
    }
    lawson = lawson.cwiseProduct(error);
    lawson /= lawson.sum();
  }
  for (int j = 0; j < terms; ++j) best(j) /= std::pow(width, j);
  return best;
}

}  // namespace fit
