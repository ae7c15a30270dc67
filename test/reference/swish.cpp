#include "reference/activation.hpp"

namespace {

using namespace reference;

constexpr double stationary_point = -1.27846454276107379510935873902298;  // for beta = 1

const registered swish("swish", {[](double x, const parameters& p) { return x * sigmoid(p[0] * x); },
                                 [](double x, const parameters& p) {
                                   const double z = p[0] * x;
                                   return sigmoid(z) * (1 + z * sigmoid(-z));
                                 },
                                 [](const parameters& p) {
                                   const double t = stationary_point / p[0];
                                   return std::vector<segment>{{-infinity, t, 1}, {t, infinity, 0}};
                                 },
                                 {1},
                                 // The last: y_min is just below -1/4.
                                 {{0.5}, {1.75}, {1.11376953125}}});

}  // namespace
