// Arrays on the GPU, for tests.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <vector>

inline void check_cuda(cudaError_t status) {
  if (status == cudaSuccess) return;
  std::fprintf(stderr, "CUDA: %s\n", cudaGetErrorString(status));
  std::exit(1);
}

template <class T>
class device_array {
 public:
  // Some bytes more, as nothing can be allocated for none.
  explicit device_array(std::size_t n) : n_(n) { check_cuda(cudaMalloc(&data_, n * sizeof(T) + 16)); }
  explicit device_array(const std::vector<T>& from) : device_array(from.size()) {
    check_cuda(cudaMemcpy(data_, from.data(), n_ * sizeof(T), cudaMemcpyHostToDevice));
  }
  device_array(const device_array&) = delete;
  ~device_array() { cudaFree(data_); }
  T* data() const { return data_; }
  std::vector<T> host() const {
    std::vector<T> to(n_);
    check_cuda(cudaMemcpy(to.data(), data_, n_ * sizeof(T), cudaMemcpyDeviceToHost));
    return to;
  }

 private:
  std::size_t n_;
  T* data_ = nullptr;
};
