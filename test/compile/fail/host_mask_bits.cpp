// expect: invact: Op::mask_bits must be from 0 to 8
#include <invact/host/executor.hpp>
#include <invact/invact.hpp>

struct op {
  using storage_type = float;
#if defined(INVACT_TEST_CORRECTED)
  static constexpr int mask_bits = 8;
#else
  static constexpr int mask_bits = 9;
#endif
  struct encoded {
    float y;
    invact::uint32 piece;
  };
  encoded forward(float x) const { return {x, 0}; }
  float backward(float dy, float, invact::uint32) const { return dy; }
};

void use(const float* x, float* y, unsigned char* mask) { invact::host::forward(op{}, 1, x, y, mask); }
