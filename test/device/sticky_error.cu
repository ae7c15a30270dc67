// A sticky error of an earlier kernel, after which the process has no working device, is what the next call
// returns. Exit status: 0 it is, 1 it is not, 77 skipped, because there is no GPU.
#include <cstdio>

#include <invact/invact.cuh>

__global__ void write_to(int* p) { *p = 1; }

int main() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) {
    std::printf("skipped: there is no GPU here\n");
    return 77;
  }
  using act = invact::inverted<invact::gelu, invact::bfloat16, invact::mantissa_bit>;
  invact::bfloat16* y = nullptr;
  if (cudaMalloc(&y, 64) != cudaSuccess) return 1;
  write_to<<<1, 1>>>(nullptr);
  const cudaError_t expected = cudaDeviceSynchronize();
  const cudaError_t got = invact::device::forward(act{}, 8, y, y);
  std::printf("the kernel's error: %s; the call's: %s\n", cudaGetErrorString(expected),
              cudaGetErrorString(got));
  return expected != cudaSuccess && got == expected ? 0 : 1;
}
