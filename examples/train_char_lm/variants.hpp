// What is compared, on any device: all that the backward needs saved, and what invact keeps in its place.
#pragma once

#include "sabotage.hpp"
#include "trainer.hpp"

#include <vector>

namespace char_lm {

// On the CPU, and on the first GPU. The latter throws std::runtime_error where there is none.
std::vector<variant> cpu_variants(block_kind block, bool use_silu, sabotage how);
std::vector<variant> cuda_variants(block_kind block, bool use_silu, sabotage how);

// A device has a type `storage`, and makes a trainer_factory of any kind:
//   saved_input<Activation>()   with an implementation of the activation that is not invact's
//   inverted(op)                with the op
//   saved_gate<Activation>()    the same of a gated unit
//   gated(op)
//   recomputed(op)              with an op that takes g in its backward, not h
template <class Activation, class Device>
std::vector<variant> mlp_variants(const Device& device, sabotage how) {
  const auto inverted = [&](auto packing) {
    return make_with_op<invact::inverted, Activation, typename Device::storage, decltype(packing)>(
        how, [&](auto op) { return device.inverted(op); });
  };
  return {{"input saved", device.template saved_input<Activation>()},
          {"bitmask", inverted(invact::bitmask{})},
          {"mantissa bit", inverted(invact::mantissa_bit{})}};
}

// The last variant has no pieces, so nothing to sabotage.
template <class Activation, class Device>
std::vector<variant> swiglu_variants(const Device& device, sabotage how) {
  const auto gated = [&](auto packing) {
    return make_with_op<invact::gated, Activation, typename Device::storage, decltype(packing)>(
        how, [&](auto op) { return device.gated(op); });
  };
  return {
      {"g, u saved", device.template saved_gate<Activation>()},
      {"bitmask", gated(invact::bitmask{})},
      {"mantissa bit", gated(invact::mantissa_bit{})},
      {"h recomputed", device.recomputed(invact::gated_recompute<Activation, typename Device::storage>{})}};
}

template <class Activation, class Device>
std::vector<variant> variants_of(const Device& device, block_kind block, sabotage how) {
  return block == block_kind::swiglu ? swiglu_variants<Activation>(device, how)
                                     : mlp_variants<Activation>(device, how);
}

template <class Device>
std::vector<variant> variants_on(const Device& device, block_kind block, bool use_silu, sabotage how) {
  return use_silu ? variants_of<invact::silu>(device, block, how)
                  : variants_of<invact::gelu>(device, block, how);
}

}  // namespace char_lm
