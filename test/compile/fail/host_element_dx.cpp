// expect: invact: x, bias, dy and dx must point to storage types: float, __half
#include <invact/host/executor.hpp>
#include <invact/invact.hpp>

#if defined(INVACT_TEST_CORRECTED)
using element = float;
#else
using element = double;
#endif
using op = invact::inverted<invact::gelu, float>;

void use(const float* dy, const float* y, const unsigned char* mask, element* dx) {
  invact::host::backward_with_bias_gradient(op{}, {}, dy, y, mask, dx, nullptr);
}
