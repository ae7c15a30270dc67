// expect: invact::inverted::gradient_factor(y): this packing keeps the piece outside y: pass
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
using packing = invact::mantissa_bit;
#else
using packing = invact::bitmask;
#endif

float use(invact::bfloat16 y) {
  return invact::inverted<invact::gelu, invact::bfloat16, packing>{}.gradient_factor(y);
}
