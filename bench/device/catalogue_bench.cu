// Forward and backward of every activation of the catalogue beside, in turn on one stream, a device-to-device memcpy
// that moves the same bytes, the mask's among them: 2^27 and 2^29 elements, at which memory alone should set the time.
//
// Reported are medians, in the counters; Google Benchmark's own time is the mean of ours.
//   us, GB/s    of ours; every tensor counted once
//   vs_memcpy   the memcpy's time over ours: above 1 is faster
//
// Of e4m3 x, dy and dx are bfloat16, and y is scaled by 16, with its amax recorded.
//
// Compiled without INVACT_BENCH_ALL_STORAGE, as where there is no GPU to run it, it has bfloat16 alone.
//
// --iterations=N   rounds of one benchmark, 20 if not given
#include "register.hpp"
#include "support.cuh"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace {

using namespace bench;

template <class Op>
struct make {
  static Op op() { return Op{}; }
};
template <class Activation, class Storage>
struct make<invact::scaled<Activation, Storage>> {
  static invact::scaled<Activation, Storage> op() {
    // A scale and an amax in the device's memory, for as long as the program runs.
    static float* const scale_and_amax = [] {
      float* memory = nullptr;
      const float values[2] = {16, 0};
      check(cudaMalloc(&memory, sizeof values));
      check(cudaMemcpy(memory, values, sizeof values, cudaMemcpyHostToDevice));
      return memory;
    }();
    return invact::scaled<Activation, Storage>(scale_and_amax, scale_and_amax + 1);
  }
};

template <class Op, class T>
void forward(int64 n, const T* x, typename Op::storage_type* y, uint8* mask, cudaStream_t stream) {
  if constexpr (Op::mask_bits > 0) {
    check(invact::device::forward(make<Op>::op(), n, x, y, mask, stream));
  } else {
    check(invact::device::forward(make<Op>::op(), n, x, y, stream));
  }
}
template <class Op, class T>
void backward(int64 n, const T* dy, const typename Op::storage_type* y, const uint8* mask, T* dx,
              cudaStream_t stream) {
  if constexpr (Op::mask_bits > 0) {
    check(invact::device::backward(make<Op>::op(), n, dy, y, mask, dx, stream));
  } else {
    check(invact::device::backward(make<Op>::op(), n, dy, y, dx, stream));
  }
}

template <class Op, class T>
void measure(benchmark::State& state, bool is_forward, int log2n) {
  const int64 n = int64{1} << log2n;
  const int64 mask_bytes = Op::mask_bits > 0 ? invact::mask_bytes(n, Op::mask_bits) : 0;
  using Y = typename Op::storage_type;
  const int64 bytes = n * static_cast<int64>((is_forward ? 1 : 2) * sizeof(T) + sizeof(Y)) + mask_bytes;
  device_array<Y> y(n);
  device_array<T> x(n), dy(is_forward ? 0 : n), dx(is_forward ? 0 : n);
  device_array<uint8> mask(mask_bytes);
  x.fill_normal(1);
  if (!is_forward) dy.fill_normal(2);
  forward<Op>(n, x.get(), y.get(), mask.get(), nullptr);
  check(cudaDeviceSynchronize());
  memcpy_of copy(bytes);
  race r(batch_of(n));
  const std::size_t ours = r.add([&](cudaStream_t stream) {
    if (is_forward) {
      forward<Op>(n, x.get(), y.get(), mask.get(), stream);
    } else {
      backward<Op>(n, dy.get(), y.get(), mask.get(), dx.get(), stream);
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

template <class Op, class T>
void add(const std::string& name, long iterations) {
  for (const bool is_forward : {true, false}) {
    for (const int log2n : {22, 27, 29}) {
      const std::string full =
          name + (is_forward ? "/forward" : "/backward") + "/log2n:" + std::to_string(log2n);
      bench::add(full, iterations,
                 [=](benchmark::State& state) { measure<Op, T>(state, is_forward, log2n); });
    }
  }
}

template <class Activation>
void add_e4m3(const std::string& activation, long iterations) {
  add<invact::scaled<Activation, invact::float8_e4m3>, __nv_bfloat16>(
      activation + "/e4m3/" + (invact::piece_bits_v<Activation> == 0 ? "none" : "bitmask"), iterations);
}

template <class Activation, class T>
void add(const std::string& activation, const char* storage, long iterations) {
  const std::string name = activation + "/" + storage;
  if constexpr (invact::piece_bits_v<Activation> == 0) {
    add<invact::inverted<Activation, T>, T>(name + "/none", iterations);
  } else {
    add<invact::inverted<Activation, T>, T>(name + "/bitmask", iterations);
    add<invact::inverted<Activation, T, invact::mantissa_bit>, T>(name + "/mantissa_bit", iterations);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (!has_gpu()) return skipped;
  const long iterations = take_option(argc, argv, "--iterations", 20);
#define INVACT_ADD(name) add<invact::name, __nv_bfloat16>(#name, "bfloat16", iterations);
  INVACT_CATALOGUE(INVACT_ADD)
#undef INVACT_ADD
#if INVACT_BENCH_ALL_STORAGE
#define INVACT_ADD(name)                                \
  add<invact::name, __half>(#name, "half", iterations); \
  add<invact::name, float>(#name, "float", iterations); \
  add_e4m3<invact::name>(#name, iterations);
  INVACT_CATALOGUE(INVACT_ADD)
#undef INVACT_ADD
#endif
  return run_added(argc, argv);
}
