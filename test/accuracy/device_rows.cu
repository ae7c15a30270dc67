// The rows run by a GPU, in its own arithmetic.
#include "accuracy/add_rows.hpp"
#include "support/device_runner.cuh"

namespace report {

namespace {

struct device_backend {
  // A scale that lives as long as the program.
  static const float* pointer_to(float scale) {
    float* p = nullptr;
    cuda(cudaMalloc(&p, sizeof scale));
    cuda(cudaMemcpy(p, &scale, sizeof scale, cudaMemcpyHostToDevice));
    return p;
  }

  template <class Op>
  static accuracy::runner run(Op op) {
    return device_runner(op);
  }
};

}  // namespace

std::vector<row> device_rows() {
  return has_device() ? make_rows<device_backend>() : std::vector<row>{};
}

}  // namespace report
