// The accuracy test of the library's own activations: every code of bfloat16, with both packings.
#include "accuracy/add_rows.hpp"
#include "gaussian_wave.hpp"

using namespace reference;

const registered definition(
    "gaussian_wave", {[](double x, const parameters&) { return x * std::exp(-x * x / 2); },
                      [](double x, const parameters&) { return (1 - x * x) * std::exp(-x * x / 2); },
                      [](const parameters&) {
                        return std::vector<segment>{{-infinity, -1, 1}, {-1, 1, 0}, {1, infinity, 2}};
                      },
                      {}});

int main() {
  report::row_maker<report::host_backend> maker;
  maker.add_storage<gaussian_wave, invact::bfloat16>("gaussian_wave", "bfloat16");
  std::string broken;
  for (const report::row& r : maker.rows) broken += report::check(r, false);
  std::fputs(broken.c_str(), stderr);
  return broken.empty() ? 0 : 1;
}
