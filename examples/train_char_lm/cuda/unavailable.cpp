// In place of variants.cu in a build without nvcc or cuBLAS.
#include "../variants.hpp"

#include <stdexcept>

namespace char_lm {

std::vector<variant> cuda_variants(block_kind, bool, sabotage) {
  throw std::runtime_error(
      "--device cuda: this build has no CUDA: set INVACT_ENABLE_CUDA where nvcc and cuBLAS are");
}

}  // namespace char_lm
