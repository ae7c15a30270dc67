// Products without an activation, by cuBLASLt.
#pragma once

#include "block.hpp"

#include <cublasLt.h>

namespace mlp {

inline void check(cublasStatus_t status) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw std::runtime_error(std::string("cuBLASLt: ") + cublasLtGetStatusString(status));
}

// A factor as it lies in memory, row-major, and whether the product takes it transposed.
struct factor {
  const bf16* data;
  int rows, columns;
  bool transposed = false;

  int product_rows() const { return transposed ? columns : rows; }
  int product_columns() const { return transposed ? rows : columns; }
};

class linear {
 public:
  linear() : workspace_(32u << 20) { check(cublasLtCreate(&handle_)); }
  linear(const linear&) = delete;
  linear& operator=(const linear&) = delete;
  ~linear() { cublasLtDestroy(handle_); }

  // c = a b, with bias added to every row if it is not null.
  void product(const factor& a, const factor& b, const bf16* bias, bf16* c, cudaStream_t stream) {
    multiply(a, b, c, bias == nullptr ? CUBLASLT_EPILOGUE_DEFAULT : CUBLASLT_EPILOGUE_BIAS, bias, stream);
  }
  // c = a b, and the sums over a's columns as the product takes it: for the gradient of a layer's weight, that of its bias.
  void product_with_sums(const factor& a, const factor& b, bf16* c, bf16* sums, cudaStream_t stream) {
    multiply(a, b, c, CUBLASLT_EPILOGUE_BGRADB, sums, stream);
  }

 private:
  // cuBLASLt's matrices are column-major: a row-major c is its transpose there, and b comes first.
  void multiply(const factor& a, const factor& b, bf16* c, cublasLtEpilogue_t epilogue, const bf16* bias,
                cudaStream_t stream) {
    const int rows = a.product_rows(), columns = b.product_columns();
    cublasLtMatmulDesc_t operation = nullptr;
    check(cublasLtMatmulDescCreate(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    set(operation, CUBLASLT_MATMUL_DESC_TRANSA, b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(operation, CUBLASLT_MATMUL_DESC_TRANSB, a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(operation, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
    if (bias != nullptr) set(operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    cublasLtMatrixLayout_t first = nullptr, second = nullptr, to = nullptr;
    check(cublasLtMatrixLayoutCreate(&first, CUDA_R_16BF, b.columns, b.rows, b.columns));
    check(cublasLtMatrixLayoutCreate(&second, CUDA_R_16BF, a.columns, a.rows, a.columns));
    check(cublasLtMatrixLayoutCreate(&to, CUDA_R_16BF, columns, rows, columns));
    cublasLtMatmulPreference_t preference = nullptr;
    check(cublasLtMatmulPreferenceCreate(&preference));
    const std::size_t bytes = workspace_.bytes();
    check(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes,
                                               sizeof bytes));
    cublasLtMatmulHeuristicResult_t best{};
    int found = 0;
    check(cublasLtMatmulAlgoGetHeuristic(handle_, operation, first, second, to, to, preference, 1, &best,
                                         &found));
    if (found == 0) throw std::runtime_error("cuBLASLt: no algorithm");
    const float one = 1, zero = 0;
    check(cublasLtMatmul(handle_, operation, &one, b.data, first, a.data, second, &zero, c, to, c, to,
                         &best.algo, workspace_.data(), bytes, stream));
    cublasLtMatmulPreferenceDestroy(preference);
    for (const cublasLtMatrixLayout_t layout : {first, second, to}) cublasLtMatrixLayoutDestroy(layout);
    cublasLtMatmulDescDestroy(operation);
  }

  template <class T>
  static void set(cublasLtMatmulDesc_t operation, cublasLtMatmulDescAttributes_t attribute,
                  const T& value) {
    check(cublasLtMatmulDescSetAttribute(operation, attribute, &value, sizeof value));
  }

  cublasLtHandle_t handle_ = nullptr;
  device_array<unsigned char> workspace_;
};

}  // namespace mlp
