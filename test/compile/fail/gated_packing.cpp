// expect: invact::gated: Packing is not a packing: use invact::bitmask or invact::mantissa_bit
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
using packing = invact::mantissa_bit;
#else
struct packing {};
#endif
using op = invact::gated<invact::silu, float, packing>;

op::encoded use(float g, float u) { return op{}.forward(g, u); }
