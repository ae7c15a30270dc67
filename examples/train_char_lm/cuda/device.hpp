// The GPU that everything runs on: its stream, its cuBLAS and its memory. Every failure is thrown.
#pragma once

#include "../tensor.hpp"

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <map>
#include <memory>
#include <memory_resource>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace char_lm::gpu {

inline void check(cudaError_t status, const char* call) {
  if (status != cudaSuccess)
    throw std::runtime_error(std::string(call) + ": " + cudaGetErrorString(status));
}
inline void check(cublasStatus_t status, const char* call) {
  if (status != CUBLAS_STATUS_SUCCESS) {
    throw std::runtime_error(std::string(call) + ": " + cublasGetStatusString(status));
  }
}

// One stream, on which all work is done in order, and cuBLAS on it.
class device {
 public:
  // Throws std::runtime_error where there is no GPU.
  device() {
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status != cudaSuccess || count == 0) {
      throw std::runtime_error(std::string("--device cuda: no GPU: ") +
                               cudaGetErrorString(status == cudaSuccess ? cudaErrorNoDevice : status));
    }
    cudaStream_t stream = nullptr;
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    stream_.reset(stream);
    cublasHandle_t blas = nullptr;
    check(cublasCreate(&blas), "cublasCreate");
    blas_.reset(blas);
    check(cublasSetStream(blas, stream), "cublasSetStream");
  }

  cudaStream_t stream() const { return stream_.get(); }
  cublasHandle_t blas() const { return blas_.get(); }

  // Returns when all work is done.
  void wait() const { check(cudaStreamSynchronize(stream()), "cudaStreamSynchronize"); }

 private:
  struct destroy {
    void operator()(cudaStream_t stream) const { cudaStreamDestroy(stream); }
    void operator()(cublasHandle_t blas) const { cublasDestroy(blas); }
  };
  template <class Handle>
  using owned = std::unique_ptr<std::remove_pointer_t<Handle>, destroy>;

  owned<cudaStream_t> stream_;
  owned<cublasHandle_t> blas_;  // after the stream it is used on
};

// Device memory. Freed buffers are kept for the next request of the same size, of which each step makes
// the same ones: cudaMalloc waits for the GPU. A buffer may be in use by work queued earlier when it is
// handed out again, so the pool serves one stream.
class device_pool : public std::pmr::memory_resource {
 public:
  device_pool() = default;
  device_pool(const device_pool&) = delete;
  ~device_pool() override {
    for (const auto& [bytes, buffers] : free_) {
      for (void* const p : buffers) cudaFree(p);
    }
  }

 private:
  // cudaMalloc's own alignment, 256 bytes, is more than any tensor asks for.
  void* do_allocate(std::size_t bytes, std::size_t) override {
    std::vector<void*>& buffers = free_[bytes];
    if (buffers.empty()) {
      void* p = nullptr;
      check(cudaMalloc(&p, bytes), "cudaMalloc");
      return p;
    }
    void* const p = buffers.back();
    buffers.pop_back();
    return p;
  }
  void do_deallocate(void* p, std::size_t bytes, std::size_t) override { free_[bytes].push_back(p); }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    return this == &other;
  }

  std::map<std::size_t, std::vector<void*>> free_;
};

template <class T>
tensor<T> upload(const std::vector<T>& values, std::pmr::memory_resource& memory, const device& on) {
  tensor<T> to(1, static_cast<index>(values.size()), memory);
  // Returns once pageable memory has been read, so `values` may go.
  check(cudaMemcpyAsync(to.data(), values.data(), to.bytes(), cudaMemcpyHostToDevice, on.stream()),
        "cudaMemcpyAsync");
  return to;
}

template <class T>
std::vector<T> download(const tensor<T>& values, const device& on) {
  std::vector<T> to(static_cast<std::size_t>(values.size()));
  check(cudaMemcpyAsync(to.data(), values.data(), values.bytes(), cudaMemcpyDeviceToHost, on.stream()),
        "cudaMemcpyAsync");
  on.wait();
  return to;
}

}  // namespace char_lm::gpu
