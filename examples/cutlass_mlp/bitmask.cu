// h is kept and a bit an element beside it: visitor trees with the library's nodes. y is the epilogue's C.
#include "epilogue_gemm.cuh"

#include <invact/adapters/cutlass/sm90_nodes.hpp>
#include <invact/invact.hpp>

namespace mlp {
namespace {

namespace fusion = cutlass::epilogue::fusion;
constexpr auto nearest = cutlass::FloatRoundStyle::round_to_nearest;

struct variant {
  using op = invact::inverted<invact::gelu, element, invact::bitmask, invact::packed, invact::packed>;
  using per_row = cute::Stride<cute::_1, cute::_0, int64_t>;

  using with_bias =
      fusion::Sm90EVT<fusion::Sm90Compute<cutlass::plus, float, float, nearest>,
                      fusion::Sm90ColBroadcast<0, tile, element, float, per_row>, fusion::Sm90AccFetch>;
  using forward_gemm =
      epilogue_gemm<fusion::Sm90EVT<invact::epilogue::sm90_forward<op, stride_of_d>, with_bias>, row_major,
                    void>;

  using backward_tree = fusion::Sm90EVT<invact::epilogue::sm90_backward<op, stride_of_d>,
                                        fusion::Sm90AccFetch, fusion::Sm90SrcFetch<element>>;
  using bias_sums = fusion::Sm90ColReduction<cutlass::plus, cutlass::plus, cutlass::plus, 0, tile, float,
                                             float, nearest, per_row>;
  using backward_gemm = epilogue_gemm<fusion::Sm90EVT<bias_sums, backward_tree>, column_major, element>;
  static constexpr bool reads_y_as_c = true;
  static const char* name() { return "bitmask"; }

  // Rows of the mask are tokens.
  explicit variant(const block_shape& s)
      : mask(static_cast<std::size_t>(s.tokens) * static_cast<std::size_t>(s.ffn) / 8) {}
  std::size_t bytes() const { return mask.bytes(); }

  forward_gemm::fusion_arguments forward_arguments(const block_shape& s, const element* bias) const {
    return {{{bias}, {}, {}}, {op{}, mask.data(), stride_of_d{cute::_1{}, s.ffn, 0}}};
  }
  backward_gemm::fusion_arguments backward_arguments(const block_shape& s, const element*,
                                                     float* bias_gradient) const {
    return {{{}, {}, {op{}, mask.data(), stride_of_d{cute::_1{}, s.ffn, 0}}}, {bias_gradient}};
  }

  device_array<unsigned char> mask;
};

}  // namespace

std::unique_ptr<block> bitmask(const block_shape& s) { return std::make_unique<fused_block<variant>>(s); }

}  // namespace mlp
