// How gemm_bench and gated_gemm_bench measure: for every shape each operation is first searched for its fastest kernel
// and settings; then pairs of operations take turns, A B B A, and a pair's ratio is the median of its rounds', with a
// 95 % confidence interval of that median. All is printed as Markdown.
#pragma once

#include "contestant.hpp"

#include "../support.cuh"

#include <cuda_bf16.h>
#include <unistd.h>

#include <cmath>
#include <map>

namespace bench {

using work = std::function<void(cudaStream_t)>;

struct contest {
  const char* program;
  const char* title;
  long rounds;                         // of A B B A for each pair
  long calls;                          // timed, of each kernel and setting in the search
  std::vector<gemm_problem> problems;  // unless the command line has some
  bool shows_progress;                 // on a terminal, to stderr

  void progress(const std::string& text) const {
    if (shows_progress && isatty(2) != 0) std::fprintf(stderr, "\r\033[K%s", text.c_str());
  }
};

template <class = void>
__global__ void scale_kernel(int64 n, float by, __nv_bfloat16* x) {
  for (int64 i = int64{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += int64{blockDim.x} * gridDim.x)
    x[i] = __float2bfloat16(__bfloat162float(x[i]) * by);
}

// Factors whose products are N(0, 1), so that both pieces are hit: A is N(0, 1), B N(0, 1 / K).
inline void fill_factors(device_array<__nv_bfloat16>& a, device_array<__nv_bfloat16>& b, int k) {
  a.fill_normal(1);
  b.fill_normal(2);
  scale_kernel<><<<1024, 256>>>(b.size(), 1 / std::sqrt(static_cast<float>(k)), b.get());
  check(cudaGetLastError());
}

// One after the other.
inline work behind(const work& first, const work& second) {
  return [first, second](cudaStream_t stream) {
    first(stream);
    second(stream);
  };
}

// Seconds of `calls` calls, one by one.
inline std::vector<double> time_calls(const work& run, long calls) {
  race r(1);
  const std::size_t self = r.add(run);
  r.warm_up(2);
  std::vector<double> seconds;
  for (long i = 0; i < calls; ++i) {
    r.round();
    seconds.push_back(r.last(self));
  }
  return seconds;
}

// The fastest kernel and setting of an operation.
template <class Tensors>
struct winner {
  std::unique_ptr<contestant<Tensors>> kernel;
  int setting = 0;

  void prepare(const gemm_problem& p, const Tensors& t) const {
    const std::string why_not = kernel->prepare(p, t, setting);
    if (!why_not.empty()) throw std::runtime_error(why_not);
  }
  work run() const {
    contestant<Tensors>* const k = kernel.get();
    return [k](cudaStream_t s) { k->run(s); };
  }
};
template <class Tensors>
using winners = std::map<std::string, winner<Tensors>>;

// Every kernel and setting is timed, and then the best four in turns, as clocks follow power. Prints a row of
// the table of operations, and returns the winner, prepared.
template <class Tensors>
winner<Tensors> search(const contest& c, const std::string& name, contestants<Tensors> kernels,
                       const gemm_problem& p, const Tensors& t) {
  struct candidate {
    double seconds;
    std::size_t kernel;
    int setting;
    std::vector<double> again = {};
  };
  std::vector<candidate> all;
  std::string reason = "no kernel";
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    for (int setting = 0; setting < kernels[i]->settings(); ++setting) {
      c.progress(name + ": " + kernels[i]->name(setting));
      const std::string why_not = kernels[i]->prepare(p, t, setting);
      if (!why_not.empty()) {
        reason = why_not;
        continue;
      }
      all.push_back({median(time_calls([&](cudaStream_t s) { kernels[i]->run(s); }, c.calls)), i, setting});
    }
  }
  if (all.empty()) throw std::runtime_error(name + ": " + reason);
  const auto faster = [](const candidate& a, const candidate& b) { return a.seconds < b.seconds; };
  std::sort(all.begin(), all.end(), faster);
  std::vector<candidate> finalists(all.begin(),
                                   all.begin() + static_cast<long>(std::min<std::size_t>(4, all.size())));
  for (long round = 0; round < c.calls; ++round) {
    for (candidate& f : finalists) {
      kernels[f.kernel]->prepare(p, t, f.setting);
      for (const double seconds : time_calls([&](cudaStream_t s) { kernels[f.kernel]->run(s); }, 2))
        f.again.push_back(seconds);
    }
  }
  for (candidate& f : finalists) f.seconds = median(f.again);
  const candidate best = *std::min_element(finalists.begin(), finalists.end(), faster);
  winner<Tensors> w{std::move(kernels[best.kernel]), best.setting};
  w.prepare(p, t);
  c.progress("");
  std::printf("| %s | %.1f | %s | %zu |\n", name.c_str(), 1e6 * best.seconds,
              w.kernel->name(w.setting).c_str(), all.size());
  std::fflush(stdout);
  return w;
}

struct ratio {
  double median, low, high, seconds_a, seconds_b;
};

// a's time over b's: each round is A B B A. The interval is that of order statistics: of n independent rounds the
// median lies between those of rank n / 2 -+ 0.98 sqrt(n) with 95 %.
inline ratio compare(const work& a, const work& b, long rounds) {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  cudaEvent_t events[5];
  for (cudaEvent_t& e : events) check(cudaEventCreate(&e));
  std::vector<double> ratios, of_a, of_b;
  for (long round = -3; round < rounds; ++round) {
    hold_kernel<><<<1, 1, 0, stream>>>(100000);
    for (int turn = 0; turn < 4; ++turn) {
      check(cudaEventRecord(events[turn], stream));
      (turn == 0 || turn == 3 ? a : b)(stream);
    }
    check(cudaEventRecord(events[4], stream));
    check(cudaStreamSynchronize(stream));
    float ms[4];
    for (int turn = 0; turn < 4; ++turn)
      check(cudaEventElapsedTime(&ms[turn], events[turn], events[turn + 1]));
    if (round < 0) continue;
    of_a.push_back(5e-4 * (ms[0] + ms[3]));
    of_b.push_back(5e-4 * (ms[1] + ms[2]));
    ratios.push_back(of_a.back() / of_b.back());
  }
  for (cudaEvent_t e : events) cudaEventDestroy(e);
  cudaStreamDestroy(stream);
  std::sort(ratios.begin(), ratios.end());
  const double n = static_cast<double>(ratios.size());
  const auto rank = [&](double r) {
    return ratios[static_cast<std::size_t>(std::min(n - 1, std::max(0.0, r)))];
  };
  return {median(ratios), rank(n / 2 - 0.98 * std::sqrt(n)), rank(n / 2 + 0.98 * std::sqrt(n)),
          median(of_a), median(of_b)};
}

// A table of pairs of what `all` has.
inline void compare_pairs(const contest& c, const std::map<std::string, work>& all,
                          const std::vector<std::pair<const char*, const char*>>& pairs) {
  std::printf("\n| a | b | a, us | b, us | a / b | 95 %% |\n|---|---|---|---|---|---|\n");
  for (const auto& [a, b] : pairs) {
    c.progress(std::string(a) + " : " + b);
    const ratio r = compare(all.at(a), all.at(b), c.rounds);
    c.progress("");
    std::printf("| %s | %s | %.1f | %.1f | %.3f | %.3f to %.3f |\n", a, b, 1e6 * r.seconds_a,
                1e6 * r.seconds_b, r.median, r.low, r.high);
    std::fflush(stdout);
  }
}

// A program's main: `--rounds`, `--search` and M,N,K take the place of the contest's own; then every shape is measured.
inline int run_contest(int argc, char** argv, contest c,
                       void (*measure)(const contest&, const gemm_problem&)) try {
  c.rounds = take_option(argc, argv, "--rounds", c.rounds);
  c.calls = take_option(argc, argv, "--search", c.calls);
  std::vector<gemm_problem> problems;
  for (int i = 1; i < argc; ++i) {
    gemm_problem p{};
    if (std::sscanf(argv[i], "%d,%d,%d", &p.m, &p.n, &p.k) != 3 || p.m <= 0 || p.n <= 0 || p.k <= 0) {
      std::fprintf(stderr, "usage: %s [--rounds=N] [--search=N] [M,N,K ...]\n", c.program);
      return 2;
    }
    problems.push_back(p);
  }
  if (!problems.empty()) c.problems = problems;
  if (!has_gpu()) return skipped;
  cudaDeviceProp device;
  check(cudaGetDeviceProperties(&device, 0));
  if (device.major != 9) {
    std::printf("skipped: the kernels are for compute capability 9.0, and this is %d.%d\n", device.major,
                device.minor);
    return skipped;
  }
  std::printf("# %s on %s\n", c.title, device.name);
  for (const gemm_problem& p : c.problems) measure(c, p);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s: %s\n", c.program, error.what());
  return 1;
}

}  // namespace bench
