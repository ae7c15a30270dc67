// expect: invact: x, bias, dy and dx must point to storage types: float, __half
#include <invact/host/executor.hpp>
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
using element = float;
#else
using element = double;
#endif
using op = invact::inverted<invact::gelu, float>;

void use(const element* x, float* y, unsigned char* mask) {
  invact::host::forward(op{}, 1, x, y, mask);
}
