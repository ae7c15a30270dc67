// expect: invact::inverted: invact::packed is shipped for gelu, gelu_tanh and silu in bfloat16 only: use invact::fast or invact::accurate, and invact::default_evaluator
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
using storage = invact::bfloat16;
#else
using storage = invact::binary16;
#endif

float use(storage y) {
  return invact::inverted<invact::gelu, storage, invact::bitmask, invact::packed>{}.gradient_factor(y, 1u);
}
