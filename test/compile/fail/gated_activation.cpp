// expect: invact::gated: Activation is not an activation: it needs `pieces`, `ambiguous`
#include <invact/invact.hpp>

struct almost_an_activation {
  static constexpr int pieces = 1;
#if defined(INVACT_TEST_CORRECTED)
  static constexpr invact::ambiguous_range ambiguous = invact::ambiguous_range::none;
#endif
  invact::uint32 piece_index(float) const { return 0; }
};
struct evaluator {
  template <class Activation>
  static float evaluate(const Activation&, float x) {
    return x;
  }
  template <class Activation>
  static float evaluate(const Activation&, float, invact::uint32) {
    return 1;
  }
};
using op = invact::gated<almost_an_activation, float, invact::bitmask, evaluator, evaluator>;

op::encoded use(float g, float u) { return op{}.forward(g, u); }
