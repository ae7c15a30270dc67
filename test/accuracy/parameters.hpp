// Activations with parameters are measured with other values than the default ones too.
#pragma once

#include <vector>

#include <invact/invact.hpp>

#include "reference/activation.hpp"

namespace report {

template <class Activation>
struct with_parameters {
  Activation activation;
  reference::parameters parameters;
};

// The parameters of an activation are floats, and nothing else is in it.
template <class Activation>
std::vector<with_parameters<Activation>> variants(const char* name) {
  const reference::function f = reference::find(name);
  std::vector<with_parameters<Activation>> all{{Activation{}, f.p}};
  if constexpr (!std::is_empty<Activation>::value) {
    for (const reference::parameters& p : f.of->others) {
      Activation a;
      static_assert(sizeof(Activation) % sizeof(float) == 0, "parameters are floats");
      float values[sizeof(Activation) / sizeof(float)] = {};
      for (std::size_t i = 0; i < p.size(); ++i) values[i] = static_cast<float>(p[i]);
      std::memcpy(static_cast<void*>(&a), values, sizeof a);
      all.push_back({a, p});
    }
  }
  return all;
}

}  // namespace report
