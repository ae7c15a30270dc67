// h alone is kept, with the piece in its lowest mantissa bit: CUTLASS's own epilogues, with the library's functors.
#include "epilogue_gemm.cuh"

#include <invact/adapters/cutlass/functor.hpp>
#include <invact/invact.hpp>

namespace mlp {
namespace {

namespace fusion = cutlass::epilogue::fusion;

struct variant {
  using op = invact::inverted<invact::gelu, element, invact::mantissa_bit, invact::packed, invact::packed>;
  using forward_gemm = epilogue_gemm<fusion::LinCombPerRowBiasEltAct<invact::epilogue::forward<op>::functor,
                                                                     element, float, element, void>,
                                     row_major, void>;
  using backward_gemm = epilogue_gemm<
      fusion::LinCombDeEltActDePerRowBias<column_major, invact::epilogue::backward<op>::functor, element,
                                          float, element, float, void>,
      column_major, void>;
  static constexpr bool reads_y_as_c = false;
  static const char* name() { return "mantissa bit"; }

  explicit variant(const block_shape&) {}
  std::size_t bytes() const { return 0; }

  forward_gemm::fusion_arguments forward_arguments(const block_shape&, const element* bias) const {
    forward_gemm::fusion_arguments to;
    to.bias_ptr = bias;
    return to;
  }
  backward_gemm::fusion_arguments backward_arguments(const block_shape& s, const element* y,
                                                     float* bias_gradient) const {
    backward_gemm::fusion_arguments to;
    to.aux_ptr = y;
    to.dAux = stride_of_d{cute::_1{}, s.ffn, 0};
    to.dbias_ptr = bias_gradient;
    return to;
  }
};

}  // namespace

std::unique_ptr<block> mantissa_bit(const block_shape& s) {
  return std::make_unique<fused_block<variant>>(s);
}

}  // namespace mlp
