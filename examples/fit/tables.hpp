// Tables of coefficients filled in at run time, so that a fit is judged by the library's own code, in
// the arithmetic that will run; and their text as constexpr tables.
#pragma once

#include <cstdio>
#include <string>

#include <Eigen/Dense>
#include <invact/approx/gradient.hpp>

namespace fit {

// The members every gradient table shares.
template <class Tag>
struct table_base {
  static inline float center = 0, scale = 0, offset = 0;
};

template <int Degree>
struct signed_root_table : table_base<signed_root_table<Degree>> {
  static inline float left_offset = 0, vanishing = 0;
  static inline invact::coefficients<Degree + 1> polynomial_{};
  static invact::coefficients<Degree + 1> polynomial() { return polynomial_; }
};

template <int LeftDegree, int RightDegree>
struct two_sided_table : table_base<two_sided_table<LeftDegree, RightDegree>> {
  static inline float flush_scale = 1, log2_minimum = 0, smallest = 0;
  static inline invact::coefficients<LeftDegree + 1> left_{};
  static inline invact::coefficients<RightDegree + 1> right_{};
  static invact::coefficients<LeftDegree + 1> left() { return left_; }
  static invact::coefficients<RightDegree + 1> right() { return right_; }
};

template <int MiddleDegree, int LeftDegree, int RightDegree>
struct joint_table : table_base<joint_table<MiddleDegree, LeftDegree, RightDegree>> {
  static inline float left_offset = 0, vanishing = 0, left_center = 0, log2_minimum = 0, smallest = 0,
                      middle_center = 0, middle_width = 0, right_center = 0;
  static inline invact::coefficients<MiddleDegree + 1> middle_{};
  static inline invact::coefficients<LeftDegree + 1> left_{};
  static inline invact::coefficients<RightDegree + 1> right_{};
  static invact::coefficients<MiddleDegree + 1> middle() { return middle_; }
  static invact::coefficients<LeftDegree + 1> left() { return left_; }
  static invact::coefficients<RightDegree + 1> right() { return right_; }
};

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

template <int N>
std::string function(const char* name, const invact::coefficients<N>& p) {
  std::string text = "  INVACT_FUNCTION static constexpr coefficients<" + std::to_string(N) + "> " + name +
                     "() {\n    return {{";
  std::string line;
  for (int i = 0; i < N; ++i) {
    const std::string item = hex(p.c[i]) + (i + 1 < N ? ", " : "}};\n  }\n");
    if (!line.empty() && line.size() + item.size() > 90) {
      text += line.substr(0, line.size() - 1) + "\n              ";
      line.clear();
    }
    line += item;
  }
  return text + line;
}

template <class Table>
std::string base_text() {
  return constant("center", Table::center) + constant("scale", Table::scale) +
         constant("offset", Table::offset);
}

}  // namespace fit
