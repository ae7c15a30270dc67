// expect: invact::fragment needs at least one element
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
invact::fragment<float, 1> use() { return {}; }
#else
invact::fragment<float, 0> use() { return {}; }
#endif
