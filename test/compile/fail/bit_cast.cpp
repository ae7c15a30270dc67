// expect: invact::bit_cast: the two types differ in size
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
using bits = invact::uint32;
#else
using bits = invact::uint64;
#endif

bits use(float x) { return invact::bit_cast<bits>(x); }
