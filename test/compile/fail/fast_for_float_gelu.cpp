// expect: invact::inverted: Approximant is not an approximant for this activation and storage
#include <invact/invact.hpp>


#if defined(INVACT_TEST_CORRECTED)
using storage = invact::bfloat16;
#else
using storage = float;
#endif

float use(storage y) {
  return invact::inverted<invact::gelu, storage, invact::bitmask, invact::fast>{}.gradient_factor(y, 1u);
}
