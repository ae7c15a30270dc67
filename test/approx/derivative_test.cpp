#include <cmath>

#include <invact/approx/derivative.hpp>
#include <invact/invact.hpp>

#include "reference/activation.hpp"
#include "reference/format.hpp"
#include "support/bounds.hpp"
#include "support/catch.hpp"

using namespace invact;

namespace {

// derivative() at every finite number of a 16-bit format.
template <class Activation>
void check_derivative(const char* name, const Activation& activation, const reference::function& f,
                      double most) {
  double largest = 0;
  float worst = 0;
  for (const reference::format& storage : {reference::bfloat16, reference::binary16}) {
    for (std::uint32_t c = 0; c < 2 * storage.sign(); ++c) {
      if ((c & (storage.sign() - 1)) >= storage.infinity()) continue;
      const float x = static_cast<float>(reference::decode(storage, c));
      const double got = activation.template derivative<native_math>(x);
      const double far = f.p.empty() ? 200 : 200 / f.p[0];
      const double at = std::fmax(-far, std::fmin(far, reference::decode(storage, c)));
      const double error = is_nan(static_cast<float>(got)) ? 1e30 : std::fabs(got - f.derivative(at));
      if (error > largest) largest = error, worst = x;
    }
  }
  INFO(name << " at x = " << worst << ": " << largest);
  CHECK(largest <= most);
}

}  // namespace

TEST_CASE("derivatives from x are within their bound at every number of 16-bit storage") {
  check_derivative("silu", silu{}, reference::find("silu"), bounds::derivative_silu);
  check_derivative("swish", swish{0.5f}, reference::find("swish", {0.5}), bounds::derivative_silu);
  check_derivative("swish", swish{1.75f}, reference::find("swish", {1.75}), bounds::derivative_silu);
  check_derivative("quick_gelu", quick_gelu{}, reference::find("quick_gelu"), bounds::derivative_silu);
  check_derivative("clamped_swish", clamped_swish{}, reference::find("clamped_swish"),
                   bounds::derivative_silu);
  check_derivative("gelu", gelu{}, reference::find("gelu"), bounds::derivative_gelu);
  check_derivative("gelu_tanh", gelu_tanh{}, reference::find("gelu_tanh"), bounds::derivative_gelu_tanh);
  check_derivative("mish", mish{}, reference::find("mish"), bounds::derivative_mish);
}
