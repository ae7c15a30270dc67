// Forward and backward of gated units beside, in turn on one stream, a device-to-device memcpy that moves as many bytes
// as each must: of a unit, forward g, u and h (interleaved also the u that it writes), backward dh, h, u, dg and du, and
// the mask's. gated_recompute, which keeps g and u, is beside gated: its backward with the h that it writes again, and
// without.
//
// Reported are medians, in the counters; Google Benchmark's own time is the mean of ours.
//   us, GB/s    of ours; every tensor counted once
//   vs_memcpy   the memcpy's time over ours: above 1 is faster
//
// Compiled without INVACT_BENCH_ALL_STORAGE, as where there is no GPU to run it, it has SwiGLU in bfloat16 alone.
//
// --iterations=N   rounds of one benchmark, 20 if not given
#include "register.hpp"
#include "support.cuh"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace {

using namespace bench;

// What is timed.
enum class step { forward, backward, backward_without_h };

template <class T>
struct tensors {
  device_array<T> gu, u, h, dh, dgu, du;
  device_array<uint8> mask;

  // gu holds pairs, of which g alone is the first half.
  tensors(int64 n, int64 mask_bytes) : gu(2 * n), u(n), h(n), dh(n), dgu(2 * n), du(n), mask(mask_bytes) {
    gu.fill_normal(1);
    u.fill_normal(2);
    dh.fill_normal(3);
  }
};

// The library's calls, whatever the op keeps.
template <bool Interleaved, class Op, class T>
void forward(const Op& op, const invact::gated_shape& shape, tensors<T>& t, cudaStream_t stream) {
  if constexpr (Interleaved) {
    if constexpr (Op::recomputes) {
      check(invact::device::forward_interleaved(op, shape, t.gu.get(), t.h.get(), stream));
    } else if constexpr (Op::mask_bits > 0) {
      check(invact::device::forward_interleaved(op, shape, t.gu.get(), t.h.get(), t.u.get(), t.mask.get(), stream));
    } else {
      check(invact::device::forward_interleaved(op, shape, t.gu.get(), t.h.get(), t.u.get(), stream));
    }
  } else if constexpr (Op::mask_bits > 0) {
    check(invact::device::forward_gated(op, shape, t.gu.get(), t.u.get(), t.h.get(), t.mask.get(), stream));
  } else {
    check(invact::device::forward_gated(op, shape, t.gu.get(), t.u.get(), t.h.get(), stream));
  }
}
template <bool Interleaved, class Op, class T>
void backward(const Op& op, const invact::gated_shape& shape, tensors<T>& t, bool with_h, cudaStream_t stream) {
  T* const h = with_h ? t.h.get() : nullptr;
  if constexpr (Interleaved) {
    if constexpr (Op::recomputes) {
      check(invact::device::backward_interleaved(op, shape, t.dh.get(), t.gu.get(), t.dgu.get(), h, stream));
    } else if constexpr (Op::mask_bits > 0) {
      check(invact::device::backward_interleaved(op, shape, t.dh.get(), t.h.get(), t.u.get(), t.mask.get(),
                                                 t.dgu.get(), stream));
    } else {
      check(invact::device::backward_interleaved(op, shape, t.dh.get(), t.h.get(), t.u.get(), t.dgu.get(), stream));
    }
  } else if constexpr (Op::recomputes) {
    check(invact::device::backward_gated(op, shape, t.dh.get(), t.gu.get(), t.u.get(), t.dgu.get(), t.du.get(), h,
                                         stream));
  } else if constexpr (Op::mask_bits > 0) {
    check(invact::device::backward_gated(op, shape, t.dh.get(), t.h.get(), t.u.get(), t.mask.get(), t.dgu.get(),
                                         t.du.get(), stream));
  } else {
    check(invact::device::backward_gated(op, shape, t.dh.get(), t.h.get(), t.u.get(), t.dgu.get(), t.du.get(), stream));
  }
}

template <bool Interleaved, class Op>
void measure(benchmark::State& state, step what, int log2n) {
  using T = typename Op::storage_type;
  const int64 n = int64{1} << log2n;
  const int64 mask_bytes = Op::mask_bits > 0 ? invact::mask_bytes(n, Op::mask_bits) : 0;
  const int64 forward_tensors = Interleaved && !Op::recomputes ? 4 : 3;
  const int64 backward_tensors = what == step::backward && Op::recomputes ? 6 : 5;
  const int64 bytes =
      n * static_cast<int64>(sizeof(T)) * (what == step::forward ? forward_tensors : backward_tensors) + mask_bytes;
  tensors<T> t(n, mask_bytes);
  const Op op;
  const invact::gated_shape shape = invact::device::dense_gated_shape(op, int64{1} << 13, n >> 13, Interleaved);
  forward<Interleaved>(op, shape, t, nullptr);
  check(cudaDeviceSynchronize());
  memcpy_of copy(bytes);
  race r(batch_of(n));
  const std::size_t ours = r.add([&](cudaStream_t stream) {
    if (what == step::forward) {
      forward<Interleaved>(op, shape, t, stream);
    } else {
      backward<Interleaved>(op, shape, t, what == step::backward, stream);
    }
  });
  const std::size_t peer = r.add([&](cudaStream_t stream) { copy(stream, bytes); });
  r.warm_up(3);
  while (state.KeepRunning()) {
    r.round();
    state.SetIterationTime(r.last(ours));
  }
  state.counters["us"] = 1e6 * r.median_of(ours);
  state.counters["GB/s"] = 1e-9 * static_cast<double>(bytes) / r.median_of(ours);
  state.counters["vs_memcpy"] = r.median_of(peer) / r.median_of(ours);
}

template <bool Interleaved, class Op>
void add(const std::string& name, long iterations) {
  std::vector<std::pair<step, const char*>> steps{{step::forward, "forward"}, {step::backward, "backward"}};
  if (Op::recomputes) steps.push_back({step::backward_without_h, "backward_without_h"});
  for (const auto& [what, text] : steps) {
    for (const int log2n : {20, 24, 27, sizeof(typename Op::storage_type) == 2 ? 29 : 28}) {
      const std::string full =
          name + (Interleaved ? "/interleaved/" : "/separate/") + text + "/log2n:" + std::to_string(log2n);
      bench::add(full, iterations, [=, timed = what](benchmark::State& state) {
        measure<Interleaved, Op>(state, timed, log2n);
      });
    }
  }
}

template <class Op>
void add(const std::string& name, long iterations) {
  add<false, Op>(name, iterations);
  add<true, Op>(name, iterations);
}

template <class Activation, class T>
void add(const std::string& unit, const char* storage, long iterations) {
  const std::string name = unit + "/" + storage;
  if constexpr (invact::piece_bits_v<Activation> == 0) {
    add<invact::gated<Activation, T>>(name + "/none", iterations);
  } else {
    add<invact::gated<Activation, T>>(name + "/bitmask", iterations);
    add<invact::gated<Activation, T, invact::mantissa_bit>>(name + "/mantissa_bit", iterations);
  }
  add<invact::gated_recompute<Activation, T>>(name + "/recompute", iterations);
}

}  // namespace

int main(int argc, char** argv) {
  if (!has_gpu()) return skipped;
  const long iterations = take_option(argc, argv, "--iterations", 20);
  add<invact::silu, __nv_bfloat16>("swiglu", "bfloat16", iterations);
#if INVACT_BENCH_ALL_STORAGE
  add<invact::gelu, __nv_bfloat16>("geglu", "bfloat16", iterations);
  add<invact::gelu_tanh, __nv_bfloat16>("geglu_tanh", "bfloat16", iterations);
  add<invact::mish, __nv_bfloat16>("mishglu", "bfloat16", iterations);
  add<invact::relu, __nv_bfloat16>("reglu", "bfloat16", iterations);
  add<invact::sigmoid, __nv_bfloat16>("glu", "bfloat16", iterations);
  add<invact::clamped_swiglu<__nv_bfloat16>>("clamped_swiglu/bfloat16/bitmask", iterations);
  add<invact::clamped_swiglu<__nv_bfloat16, invact::mantissa_bit>>("clamped_swiglu/bfloat16/mantissa_bit", iterations);
  add<invact::silu, __half>("swiglu", "half", iterations);
  add<invact::gelu, __half>("geglu", "half", iterations);
  add<invact::silu, float>("swiglu", "float", iterations);
  add<invact::gelu, float>("geglu", "float", iterations);
#endif
  return run_added(argc, argv);
}
