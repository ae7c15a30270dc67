// expect: invact: this op keeps no mask (its packing stores the piece inside y
#include <invact/invact.cuh>

void use(const float* x, float* y, unsigned char* mask) {
  static_cast<void>(mask);
  const invact::inverted<invact::gelu, float, invact::mantissa_bit> op;
#if defined(INVACT_TEST_CORRECTED)
  invact::device::forward(op, 1, x, y);
#else
  invact::device::forward(op, 1, x, y, mask);
#endif
}
