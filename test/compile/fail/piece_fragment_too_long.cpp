// expect: invact::piece_fragment holds at most 64 bits, 31 of an element: use a smaller fragment
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
constexpr int n = 64;
#else
constexpr int n = 65;
#endif

invact::uint32 use() { return invact::inverted<invact::gelu, float>::pieces<n>{}[0]; }
