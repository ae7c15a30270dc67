#include "../variants.hpp"

#include "gated_layer.hpp"
#include "network.hpp"

namespace char_lm {
namespace {

struct cpu_device {
  using storage = invact::bfloat16;

  template <class Activation>
  trainer_factory saved_input() const {
    return factory<cpu::saved_input<Activation, storage>>();
  }

  template <class Op>
  trainer_factory inverted(Op) const {
    return factory<cpu::inverted_layer<Op>>();
  }

  template <class Activation>
  trainer_factory saved_gate() const {
    return factory<cpu::saved_gate<Activation, storage>>();
  }

  template <class Op>
  trainer_factory gated(Op) const {
    return factory<cpu::gated_layer<Op>>();
  }

  template <class Op>
  trainer_factory recomputed(Op) const {
    return factory<cpu::recomputing_layer<Op>>();
  }

 private:
  template <class Layer>
  static trainer_factory factory() {
    return [](const network_shape& shape, const std::vector<float>& initial) {
      return std::make_unique<network_trainer<cpu::network<storage>>>(initial, shape,
                                                                      cpu::make_factory<Layer>());
    };
  }
};

}  // namespace

std::vector<variant> cpu_variants(block_kind block, bool use_silu, sabotage how) {
  return variants_on(cpu_device{}, block, use_silu, how);
}

}  // namespace char_lm
