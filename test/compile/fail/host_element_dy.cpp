// expect: invact: x, bias, dy and dx must point to storage types: float, __half
#include <invact/host/executor.hpp>
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
using element = float;
#else
using element = double;
#endif
using op = invact::inverted<invact::gelu, float>;

void use(const element* dy, const float* y, const unsigned char* mask, float* dx) {
  invact::host::backward(op{}, 1, dy, y, mask, dx);
}
