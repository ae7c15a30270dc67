// The accuracy test of the library's own activations, of Serf.
#include "accuracy/add_rows.hpp"
#include "serf.hpp"

using namespace reference;

const registered definition("serf",
                            {[](double x, const parameters&) {
                               return x * std::erf(std::log1p(std::exp(x)));
                             },
                             [](double x, const parameters&) {
                               const double s = std::log1p(std::exp(x));
                               return std::erf(s) + x * 1.1283791670955126 * std::exp(-s * s) * sigmoid(x);
                             },
                             [](const parameters&) {
                               constexpr double minimum = -1.1930599689281879662;
                               return std::vector<segment>{{-infinity, minimum, 1}, {minimum, infinity, 0}};
                             },
                             {}});

int main() {
  report::row_maker<report::host_backend> maker;
  maker.add_storage<serf, invact::bfloat16>("serf", "bfloat16");
  std::string broken;
  for (const report::row& r : maker.rows) broken += report::check(r, false);
  std::fputs(broken.c_str(), stderr);
  return broken.empty() ? 0 : 1;
}
