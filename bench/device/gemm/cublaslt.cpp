// cuBLASLt's epilogues as kernels: its settings are the algorithms that its heuristics offer.
#include "cublaslt.hpp"

#include <cublasLt.h>

#include <array>
#include <cstdint>
#include <stdexcept>

namespace bench {

namespace {

void check(cublasStatus_t status) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw std::runtime_error(std::string("cuBLASLt: ") + cublasLtGetStatusString(status));
}

// Row-major D = A * B^T is the column-major D^T = B * A^T.
class lt_kernel final : public gemm_kernel {
 public:
  explicit lt_kernel(lt_epilogue epilogue) : epilogue_(epilogue) { check(cublasLtCreate(&handle_)); }
  lt_kernel(const lt_kernel&) = delete;
  ~lt_kernel() override {
    forget();
    cublasLtDestroy(handle_);
  }

  int settings() const override { return static_cast<int>(most); }
  std::string name(int setting) const override { return "algorithm " + std::to_string(setting); }

  std::string prepare(const gemm_problem& p, const gemm_tensors& t, int setting) override {
    forget();
    tensors_ = t;
    check(cublasLtMatmulDescCreate(&operation_, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    set(CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
    set(CUBLASLT_MATMUL_DESC_TRANSB, CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue_.code);
    if (epilogue_.has_bias) set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(t.bias));
    if (epilogue_.has_bias_gradient)
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(t.bias_gradient));
    if (epilogue_.aux != lt_aux::none) {
      const bool is_mask = epilogue_.aux == lt_aux::mask;
      set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER,
          is_mask ? static_cast<const void*>(t.mask) : static_cast<const void*>(t.aux));
      set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, is_mask ? mask_stride(p) : std::int64_t{p.n});
    }
    check(cublasLtMatrixLayoutCreate(&a_, CUDA_R_16BF, p.k, p.n, p.k));
    check(cublasLtMatrixLayoutCreate(&b_, CUDA_R_16BF, p.k, p.m, p.k));
    check(cublasLtMatrixLayoutCreate(&d_, CUDA_R_16BF, p.n, p.m, p.n));
    cublasLtMatmulPreference_t preference = nullptr;
    check(cublasLtMatmulPreferenceCreate(&preference));
    check(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                               &t.workspace_bytes, sizeof t.workspace_bytes));
    std::array<cublasLtMatmulHeuristicResult_t, most> found{};
    int count = 0;
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
        handle_, operation_, a_, b_, d_, d_, preference, static_cast<int>(most), found.data(), &count);
    cublasLtMatmulPreferenceDestroy(preference);
    if (status != CUBLAS_STATUS_SUCCESS || setting >= count) return "no such algorithm";
    algorithm_ = found[static_cast<std::size_t>(setting)].algo;
    return "";
  }

  void run(cudaStream_t stream) override {
    const float one = 1, zero = 0;
    check(cublasLtMatmul(handle_, operation_, &one, tensors_.b, a_, tensors_.a, b_, &zero, tensors_.d, d_,
                         tensors_.d, d_, &algorithm_, tensors_.workspace, tensors_.workspace_bytes,
                         stream));
  }

 private:
  static constexpr std::size_t most = 8;

  template <class T>
  void set(cublasLtMatmulDescAttributes_t attribute, const T& value) {
    check(cublasLtMatmulDescSetAttribute(operation_, attribute, &value, sizeof value));
  }
  void forget() {
    if (operation_ != nullptr) cublasLtMatmulDescDestroy(operation_);
    for (const cublasLtMatrixLayout_t layout : {a_, b_, d_})
      if (layout != nullptr) cublasLtMatrixLayoutDestroy(layout);
    operation_ = nullptr;
    a_ = b_ = d_ = nullptr;
  }

  lt_epilogue epilogue_;
  cublasLtHandle_t handle_ = nullptr;
  cublasLtMatmulDesc_t operation_ = nullptr;
  cublasLtMatrixLayout_t a_ = nullptr, b_ = nullptr, d_ = nullptr;
  cublasLtMatmulAlgo_t algorithm_{};
  gemm_tensors tensors_{};
};

template <cublasLtEpilogue_t Code, bool HasBias, bool HasBiasGradient, lt_aux Aux>
gemm_kernels one() {
  gemm_kernels all;
  all.emplace_back(new lt_kernel({Code, HasBias, HasBiasGradient, Aux}));
  return all;
}

}  // namespace

std::vector<gemm_operation> cublaslt_operations() {
  return {{"cublaslt_none", one<CUBLASLT_EPILOGUE_DEFAULT, false, false, lt_aux::none>},
          {"cublaslt_bias", one<CUBLASLT_EPILOGUE_BIAS, true, false, lt_aux::none>},
          {"cublaslt_gelu_aux", one<CUBLASLT_EPILOGUE_GELU_AUX_BIAS, true, false, lt_aux::x>},
          {"cublaslt_relu_aux", one<CUBLASLT_EPILOGUE_RELU_AUX_BIAS, true, false, lt_aux::mask>},
          {"cublaslt_dgelu", one<CUBLASLT_EPILOGUE_DGELU, false, false, lt_aux::x>},
          {"cublaslt_dgelu_bgrad", one<CUBLASLT_EPILOGUE_DGELU_BGRAD, false, true, lt_aux::x>}};
}

}  // namespace bench
