#include "calls.hpp"
#include "invact_torch.h"

#include <invact/host/executor.hpp>
#include <invact/host/gated.hpp>

#include <exception>
#include <utility>

namespace {

using invact_torch::call;
using invact_torch::step;

// The executor throws at what it refuses.
struct host {
  template <class... Arguments>
  static int forward(const call&, Arguments&&... arguments) {
    invact::host::forward(std::forward<Arguments>(arguments)...);
    return invact_torch::success;
  }
  template <class... Arguments>
  static int backward(const call&, Arguments&&... arguments) {
    invact::host::backward(std::forward<Arguments>(arguments)...);
    return invact_torch::success;
  }
  template <class Op, class... Arguments>
  static int forward_with_bias(const call& c, const Op& op, Arguments... arguments) {
    invact::host::forward_with_bias(op, invact::host::dense_shape(op, c.rows, c.cols), arguments...);
    return invact_torch::success;
  }
  template <class Op, class... Arguments>
  static int backward_with_bias_gradient(const call& c, const Op& op, Arguments... arguments) {
    invact::host::backward_with_bias_gradient(op, invact::host::dense_shape(op, c.rows, c.cols), arguments...);
    return invact_torch::success;
  }
  template <class... Arguments>
  static int forward_gated(const call&, Arguments&&... arguments) {
    invact::host::forward_gated(std::forward<Arguments>(arguments)...);
    return invact_torch::success;
  }
  template <class... Arguments>
  static int backward_gated(const call&, Arguments&&... arguments) {
    invact::host::backward_gated(std::forward<Arguments>(arguments)...);
    return invact_torch::success;
  }
};

int run(const char* activation, const char* storage, const char* packing, const call& what, int on_gpu) {
  if (activation == nullptr || storage == nullptr || packing == nullptr) return invact_torch::invalid;
  if (on_gpu != 0) return invact_torch::run_on_gpu(activation, storage, packing, what);
  try {
    return invact_torch::with_names<invact::binary16, invact::bfloat16>(invact_torch::runner<host>{what}, activation,
                                                                        storage, packing);
  } catch (const std::exception&) {
    return invact_torch::invalid;
  }
}

}  // namespace

int invact_torch_forward(const char* activation, const char* storage, const char* packing, long long n,
                         const void* x, void* y, void* mask, int on_gpu, void* stream) {
  return run(activation, storage, packing, {step::forward, n, 1, {x, nullptr, nullptr}, {y, nullptr}, mask, stream},
             on_gpu);
}

int invact_torch_backward(const char* activation, const char* storage, const char* packing, long long n,
                          const void* dy, const void* y, const void* mask, void* dx, int on_gpu, void* stream) {
  return run(activation, storage, packing,
             {step::backward, n, 1, {dy, y, nullptr}, {dx, nullptr}, const_cast<void*>(mask), stream}, on_gpu);
}

int invact_torch_forward_with_bias(const char* activation, const char* storage, const char* packing, long long rows,
                                   long long cols, const void* x, const void* bias, void* y, void* mask, int on_gpu,
                                   void* stream) {
  return run(activation, storage, packing,
             {step::forward_with_bias, rows, cols, {x, bias, nullptr}, {y, nullptr}, mask, stream}, on_gpu);
}

int invact_torch_backward_with_bias(const char* activation, const char* storage, const char* packing, long long rows,
                                    long long cols, const void* dy, const void* y, const void* mask, void* dx,
                                    float* bias_gradient, void* workspace, int on_gpu, void* stream) {
  return run(activation, storage, packing,
             {step::backward_with_bias, rows, cols, {dy, y, nullptr}, {dx, bias_gradient}, const_cast<void*>(mask),
              stream, workspace},
             on_gpu);
}

long long invact_torch_bias_workspace_bytes(long long rows, long long cols) {
  return invact_torch::workspace_bytes(rows, cols);
}

int invact_torch_gated_forward(const char* activation, const char* storage, const char* packing, long long n,
                               const void* g, const void* u, void* h, void* mask, int on_gpu, void* stream) {
  return run(activation, storage, packing, {step::gated_forward, n, 1, {g, u, nullptr}, {h, nullptr}, mask, stream},
             on_gpu);
}

int invact_torch_gated_backward(const char* activation, const char* storage, const char* packing, long long n,
                                const void* dh, const void* h, const void* u, const void* mask, void* dg, void* du,
                                int on_gpu, void* stream) {
  return run(activation, storage, packing,
             {step::gated_backward, n, 1, {dh, h, u}, {dg, du}, const_cast<void*>(mask), stream}, on_gpu);
}

int invact_torch_has_cuda(void) { return invact_torch::has_cuda() ? 1 : 0; }

const char* invact_torch_message(int status) {
  switch (status) {
    case invact_torch::success: return "no error";
    case invact_torch::invalid: return "invalid argument: an unknown name, a negative size or a null tensor";
    case invact_torch::no_cuda: return "a tensor on a GPU, but the library was built without CUDA";
    default: return invact_torch::cuda_message(status);
  }
}
