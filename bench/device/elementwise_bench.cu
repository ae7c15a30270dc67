// Forward and backward of every (activation, storage, packing) beside, in turn on one stream, a device-to-device
// memcpy that moves the same bytes (the mask's among them) and a standard kernel that saves x (standard.cuh)
// with the fastest of three launch policies.
//
// Reported are medians, in the counters; Google Benchmark's own time is the mean of ours.
//   us, GB/s                 of ours; every tensor counted once
//   memcpy_us, standard_us   of the peers
//   vs_memcpy, vs_standard   the peer's time over ours: above 1 is faster
// 2^20 and 2^24 elements stay in or near the L2 cache: every contestant is a graph of 20 calls.
//
// --iterations=N   rounds of one benchmark, 60 if not given
// --profile=1      one call of ours in each and no peers, for a profiler
#include "c_interface.h"
#include "register.hpp"
#include "standard.cuh"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace {

using namespace bench;

enum class pass { forward, backward, both };
constexpr const char* pass_names[] = {"forward", "backward", "both"};

struct options {
  long iterations;
  bool profile;
};

template <class Activation, class T>
class standard_kernels {
  using op = standard<Activation, T>;

 public:
  // Threads x fragments @ resident threads.
  static constexpr const char* names[] = {"128x1@1536", "128x1@2048", "128x2@1536",
                                          "128x2@2048", "128x3@2048", "128x4@1024"};
  static constexpr int count = 6;

  static void forward(int policy, int64 n, const T* x, T* y, cudaStream_t stream) {
    constexpr decltype(&forward_run<128, 1, 1536, op, T>) policies[count] = {
        forward_run<128, 1, 1536, op, T>, forward_run<128, 1, 2048, op, T>, forward_run<128, 2, 1536, op, T>,
        forward_run<128, 2, 2048, op, T>, forward_run<128, 3, 2048, op, T>, forward_run<128, 4, 1024, op, T>};
    policies[policy](op{}, n, x, y, nullptr, stream);
  }
  static void backward(int policy, int64 n, const T* dy, const T* x, T* dx, cudaStream_t stream) {
    constexpr decltype(&backward_run<128, 1, 1536, op, T>) policies[count] = {
        backward_run<128, 1, 1536, op, T>, backward_run<128, 1, 2048, op, T>, backward_run<128, 2, 1536, op, T>,
        backward_run<128, 2, 2048, op, T>, backward_run<128, 3, 2048, op, T>, backward_run<128, 4, 1024, op, T>};
    policies[policy](op{}, n, dy, x, nullptr, dx, stream);
  }

  // The fastest of run(policy, stream).
  template <class Run>
  static int fastest(int batch, const Run& run) {
    race r(batch);
    for (int p = 0; p < count; ++p) r.add([&run, p](cudaStream_t stream) { run(p, stream); });
    r.warm_up(2);
    for (int i = 0; i < 9; ++i) r.round();
    int best = 0;
    for (int p = 1; p < count; ++p) {
      if (r.median_of(p) < r.median_of(best)) best = p;
    }
    return best;
  }
};

template <class Activation, class T>
void measure(benchmark::State& state, const char* activation, const char* storage, const char* packing,
             pass which, int log2n, bool profile) {
  const int64 n = int64{1} << log2n;
  const bool has_mask = std::strcmp(packing, "bitmask") == 0;
  const bool forward = which != pass::backward, backward = which != pass::forward;
  const int64 mask_bytes = has_mask ? invact::mask_bytes(n) : 0;
  device_array<T> x(n), y(n), dy(backward ? n : 0), dx(backward ? n : 0);
  device_array<uint8> mask(mask_bytes);
  x.fill_normal(1);
  if (backward) dy.fill_normal(2);

  const auto run_forward = [&](cudaStream_t stream) {
    check(static_cast<cudaError_t>(
        invact_bench_forward(activation, storage, packing, n, x.get(), y.get(), mask.get(), stream)));
  };
  const auto run_backward = [&](cudaStream_t stream) {
    check(static_cast<cudaError_t>(invact_bench_backward(activation, storage, packing, n, dy.get(), y.get(),
                                                         mask.get(), dx.get(), stream)));
  };
  const auto ours = [&](cudaStream_t stream) {
    if (forward) run_forward(stream);
    if (backward) run_backward(stream);
  };
  if (profile) {
    if (!forward) run_forward(nullptr);
    ours(nullptr);
    check(cudaDeviceSynchronize());
    while (state.KeepRunning()) state.SetIterationTime(1e-9);
    return;
  }

  const int64 size = static_cast<int64>(sizeof(T));
  const int64 forward_bytes = forward ? 2 * n * size + mask_bytes : 0;
  const int64 backward_bytes = backward ? 3 * n * size + mask_bytes : 0;
  memcpy_of copy(std::max(forward_bytes, backward_bytes));

  using kernels = standard_kernels<Activation, T>;
  const int batch = batch_of(n);
  int forward_policy = 0, backward_policy = 0;
  std::string label = "standard";
  if (forward) {
    forward_policy = kernels::fastest(
        batch, [&](int p, cudaStream_t stream) { kernels::forward(p, n, x.get(), y.get(), stream); });
    label += std::string(" ") + kernels::names[forward_policy];
  }
  if (backward) {
    backward_policy = kernels::fastest(batch, [&](int p, cudaStream_t stream) {
      kernels::backward(p, n, dy.get(), x.get(), dx.get(), stream);
    });
    label += std::string(" ") + kernels::names[backward_policy];
  }
  // The backward's y is ours, whatever a standard forward has left there.
  run_forward(nullptr);
  check(cudaDeviceSynchronize());

  race r(batch);
  const std::size_t our_number = r.add(ours);
  const std::size_t copy_number = r.add([&](cudaStream_t stream) {
    if (forward) copy(stream, forward_bytes);
    if (backward) copy(stream, backward_bytes);
  });
  const std::size_t standard_number = r.add([&](cudaStream_t stream) {
    if (forward) kernels::forward(forward_policy, n, x.get(), y.get(), stream);
    if (backward) kernels::backward(backward_policy, n, dy.get(), x.get(), dx.get(), stream);
  });
  r.warm_up(3);
  while (state.KeepRunning()) {
    r.round();
    state.SetIterationTime(r.last(our_number));
  }
  const double seconds = r.median_of(our_number);
  const double copy_seconds = r.median_of(copy_number), standard_seconds = r.median_of(standard_number);
  state.counters["us"] = 1e6 * seconds;
  state.counters["memcpy_us"] = 1e6 * copy_seconds;
  state.counters["standard_us"] = 1e6 * standard_seconds;
  state.counters["GB/s"] = 1e-9 * static_cast<double>(forward_bytes + backward_bytes) / seconds;
  state.counters["vs_memcpy"] = copy_seconds / seconds;
  state.counters["vs_standard"] = standard_seconds / seconds;
  state.SetLabel(label);
}

template <class Activation, class T>
void add(const char* activation, const char* storage, const options& chosen) {
  for (const char* packing : {"bitmask", "mantissa_bit"}) {
    for (const pass which : {pass::forward, pass::backward, pass::both}) {
      if (chosen.profile && which == pass::both) continue;
      for (const int log2n : {20, 24, 29}) {
        const std::string name = std::string(activation) + "/" + storage + "/" + packing + "/" +
                                 pass_names[static_cast<int>(which)] + "/log2n:" + std::to_string(log2n);
        const bool profile = chosen.profile;
        bench::add(name, profile ? 1 : chosen.iterations, [=](benchmark::State& state) {
          measure<Activation, T>(state, activation, storage, packing, which, log2n, profile);
        });
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (!has_gpu()) return skipped;
  const options chosen{take_option(argc, argv, "--iterations", 60),
                       take_option(argc, argv, "--profile", 0) != 0};
  add<invact::gelu, __nv_bfloat16>("gelu", "bfloat16", chosen);
  add<invact::gelu, __half>("gelu", "half", chosen);
  add<invact::gelu, float>("gelu", "float", chosen);
  add<invact::silu, __nv_bfloat16>("silu", "bfloat16", chosen);
  add<invact::silu, __half>("silu", "half", chosen);
  add<invact::silu, float>("silu", "float", chosen);
  return run_added(argc, argv);
}
