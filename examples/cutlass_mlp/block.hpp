// The MLP block of a transformer and the loss's gradients through it:
//
//   pre = x w1^T + b1,  h = gelu(pre),  out = h w2^T + b2
//
// All matrices are row-major bfloat16, products are summed in float: x and out [tokens, hidden], pre and h [tokens, ffn],
// w1 [ffn, hidden], w2 [hidden, ffn].
#pragma once

#include "device_memory.hpp"

#include <cuda_bf16.h>

#include <memory>

namespace mlp {

using bf16 = __nv_bfloat16;

// Each a multiple of 8; ffn one of 128 where a bitmask is kept.
struct block_shape {
  int tokens, hidden, ffn;
};

struct block_parameters {
  const bf16 *w1, *b1, *w2, *b2;
};

struct block_gradients {
  bf16 *x, *w1, *w2, *b2;
  float* b1;
};

// How the activation is stored: what differs between the variants is the first product's epilogue, and that of the product
// which makes h's gradient.
class block {
 public:
  virtual ~block() = default;
  virtual const char* name() const = 0;
  // Of what a forward leaves for the backward, besides x.
  virtual std::size_t kept_bytes() const = 0;
  virtual void forward(const block_parameters&, const bf16* x, bf16* out, cudaStream_t) = 0;
  // After a forward of the same x. Overwrites what that kept.
  virtual void backward(const block_parameters&, const bf16* x, const bf16* out_gradient,
                        const block_gradients&, cudaStream_t) = 0;
  // Of the last forward. For tests.
  virtual bf16* kept_h() = 0;
};

std::unique_ptr<block> pre_activation_saved(const block_shape&);
std::unique_ptr<block> mantissa_bit(const block_shape&);
std::unique_ptr<block> bitmask(const block_shape&);

}  // namespace mlp
