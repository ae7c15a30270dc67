// An activation as the tests know it, in double and from its definition alone. One file a function here,
// under the library's name; nothing of the library is included.
#pragma once

#include <cmath>
#include <string>
#include <vector>

namespace reference {

// The parameters of an activation, in the order of the members of the library's class.
using parameters = std::vector<double>;

// A stretch of x, (from, to), on which f is strictly monotone or constant. `piece` is what the library calls
// the monotone piece that it belongs to.
struct segment {
  double from, to;
  int piece = 0;
  // f is constant, and so its value is stored as no other stretch of the piece is.
  bool flat = false;
  // The same of f(from) alone, or of f(to), where f' jumps.
  bool owns_start = false;
  bool owns_end = false;
};

struct definition {
  double (*value)(double x, const parameters& p);       // finite x
  double (*derivative)(double x, const parameters& p);  // inside a segment
  std::vector<segment> (*segments)(const parameters& p);
  parameters defaults;                 // what the library's class has by default
  std::vector<parameters> others = {};  // other values to test, exact in float
};

inline constexpr double infinity = HUGE_VAL;

// Adds a definition under the library's name; a file-scope variable of it is enough.
struct registered {
  registered(const char* name, definition d);
};

// One with its parameters, and what is stored times a scale: what the tests pass around.
struct function {
  const definition* of = nullptr;
  parameters p;
  double scale = 1;  // > 0

  double value(double x) const { return scale * of->value(x, p); }
  double derivative(double x) const { return of->derivative(x, p); }
};

// By name, with the default parameters or others; stops the program where there is no such definition.
function find(const std::string& name);
function find(const std::string& name, const parameters& p);

// Used by more than one.
inline double sigmoid(double x) {
  const double e = std::exp(-std::fabs(x));
  return x < 0 ? e / (1 + e) : 1 / (1 + e);
}
inline double normal_cdf(double x) { return std::erfc(-x * 0.70710678118654752440) / 2; }
inline double normal_pdf(double x) { return 0.39894228040143267794 * std::exp(-x * x / 2); }

}  // namespace reference
