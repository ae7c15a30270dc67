// expect: invact: x, bias, dy and dx must point to storage types
#include <invact/invact.cuh>

#if defined(INVACT_TEST_CORRECTED)
using element = float;
#else
using element = double;
#endif

void use(const element* x, float* y, unsigned char* mask) {
  invact::device::forward(invact::inverted<invact::gelu, float>{}, 1, x, y, mask);
}
