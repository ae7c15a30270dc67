// expect: invact::inverted: Activation is not an activation: it needs `pieces`, `ambiguous`
#include <invact/invact.hpp>

struct almost_an_activation {
  static constexpr int pieces = 1;
  static constexpr invact::ambiguous_range ambiguous = invact::ambiguous_range::none;
#if defined(INVACT_TEST_CORRECTED)
  invact::uint32 piece_index(float) const { return 0; }
#endif
};
struct evaluator {
  template <class Activation>
  static float evaluate(const Activation&, float x) {
    return x;
  }
};
struct approximant {
  template <class Activation>
  static float evaluate(const Activation&, float y, invact::uint32) {
    return y;
  }
};

float use(float x) {
  return invact::inverted<almost_an_activation, float, invact::bitmask, approximant, evaluator>{}.forward(x).y;
}
