// Matrix products of row-major matrices by cuBLAS, whose matrices are column-major.
#pragma once

#include "device.hpp"

#include <cuda_bf16.h>

namespace char_lm::gpu {

using bf16 = __nv_bfloat16;

// A row-major matrix as it lies in memory, and whether the product takes its transpose.
struct operand {
  const bf16* data;
  index rows;
  index cols;
  index ld;
  bool transposed = false;

  operand transpose() const { return {data, rows, cols, ld, !transposed}; }
  index product_rows() const { return transposed ? cols : rows; }
  index product_cols() const { return transposed ? rows : cols; }
};

// The first `cols` columns of t.
inline operand operand_of(const tensor<bf16>& t, index cols) { return {t.data(), t.rows(), cols, t.cols()}; }
inline operand operand_of(const tensor<bf16>& t) { return operand_of(t, t.cols()); }

enum class into { overwrite, add };

// out = a * b or out += a * b, row-major, out dense, summed in float.
//
// A row-major matrix is its transpose to cuBLAS. So out^T = b^T * a^T is asked for, with the operands
// exchanged: neither is then transposed unless the caller asks for it.
inline void product(const device& on, const operand& a, const operand& b, float* out, into how) {
  const float one = 1.0f;
  const float keep = how == into::add ? 1.0f : 0.0f;
  const auto operation = [](const operand& o) { return o.transposed ? CUBLAS_OP_T : CUBLAS_OP_N; };
  const int n = static_cast<int>(b.product_cols());
  check(cublasGemmEx(on.blas(), operation(b), operation(a), n, static_cast<int>(a.product_rows()),
                     static_cast<int>(a.product_cols()), &one, b.data, CUDA_R_16BF,
                     static_cast<int>(b.ld), a.data, CUDA_R_16BF, static_cast<int>(a.ld), &keep, out,
                     CUDA_R_32F, n, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
        "cublasGemmEx");
}

}  // namespace char_lm::gpu
