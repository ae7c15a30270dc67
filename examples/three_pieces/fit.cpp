// Writes the header of the coefficients for bfloat16.
#include "fit/header.hpp"

using fit::real;

int main(int, char** argv) {
  const fit::activation wave{"gaussian_wave",
                             [](real x) { return x * std::exp(-x * x / 2); },
                             [](real x) { return (1 - x * x) * std::exp(-x * x / 2); },
                             {-1, 1}};
  const fit::candidate form{"two_shift_root", {{9, 9}}, 7};
  return fit::write_header({wave, {{"accurate", &fit::bfloat16, {form}}}}, argv[1]);
}
