// expect: invact: this op keeps a mask beside y: pass it, after y
#include <invact/invact.cuh>

void use(const float* x, float* y, unsigned char* mask) {
  static_cast<void>(mask);
  const invact::inverted<invact::gelu, float, invact::bitmask> op;
#if defined(INVACT_TEST_CORRECTED)
  invact::device::forward(op, 1, x, y, mask);
#else
  invact::device::forward(op, 1, x, y);
#endif
}
