// expect: invact: this op keeps a mask beside y: pass it, after y
#include <invact/host/executor.hpp>
#include <invact/invact.hpp>

void use(const invact::host::matrix_shape& shape, const float* x, float* y, unsigned char* mask) {
  static_cast<void>(shape), static_cast<void>(mask);
  const invact::inverted<invact::gelu, float, invact::bitmask> op;
#if defined(INVACT_TEST_CORRECTED)
  invact::host::backward(op, 1, x, y, mask, y);
#else
  invact::host::backward(op, 1, x, y, y);
#endif
}
