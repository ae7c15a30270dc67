// Writes the header of Serf's coefficients for bfloat16: f, f' and where f' is 0 are all it needs.
#include "fit/header.hpp"

using fit::real;

int main(int, char** argv) {
  const auto f = [](real x) { return x * std::erf(std::log1p(std::exp(x))); };
  const auto derivative = [](real x) {
    const real s = std::log1p(std::exp(x)), slope = 2 / std::sqrt(std::acos(-1.0L)) * std::exp(-s * s);
    return std::erf(s) + x * slope * fit::sigmoid(x);
  };
  const fit::activation serf{"serf", f, derivative, {fit::turning_point(derivative, -2, -1)}};
  // One form and degree: fit::light_tailed has all, of which a search finds the cheapest that serves, in an hour.
  const fit::candidate form{"two_shift_root", {{9, 9}}, 7};
  return fit::write_header({serf, {{"accurate", &fit::bfloat16, {form}}}}, argv[1]);
}
