#include "reference/activation.hpp"

namespace {

using namespace reference;

const registered prelu("prelu", {
    [](double x, const parameters& p) { return x > 0 ? x : p[0] * x; },
    [](double x, const parameters& p) { return x > 0 ? 1 : p[0]; },
    [](const parameters& p) {
      const bool flat = p[0] == 0;
      return std::vector<segment>{{-infinity, 0, 1, flat}, {0, infinity}};
    },
    {0.25},
    {{-0.5}, {-2}, {1}, {0}}});

}  // namespace
