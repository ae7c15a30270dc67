// expect: invact::inverted: Activation is not an activation: it needs `pieces`, `ambiguous`
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
using activation = invact::gelu;
#else
struct activation {};
#endif

float use(float x) { return invact::inverted<activation, float>{}.forward(x).y; }
