// cuBLASLt's GEMMs, as peers.
#pragma once

#include "gemm.hpp"

#include <cublasLt.h>

namespace bench {

// What the auxiliary tensor of an epilogue is.
enum class lt_aux { none, x, mask };
struct lt_epilogue {
  cublasLtEpilogue_t code;
  bool has_bias, has_bias_gradient;
  lt_aux aux;
};

// none, bias; forwards gelu_aux, relu_aux, with a bias; backwards dgelu, dgelu_bgrad.
std::vector<gemm_operation> cublaslt_operations();

}  // namespace bench
