// expect: invact::inverted::gradient_factor(y): this packing keeps the piece outside y: pass
#include <invact/invact.hpp>

float use(float dy, float y) {
  const invact::inverted<invact::silu, float> op;
#if defined(INVACT_TEST_CORRECTED)
  return op.backward(dy, y, 1u);
#else
  return op.backward(dy, y);
#endif
}
