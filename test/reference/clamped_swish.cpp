#include "reference/activation.hpp"

namespace {

using namespace reference;

constexpr double stationary_point = -1.27846454276107379510935873902298;  // for beta = 1

const registered clamped_swish(
    "clamped_swish",
    {[](double x, const parameters& p) {
       const double kept = std::fmin(x, p[1]);
       return kept * sigmoid(p[0] * kept);
     },
     [](double x, const parameters& p) {
       const double z = p[0] * x;
       return x > p[1] ? 0.0 : sigmoid(z) * (1 + z * sigmoid(-z));
     },
     [](const parameters& p) {
       const double t = stationary_point / p[0];
       return std::vector<segment>{{-infinity, t, 1}, {t, p[1], 0}, {p[1], infinity, 0, true}};
     },
     // What gpt-oss has: 1.702 and 7.
     {0x1.b3b646p+0, 7},
     {{1, 3.5}, {0.5, 1}}});

}  // namespace
