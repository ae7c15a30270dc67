// expect: invact: this op keeps no mask (its packing stores the piece inside y
#include <invact/host/executor.hpp>
#include <invact/invact.hpp>

void use(const invact::host::matrix_shape& shape, const float* x, float* y, unsigned char* mask) {
  static_cast<void>(shape), static_cast<void>(mask);
  const invact::inverted<invact::gelu, float, invact::mantissa_bit> op;
#if defined(INVACT_TEST_CORRECTED)
  invact::host::backward(op, shape, x, y, y);
#else
  invact::host::backward(op, shape, x, y, mask, y);
#endif
}
