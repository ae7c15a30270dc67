#include <invact/host/executor.hpp>
#include <invact/invact.hpp>

#include <cmath>
#include <cstdio>

int main() {
  using act = invact::inverted<invact::gelu, invact::bfloat16>;
  const float x[3] = {-2.0f, -0.5f, 1.0f}, dy[3] = {1.0f, 1.0f, 1.0f};
  invact::bfloat16 y[3];
  invact::uint8 mask[1];
  float dx[3];
  invact::host::forward(act{}, 3, x, y, mask);
  invact::host::backward(act{}, 3, dy, y, mask, dx);
  std::printf("mask %d, gelu' = %g %g %g\n", mask[0], static_cast<double>(dx[0]), static_cast<double>(dx[1]),
              static_cast<double>(dx[2]));
  return mask[0] == 1 && std::fabs(dx[0] + 0.085f) < 0.01f && std::fabs(dx[2] - 1.083f) < 0.01f ? 0 : 1;
}
