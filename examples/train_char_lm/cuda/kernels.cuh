// The network's own kernels. Each sums in an order that depends on the sizes alone, so that gradients of
// two variants differ by what the variants do and by nothing else.
#pragma once

#include "../schedule.hpp"
#include "../text.hpp"
#include "device.hpp"
#include "product.hpp"

#include <cuda_bf16.h>

#include <cmath>

namespace char_lm::gpu {

inline constexpr int block_threads = 256;

// Of blocks of `of` threads that have one of n elements each.
inline unsigned blocks(index n, int of = block_threads) { return static_cast<unsigned>((n + of - 1) / of); }

template <class... Parameters, class... Arguments>
void launch(const device& on, const char* name, void (*kernel)(Parameters...), dim3 grid, dim3 block,
            const Arguments&... arguments) {
  kernel<<<grid, block, 0, on.stream()>>>(arguments...);
  check(cudaGetLastError(), name);
}

__device__ inline index thread_of_grid() { return index{blockIdx.x} * blockDim.x + threadIdx.x; }

static __global__ void round_to_bf16(index n, const float* from, bf16* to) {
  const index i = thread_of_grid();
  if (i < n) to[i] = __float2bfloat16_rn(from[i]);
}

inline tensor<bf16> rounded(const device& on, const tensor<float>& from) {
  tensor<bf16> to(from.rows(), from.cols(), from.memory());
  launch(on, "round_to_bf16", round_to_bf16, blocks(from.size()), block_threads, from.size(), from.data(),
         to.data());
  return to;
}

static __global__ void add_bias(index n, index cols, const float* bias, float* x) {
  const index i = thread_of_grid();
  if (i < n) x[i] += bias[i % cols];
}

// The embedding of token i / width at out[i - i % width]: those of a window side by side.
static __global__ void look_up(index n, index width, const bf16* table, const token* tokens, bf16* out) {
  const index i = thread_of_grid();
  if (i < n) out[i] = table[tokens[i / width] * width + i % width];
}

// Softmax of each row, a warp a row.
inline constexpr int softmax_lanes = 32;
inline constexpr int softmax_rows = 8;  // of a block

static __global__ void softmax(index rows, index cols, float* x) {
  const index r = index{blockIdx.x} * softmax_rows + threadIdx.y;
  if (r >= rows) return;
  constexpr unsigned all = 0xffffffffu;
  float* const row = x + r * cols;
  float largest = -INFINITY;
  for (index c = threadIdx.x; c < cols; c += softmax_lanes) largest = fmaxf(largest, row[c]);
  for (int lanes = softmax_lanes / 2; lanes > 0; lanes /= 2) {
    largest = fmaxf(largest, __shfl_xor_sync(all, largest, lanes));
  }
  float sum = 0.0f;
  for (index c = threadIdx.x; c < cols; c += softmax_lanes) {
    row[c] = expf(row[c] - largest);
    sum += row[c];
  }
  for (int lanes = softmax_lanes / 2; lanes > 0; lanes /= 2) sum += __shfl_xor_sync(all, sum, lanes);
  for (index c = threadIdx.x; c < cols; c += softmax_lanes) row[c] /= sum;
}

// sums[c] = the sum over the rows r of value(r, c), which is evaluated once for each element and may store
// it as well. A block has 32 columns; each of its threads adds every 32nd row, and the first row of
// threads adds those. blockIdx.y counts vectors of sums, for values that read it.
inline constexpr int sum_cols = 32;
inline constexpr int sum_rows = 32;

template <class Value>
__global__ void sum_columns(index rows, index cols, Value value, float* sums) {
  __shared__ float partial[sum_rows][sum_cols];
  const index c = index{blockIdx.x} * sum_cols + threadIdx.x;
  float sum = 0.0f;
  if (c < cols) {
    for (index r = threadIdx.y; r < rows; r += sum_rows) sum += value(r, c);
  }
  partial[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y == 0 && c < cols) {
    for (int i = 1; i < sum_rows; ++i) sum += partial[i][threadIdx.x];
    sums[blockIdx.y * cols + c] = sum;
  }
}

template <class Value>
void launch_sum_columns(const device& on, const char* name, index rows, index cols, const Value& value,
                        float* sums, index vectors = 1) {
  launch(on, name, sum_columns<Value>, dim3(blocks(cols, sum_cols), static_cast<unsigned>(vectors)),
         dim3(sum_cols, sum_rows), rows, cols, value, sums);
}

// x, and stores it rounded: an operand of products.
struct rounding {
  const float* x;
  bf16* rounded;
  index cols;

  __device__ float operator()(index r, index c) const {
    const index i = r * cols + c;
    rounded[i] = __float2bfloat16_rn(x[i]);
    return x[i];
  }
};

// The gradient of the mean loss by the logits, from the probabilities; stores it rounded.
struct cross_entropy_gradient {
  const float* probabilities;
  const token* targets;
  bf16* rounded;
  index cols;
  float scale;  // 1 / rows

  __device__ float operator()(index r, index c) const {
    const index i = r * cols + c;
    const float d = scale * (probabilities[i] - (c == targets[r] ? 1.0f : 0.0f));
    rounded[i] = __float2bfloat16_rn(d);
    return d;
  }
};

// Of the positions r in all windows, those of one token: their sum is its embedding's gradient.
struct gradient_of_token {
  const token* tokens;
  const float* d_embedded;
  index width;

  __device__ float operator()(index r, index c) const {
    return tokens[r] == blockIdx.y ? d_embedded[r * width + c] : 0.0f;
  }
};

// A step of Adam, and the new weights as operands of products.
static __global__ void adam_update(index n, adam_step now, const float* gradient, float* mean,
                                   float* square, float* parameters, bf16* rounded) {
  const index i = thread_of_grid();
  if (i >= n) return;
  const float g = gradient[i];
  const float m = mean[i] += (1.0f - adam_step::mean_decay) * (g - mean[i]);
  const float s = square[i] += (1.0f - adam_step::square_decay) * (g * g - square[i]);
  const float p = parameters[i] -=
      now.rate * now.mean_scale * m / (sqrtf(now.square_scale * s) + adam_step::epsilon);
  rounded[i] = __float2bfloat16_rn(p);
}

}  // namespace char_lm::gpu
