#include "../variants.hpp"

#include "gated_layer.cuh"
#include "network.cuh"

namespace char_lm {
namespace {

struct cuda_device {
  using storage = gpu::bf16;

  template <class Activation>
  trainer_factory saved_input() const {
    return factory<gpu::saved_input<Activation>>();
  }

  template <class Op>
  trainer_factory inverted(Op) const {
    return factory<gpu::inverted_layer<Op>>();
  }

  template <class Activation>
  trainer_factory saved_gate() const {
    return factory<gpu::saved_gate<Activation>>();
  }

  template <class Op>
  trainer_factory gated(Op) const {
    return factory<gpu::gated_layer<Op>>();
  }

  template <class Op>
  trainer_factory recomputed(Op) const {
    return factory<gpu::recomputing_layer<Op>>();
  }

  std::shared_ptr<const gpu::device> on = std::make_shared<gpu::device>();

 private:
  template <class Layer>
  trainer_factory factory() const {
    return [on = on](const network_shape& shape, const std::vector<float>& initial) {
      return std::make_unique<network_trainer<gpu::network>>(initial, on, shape,
                                                             [] { return std::make_unique<Layer>(); });
    };
  }
};

}  // namespace

std::vector<variant> cuda_variants(block_kind block, bool use_silu, sabotage how) {
  return variants_on(cuda_device{}, block, use_silu, how);
}

}  // namespace char_lm
