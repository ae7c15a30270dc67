// Rows run by a GPU, in its own arithmetic.
#pragma once

#include "accuracy/add_rows.hpp"
#include "support/device_runner.cuh"

namespace report {

struct device_backend {
  static constexpr bool is_host = false;

  // A scale that lives as long as the program.
  static const float* pointer_to(float scale) {
    float* p = nullptr;
    check_cuda(cudaMalloc(&p, sizeof scale));
    check_cuda(cudaMemcpy(p, &scale, sizeof scale, cudaMemcpyHostToDevice));
    return p;
  }

  template <class Op>
  static accuracy::runner run(Op op) {
    return device_runner(op);
  }
};

}  // namespace report
