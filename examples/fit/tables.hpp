// Tables of coefficients filled in at run time, so that a fit is judged by the library's own code, in
// the arithmetic that will run; and their text as constexpr tables.
#pragma once

#include <cstdio>
#include <string>

#include <Eigen/Dense>
#include <invact/approx/gradient.hpp>
#include <invact/approx/gradient_scaled.hpp>

namespace fit {

// Room for any degree: leading zeros change no bit of Horner's sum over [-1, 1].
using polynomial = invact::coefficients<24>;

struct member_of_all {
  static inline float center = 0, scale = 0, offset = 0, left_offset = 0, vanishing = 0, flush_scale = 1,
                      log2_minimum = 0, smallest = 0;
};

struct single_table : member_of_all {
  static inline fit::polynomial polynomial_{};
  static fit::polynomial polynomial() { return polynomial_; }
};

struct two_sided_table : member_of_all {
  static inline fit::polynomial left_{}, right_{};
  static fit::polynomial left() { return left_; }
  static fit::polynomial right() { return right_; }
};

struct joint_table : two_sided_table {
  static inline float left_center = 0, middle_center = 0, middle_width = 0, right_center = 0;
  static inline fit::polynomial middle_{};
  static fit::polynomial middle() { return middle_; }
};

inline void assign(polynomial& to, const Eigen::VectorXd& from) {
  to = {};
  for (int i = 0; i < from.size(); ++i) to.c[i] = static_cast<float>(from(i));
}
template <int N>
void assign(invact::coefficients<N>& to, const Eigen::VectorXd& from) {
  for (int i = 0; i < N; ++i) to.c[i] = static_cast<float>(from(i));
}

// Hexadecimal floats, which lose nothing and depend on no one's parser.
inline std::string hex(float x) {
  char text[40];
  std::snprintf(text, sizeof text, "%af", static_cast<double>(x));
  return text;
}

inline std::string constant(const char* name, float x) {
  return "  static constexpr float " + std::string(name) + " = " + hex(x) + ";\n";
}

// The first `terms` coefficients.
template <int N>
std::string function(const char* name, const invact::coefficients<N>& p, int terms = N) {
  std::string text = "  INVACT_FUNCTION static constexpr coefficients<" + std::to_string(terms) + "> " + name +
                     "() {\n    return {{";
  std::string line;
  for (int i = 0; i < terms; ++i) {
    const std::string item = hex(p.c[i]) + (i + 1 < terms ? ", " : "}};\n  }\n");
    if (!line.empty() && line.size() + item.size() > 90) {
      text += line.substr(0, line.size() - 1) + "\n              ";
      line.clear();
    }
    line += item;
  }
  return text + line;
}

}  // namespace fit
