// An op on arrays on the device, in its own arithmetic.
#pragma once

#include <cstdint>
#include <vector>

#include <invact/invact.hpp>

#include "support/accuracy.hpp"
#include "support/device_array.cuh"

inline bool has_device() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
}

namespace device_runner_detail {

template <class Op>
__global__ void forward_kernel(Op op, std::size_t n, const float* x, std::uint32_t* y, std::uint32_t* piece) {
  const std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= n) return;
  const auto e = op.forward(x[i]);
  y[i] = invact::storage_traits<typename Op::storage_type>::to_code(e.y);
  piece[i] = e.piece;
}

template <class Op>
__global__ void gradient_kernel(Op op, std::size_t n, const std::uint32_t* y, const std::uint32_t* piece, float* g) {
  using traits = invact::storage_traits<typename Op::storage_type>;
  const std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < n) g[i] = op.gradient_factor(traits::from_code(static_cast<typename traits::code>(y[i])), piece[i]);
}

inline unsigned blocks(std::size_t n) { return static_cast<unsigned>((n + 255) / 256); }

}  // namespace device_runner_detail

template <class Op>
accuracy::runner device_runner(Op op) {
  using namespace device_runner_detail;
  return {[op](const std::vector<float>& x, accuracy::codes& y, accuracy::codes& piece) {
            device_array<float> in(x);
            device_array<std::uint32_t> out(x.size()), pieces(x.size());
            forward_kernel<<<blocks(x.size()), 256>>>(op, x.size(), in.data(), out.data(), pieces.data());
            check_cuda(cudaGetLastError());
            y = out.host();
            piece = pieces.host();
          },
          [op](const accuracy::codes& y, const accuracy::codes& piece, std::vector<float>& g) {
            device_array<std::uint32_t> in(y), pieces(piece);
            device_array<float> out(y.size());
            gradient_kernel<<<blocks(y.size()), 256>>>(op, y.size(), in.data(), pieces.data(), out.data());
            check_cuda(cudaGetLastError());
            g = out.host();
          }};
}
