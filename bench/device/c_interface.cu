#include "c_interface.h"
#include "c_interface_op.hpp"

#include <invact/activation/catalogue.hpp>

#include <cstring>

namespace {

const bench::c_op* find(const char* activation, const char* storage, const char* packing) {
#define INVACT_FIND(name) \
  if (std::strcmp(activation, #name) == 0) return bench::find_op<invact::name>(storage, packing);
  INVACT_CATALOGUE(INVACT_FIND)
#undef INVACT_FIND
  return nullptr;
}

}  // namespace

int invact_bench_forward(const char* activation, const char* storage, const char* packing, long long n,
                         const void* x, void* y, void* mask, void* stream) {
  const bench::c_op* const op = find(activation, storage, packing);
  if (op == nullptr) return cudaErrorInvalidValue;
  return op->forward(n, x, y, mask, static_cast<cudaStream_t>(stream));
}

int invact_bench_backward(const char* activation, const char* storage, const char* packing, long long n,
                          const void* dy, const void* y, const void* mask, void* dx, void* stream) {
  const bench::c_op* const op = find(activation, storage, packing);
  if (op == nullptr) return cudaErrorInvalidValue;
  return op->backward(n, dy, y, mask, dx, static_cast<cudaStream_t>(stream));
}

int invact_bench_mask_bits(const char* activation, const char* storage, const char* packing) {
  const bench::c_op* const op = find(activation, storage, packing);
  return op == nullptr ? -1 : op->mask_bits;
}

int invact_bench_gradient_factor(const char* activation, const char* storage, const char* packing,
                                 long long n, const void* y, const void* mask, float* g, void* stream) {
  const bench::c_op* const op = find(activation, storage, packing);
  if (op == nullptr) return cudaErrorInvalidValue;
  return op->gradient_factor(n, y, mask, g, static_cast<cudaStream_t>(stream));
}
