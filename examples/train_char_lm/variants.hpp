// What is compared, on any device: the activation's input saved, and invact's two packings.
#pragma once

#include "sabotage.hpp"
#include "trainer.hpp"

#include <vector>

namespace char_lm {

// On the CPU, and on the first GPU. The latter throws std::runtime_error where there is none.
std::vector<variant> cpu_variants(bool use_silu, sabotage how);
std::vector<variant> cuda_variants(bool use_silu, sabotage how);

// A device has a type `storage`, and makes a trainer_factory of either kind:
//   saved_input<Activation>()   with an implementation of the activation that is not invact's
//   inverted(op)                with the op
template <class Activation, class Device>
std::vector<variant> variants_of(const Device& device, sabotage how) {
  const auto inverted = [&](auto packing) {
    return make_with_op<Activation, typename Device::storage, decltype(packing)>(
        how, [&](auto op) { return device.inverted(op); });
  };
  return {{"input saved", device.template saved_input<Activation>()},
          {"bitmask", inverted(invact::bitmask{})},
          {"mantissa bit", inverted(invact::mantissa_bit{})}};
}

template <class Device>
std::vector<variant> variants_on(const Device& device, bool use_silu, sabotage how) {
  return use_silu ? variants_of<invact::silu>(device, how) : variants_of<invact::gelu>(device, how);
}

}  // namespace char_lm
