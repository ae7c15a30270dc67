// expect: invact::inverted: Packing is not a packing
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
using packing = invact::mantissa_bit;
#else
struct packing {};
#endif

float use(float x) { return invact::inverted<invact::gelu, float, packing>{}.forward(x).y; }
