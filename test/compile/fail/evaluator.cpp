// expect: invact::inverted: Evaluator is not a forward evaluator for this activation
#include <invact/invact.hpp>

struct evaluator {
#if defined(INVACT_TEST_CORRECTED)
  template <class Activation>
  static float evaluate(const Activation&, float x) {
    return x;
  }
#endif
};

float use(float x) {
  return invact::inverted<invact::gelu, float, invact::bitmask, invact::accurate, evaluator>{}.forward(x).y;
}
