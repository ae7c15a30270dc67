// The two products with an activation in their epilogue, and the block around them. Both make a matrix [tokens, ffn] as the
// column-major D [ffn, tokens], so that the bias has an element a row of D, as CUTLASS's LinCombDeEltActDePerRowBias wants.
#pragma once

#include "linear.hpp"

#include <cutlass/cutlass.h>

#include <cutlass/epilogue/collective/collective_builder.hpp>
#include <cutlass/epilogue/fusion/operations.hpp>
#include <cutlass/gemm/collective/collective_builder.hpp>
#include <cutlass/gemm/device/gemm_universal_adapter.h>
#include <cutlass/gemm/kernel/gemm_universal.hpp>

namespace mlp {

using element = cutlass::bfloat16_t;
using row_major = cutlass::layout::RowMajor;
using column_major = cutlass::layout::ColumnMajor;
using stride_of_d = cutlass::gemm::TagToStrideC_t<column_major>;

inline const element* to_cutlass(const bf16* p) { return reinterpret_cast<const element*>(p); }
inline element* to_cutlass(bf16* p) { return reinterpret_cast<element*>(p); }

inline void check(cutlass::Status status) {
  if (status != cutlass::Status::kSuccess)
    throw std::runtime_error(std::string("CUTLASS: ") + cutlass::cutlassGetStatusString(status));
}

using tile = cute::Shape<cute::_128, cute::_128, cute::_64>;

// D = fusion(A B), A [ffn, hidden] in LayoutA, B [hidden, tokens] column-major. ElementC is void where the fusion has no C.
template <class Fusion, class LayoutA, class ElementC>
class epilogue_gemm {
  using cluster = cute::Shape<cute::_2, cute::_1, cute::_1>;
  using epilogue = typename cutlass::epilogue::collective::CollectiveBuilder<
      cutlass::arch::Sm90, cutlass::arch::OpClassTensorOp, tile, cluster,
      cutlass::epilogue::collective::EpilogueTileAuto, float, float, ElementC, column_major, 8, element,
      column_major, 8, cutlass::epilogue::TmaWarpSpecialized, Fusion>::CollectiveOp;
  using mainloop = typename cutlass::gemm::collective::CollectiveBuilder<
      cutlass::arch::Sm90, cutlass::arch::OpClassTensorOp, element, LayoutA, 8, element, column_major, 8,
      float, tile, cluster,
      cutlass::gemm::collective::StageCountAutoCarveout<static_cast<int>(
          sizeof(typename epilogue::SharedStorage))>,
      cutlass::gemm::KernelTmaWarpSpecializedPingpong>::CollectiveOp;
  using device = cutlass::gemm::device::GemmUniversalAdapter<
      cutlass::gemm::kernel::GemmUniversal<cute::Shape<int, int, int, int>, mainloop, epilogue>>;

 public:
  using fusion_arguments = typename epilogue::FusionCallbacks::Arguments;

  void run(const block_shape& s, const element* a, const element* b, const element* c, element* d,
           const fusion_arguments& fusion, cudaStream_t stream) {
    typename mainloop::StrideA stride_a{};
    if constexpr (std::is_same<LayoutA, row_major>::value) {
      cute::get<0>(stride_a) = s.hidden;
    } else {
      cute::get<1>(stride_a) = s.ffn;
    }
    typename mainloop::StrideB stride_b{};
    cute::get<0>(stride_b) = s.hidden;
    const stride_of_d stride_d{cute::_1{}, s.ffn, 0};
    typename device::Arguments arguments{cutlass::gemm::GemmUniversalMode::kGemm,
                                         {s.ffn, s.tokens, s.hidden, 1},
                                         {a, stride_a, b, stride_b},
                                         {fusion, c, stride_d, d, stride_d}};
    check(device::can_implement(arguments));
    const std::size_t bytes = device::get_workspace_size(arguments);
    if (workspace_ == nullptr || workspace_->size() < bytes)
      workspace_ = std::make_unique<device_array<unsigned char>>(bytes + 1);
    check(device_.initialize(arguments, workspace_->data(), stream));
    check(device_.run(stream));
  }

 private:
  device device_;
  std::unique_ptr<device_array<unsigned char>> workspace_;
};

// Variant has name(); forward and backward, the two epilogue_gemms' types; its own kept tensors, of bytes(); and
// forward_arguments(s, bias), backward_arguments(s, h, bias_gradient).
template <class Variant>
class fused_block final : public block {
 public:
  explicit fused_block(const block_shape& s)
      : shape_(s), kept_(s), h_(static_cast<std::size_t>(s.tokens) * static_cast<std::size_t>(s.ffn)) {}

  const char* name() const override { return Variant::name(); }
  std::size_t kept_bytes() const override { return h_.bytes() + kept_.bytes(); }
  bf16* kept_h() override { return h_.data(); }

  void forward(const block_parameters& p, const bf16* x, bf16* out, cudaStream_t stream) override {
    const block_shape& s = shape_;
    forward_.run(s, to_cutlass(p.w1), to_cutlass(x), nullptr, to_cutlass(h_.data()),
                 kept_.forward_arguments(s, to_cutlass(p.b1)), stream);
    linear_.product({h_.data(), s.tokens, s.ffn}, {p.w2, s.hidden, s.ffn, true}, p.b2, out, stream);
  }

  void backward(const block_parameters& p, const bf16* x, const bf16* out_gradient,
                const block_gradients& to, cudaStream_t stream) override {
    const block_shape& s = shape_;
    linear_.product_with_sums({out_gradient, s.tokens, s.hidden, true}, {h_.data(), s.tokens, s.ffn}, to.w2,
                              to.b2, stream);
    // pre's gradient takes h's place: every tile of it is read before it is written.
    const element* const y = to_cutlass(h_.data());
    backward_.run(s, to_cutlass(p.w2), to_cutlass(out_gradient), Variant::reads_y_as_c ? y : nullptr,
                  to_cutlass(h_.data()), kept_.backward_arguments(s, y, to.b1), stream);
    linear_.product({h_.data(), s.tokens, s.ffn, true}, {x, s.tokens, s.hidden}, nullptr, to.w1, stream);
    linear_.product({h_.data(), s.tokens, s.ffn}, {p.w1, s.ffn, s.hidden}, nullptr, to.x, stream);
  }

 private:
  block_shape shape_;
  Variant kept_;
  device_array<bf16> h_;
  typename Variant::forward_gemm forward_;
  typename Variant::backward_gemm backward_;
  linear linear_;
};

}  // namespace mlp
