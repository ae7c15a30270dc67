// A network in training, wherever it runs.
#pragma once

#include "parameter_layout.hpp"
#include "text.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace char_lm {

// Parameters and gradients are laid out by parameter_layout.
class trainer {
 public:
  virtual ~trainer() = default;

  virtual std::vector<float> parameters() = 0;

  // The probabilities of the token that follows each window, a row a window.
  virtual std::vector<float> probabilities(const batch& data) = 0;

  // The gradient of the mean loss at any weights, those of another trainer among them.
  virtual std::vector<float> gradient_at(const std::vector<float>& parameters, const batch& data) = 0;

  // A step of Adam, done by the time this returns.
  virtual void step(const batch& data, float rate) = 0;

  // Of the network's tensors, the most that was live when a backward began, and at any time.
  virtual std::size_t held_bytes() const = 0;
  virtual std::size_t peak_bytes() const = 0;
};

// Makes a trainer from its initial parameters.
using trainer_factory =
    std::function<std::unique_ptr<trainer>(const network_shape&, const std::vector<float>&)>;

struct variant {
  std::string name;
  trainer_factory make;
};

// The trainer of a device's network. Network has types `parameters`, `gradient` and `optimizer`, and
// moves their values with upload() and download().
template <class Network>
class network_trainer : public trainer {
 public:
  template <class... NetworkArguments>
  explicit network_trainer(const std::vector<float>& initial, NetworkArguments&&... arguments)
      : net_(std::forward<NetworkArguments>(arguments)...),
        parameters_(net_.upload(initial)),
        gradient_(net_.new_gradient()),
        optimizer_(net_) {}

  std::vector<float> parameters() override { return net_.download(parameters_); }

  std::vector<float> probabilities(const batch& data) override {
    return net_.download(net_.forward(parameters_, data));
  }

  std::vector<float> gradient_at(const std::vector<float>& parameters, const batch& data) override {
    differentiate(net_.upload(parameters), data);
    return net_.download(gradient_);
  }

  void step(const batch& data, float rate) override {
    differentiate(parameters_, data);
    optimizer_.step(gradient_, rate, parameters_);
  }

  std::size_t held_bytes() const override { return held_bytes_; }
  std::size_t peak_bytes() const override { return net_.memory().peak(); }

 private:
  void differentiate(const typename Network::parameters& parameters, const batch& data) {
    net_.forward(parameters, data);
    held_bytes_ = std::max(held_bytes_, net_.memory().live());
    net_.backward(parameters, data, gradient_);
  }

  Network net_;
  typename Network::parameters parameters_;
  typename Network::gradient gradient_;
  typename Network::optimizer optimizer_;
  std::size_t held_bytes_ = 0;
};

}  // namespace char_lm
