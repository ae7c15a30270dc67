// expect: invact::inverted: Approximant is not an approximant for this activation and storage
#include <invact/invact.hpp>

// `accurate` means something for the shipped activations only.
struct monotone {
  static constexpr int pieces = 1;
  static constexpr invact::ambiguous_range ambiguous = invact::ambiguous_range::none;
  invact::uint32 piece_index(float) const { return 0; }
};
struct evaluator {
  template <class Activation>
  static float evaluate(const Activation&, float x) {
    return x;
  }
};
#if defined(INVACT_TEST_CORRECTED)
struct approximant {
  template <class Activation>
  static float evaluate(const Activation&, float, invact::uint32) {
    return 1.0f;
  }
};
#else
using approximant = invact::accurate;
#endif

float use(float y) {
  return invact::inverted<monotone, float, invact::bitmask, approximant, evaluator>{}.gradient_factor(y);
}
