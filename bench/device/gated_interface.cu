#include "c_interface.h"
#include "c_interface_names.hpp"

#include <invact/invact.cuh>

namespace {

using bench::in;
using bench::out;

struct ops {
  template <class Activation, class Run>
  static cudaError_t with_packing(const Run& run, const char* packing) {
    using invact::gated;
    if (std::strcmp(packing, "bitmask") == 0) return run(gated<Activation, bench::element>{});
    if (std::strcmp(packing, "mantissa_bit") == 0)
      return run(gated<Activation, bench::element, invact::mantissa_bit>{});
    if (std::strcmp(packing, "recompute") == 0) return run(invact::gated_recompute<Activation, bench::element>{});
    return cudaErrorInvalidValue;
  }
};

}  // namespace

int invact_bench_gated_forward(const char* activation, const char* packing, long long n, const void* g, const void* u,
                               void* h, void* mask, void* stream_pointer) {
  const auto stream = static_cast<cudaStream_t>(stream_pointer);
  return bench::with_op<ops>(
      [&](auto op) {
        if constexpr (decltype(op)::mask_bits > 0) {
          return invact::device::forward_gated(op, n, in(g), in(u), out(h), static_cast<invact::uint8*>(mask), stream);
        } else {
          return invact::device::forward_gated(op, n, in(g), in(u), out(h), stream);
        }
      },
      activation, packing);
}

int invact_bench_gated_backward(const char* activation, const char* packing, long long n, const void* dh,
                                const void* kept, const void* u, const void* mask, void* dg, void* du, void* h,
                                void* stream_pointer) {
  const auto stream = static_cast<cudaStream_t>(stream_pointer);
  return bench::with_op<ops>(
      [&](auto op) {
        using op_type = decltype(op);
        if constexpr (op_type::recomputes) {
          return invact::device::backward_gated(op, n, in(dh), in(kept), in(u), out(dg), out(du), out(h), stream);
        } else if constexpr (op_type::mask_bits > 0) {
          return invact::device::backward_gated(op, n, in(dh), in(kept), in(u), static_cast<const invact::uint8*>(mask),
                                                out(dg), out(du), stream);
        } else {
          return invact::device::backward_gated(op, n, in(dh), in(kept), in(u), out(dg), out(du), stream);
        }
      },
      activation, packing);
}
