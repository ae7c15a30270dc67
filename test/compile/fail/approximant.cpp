// expect: invact::inverted: Approximant is not an approximant for this activation and storage
#include <invact/invact.hpp>

struct approximant {
  template <class Activation>
#if defined(INVACT_TEST_CORRECTED)
  static float evaluate(const Activation&, float y, invact::uint32) {
#else
  static float evaluate(const Activation&, float y) {
#endif
    return y;
  }
};

float use(float y) {
  return invact::inverted<invact::gelu, float, invact::bitmask, approximant>{}.gradient_factor(y, 1u);
}
