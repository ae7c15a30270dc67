// A test: what write_header() cannot fit well, it refuses, and writes nothing.
#include <cstdio>
#include <fstream>

#include "header.hpp"

namespace {

using fit::real;

int failures = 0;

void refuses(const char* why, const fit::activation& of, const std::vector<fit::wanted>& tables,
             const std::string& path) {
  std::remove(path.c_str());
  const bool failed = fit::write_header({of, tables}, path) == 1;
  if (failed && !std::ifstream(path)) return;
  std::fprintf(stderr, "FAILED: not refused: %s\n", why);
  ++failures;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::string path = argv[1];
  const fit::activation silu = fit::silu();
  const std::vector<real> turns = silu.turning_points;
  const std::vector<fit::wanted> good{{"accurate", &fit::bfloat16, {{"two_shift_root", {{6, 6}}, 7}}}};
  const auto derivative_of_sigmoid = [](real x) { return fit::sigmoid(x) * fit::sigmoid(-x); };

  refuses("no turning point", {"f", silu.f, silu.derivative, {}}, good, path);
  refuses("one that is none", {"f", silu.f, silu.derivative, {-1}}, good, path);
  refuses("a derivative of another f", {"f", silu.f, derivative_of_sigmoid, turns}, good, path);
  refuses("a maximum",
          {"f", [](real x) { return -x * fit::sigmoid(x); },
           [](real x) { return -fit::silu().derivative(x); }, turns},
          good, path);
  refuses("a tail that does not go to 0",
          {"f", [](real x) { return x * fit::sigmoid(x) + 0.125L; }, silu.derivative, turns}, good, path);
  refuses("float without largest_y", silu,
          {{"accurate", nullptr, {{"joint", {{12, 12}, {8, 8}, {9, 9}}, 0, {0.24, 0.44, 17}}}}}, path);
  refuses("a degree too low", silu, {{"accurate", &fit::bfloat16, {{"two_shift_root", {{3, 3}}, 7}}}},
          path);
  return failures == 0 ? 0 : 1;
}
