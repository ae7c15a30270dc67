// expect: invact::gated: Approximant is not an approximant for this activation and storage: invact::accurate is shipped for all, invact::fast for 16-bit storage
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
using storage = invact::binary16;
#else
using storage = float;
#endif
using op = invact::gated<invact::gelu, storage, invact::bitmask, invact::fast>;

float use(storage h, float u) { return op{}.backward(1.0f, h, u, 1u).dg; }
