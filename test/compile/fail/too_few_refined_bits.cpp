// expect: invact::refined_bitmask: Bits is less than the bits of the activation's pieces
#include <invact/invact.hpp>

struct three_pieces : invact::softplus {
#if defined(INVACT_TEST_CORRECTED)
  static constexpr int pieces = 2;
#else
  static constexpr int pieces = 3;
#endif
  static constexpr invact::ambiguous_range ambiguous = invact::ambiguous_range::negative;
};

using op = invact::inverted<three_pieces, invact::bfloat16, invact::refined_bitmask<1>>;

op::encoded use(float x) { return op{}.forward(x); }
