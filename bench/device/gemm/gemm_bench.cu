// GEMMs with their epilogues: stock CUTLASS, cuBLASLt with fused epilogues and with our elementwise kernels behind it, and
// ours. For every shape each operation is first searched for its fastest kernel and settings; then pairs of winners take
// turns, A B B A, and a pair's ratio is the median of its rounds', with a 95 % confidence interval of that median.
//
//   gemm_bench [--rounds=N] [--search=N] [M,N,K ...]
//
// --rounds   of A B B A for each pair, 60 if not given
// --search   timed calls of each kernel and setting in the search, 7 if not given
// M,N,K      shapes, in place of (8192, 16384, 4096), (8192, 14336, 4096), (8192, 4096, 1024), (2048, 3072, 768)
//
// Prints Markdown. A backward multiplies dY * W^T, as many numbers, by f'(x). Exit status 77: no GPU of compute
// capability 9.0.
#include "cublaslt.hpp"
#include "gemm.hpp"

#include "../support.cuh"

#include <cuda_bf16.h>

#include <cmath>
#include <map>

namespace {

using namespace bench;
using element = __nv_bfloat16;
using mantissa_bit = invact::inverted<invact::gelu, element, invact::mantissa_bit>;
using bitmask = invact::inverted<invact::gelu, element>;

__global__ void scale_kernel(int64 n, float by, element* x) {
  for (int64 i = int64{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += int64{blockDim.x} * gridDim.x)
    x[i] = __float2bfloat16(__bfloat162float(x[i]) * by);
}

// The tensors of one shape. x is N(0, 1), so that both pieces are hit: A is N(0, 1), B N(0, 1 / K).
class tensors {
 public:
  explicit tensors(const gemm_problem& p)
      : problem(p),
        count(int64{p.m} * p.n),
        mask_stride((int64{p.n} + 127) / 128 * 128),
        a_(int64{p.m} * p.k),
        b_(int64{p.n} * p.k),
        bias_(p.n),
        d_(count),
        x_(count),
        y_bitmask_(count),
        y_mantissa_bit_(count),
        mask_(p.m * mask_stride / 8),
        written_mask_(p.m * mask_stride / 8),
        bias_gradient_(std::max(p.m, p.n)),
        workspace_(64 << 20) {
    a_.fill_normal(1);
    b_.fill_normal(2);
    x_.fill_normal(3);
    scale_kernel<<<1024, 256>>>(b_.size(), 1 / std::sqrt(static_cast<float>(p.k)), b_.get());
    check(cudaMemset(bias_.get(), 0, static_cast<std::size_t>(p.n) * sizeof(element)));
    check(invact::device::forward(mantissa_bit{}, count, x_.get(), y_mantissa_bit_.get(), nullptr));
    check(invact::device::forward(bitmask{}, shape(), x_.get(), y_bitmask_.get(), mask_.get(), nullptr));
    check(cudaDeviceSynchronize());
  }

  invact::matrix_shape shape() const {
    invact::matrix_shape s;
    s.rows = problem.m;
    s.cols = s.ld_x = s.ld_y = s.ld_dy = s.ld_dx = problem.n;
    s.mask_stride_bits = mask_stride;
    return s;
  }

  // What an operation takes. Forwards that keep x write it over what backwards read, which is as random.
  gemm_tensors of(const std::string& operation) {
    element* aux = x_.get();
    if (operation.rfind("backward_mantissa_bit", 0) == 0) aux = y_mantissa_bit_.get();
    if (operation.rfind("backward_bitmask", 0) == 0) aux = y_bitmask_.get();
    // What forwards write is not what backwards read.
    uint8* mask = operation.rfind("backward", 0) == 0 ? mask_.get() : written_mask_.get();
    return {a_.get(),         b_.get(), bias_.get(), d_.get(), aux, mask, bias_gradient_.get(),
            workspace_.get(), 64u << 20};
  }

  gemm_problem problem;
  int64 count, mask_stride;

  device_array<element>& d() { return d_; }
  element* y_mantissa_bit() { return y_mantissa_bit_.get(); }
  element* y_bitmask() { return y_bitmask_.get(); }
  uint8* mask() { return mask_.get(); }
  uint8* written_mask() { return written_mask_.get(); }

 private:
  device_array<element> a_, b_, bias_, d_, x_, y_bitmask_, y_mantissa_bit_;
  device_array<uint8> mask_, written_mask_;
  device_array<float> bias_gradient_;
  device_array<uint8> workspace_;
};

// Seconds of `calls` calls of work, one by one.
std::vector<double> time_calls(const std::function<void(cudaStream_t)>& work, long calls) {
  race r(1);
  const std::size_t self = r.add(work);
  r.warm_up(2);
  std::vector<double> seconds;
  for (long i = 0; i < calls; ++i) {
    r.round();
    seconds.push_back(r.last(self));
  }
  return seconds;
}

// The fastest kernel and setting of an operation.
struct winner {
  std::unique_ptr<gemm_kernel> kernel;
  std::function<void(cudaStream_t)> work;
};

// Every kernel and setting is timed, and then the best four in turns, as clocks follow power.
winner search(const gemm_operation& operation, tensors& t, long calls) {
  struct candidate {
    double seconds;
    std::size_t kernel;
    int setting;
    std::vector<double> again = {};
  };
  gemm_kernels kernels = operation.kernels();
  const gemm_tensors on = t.of(operation.name);
  std::vector<candidate> all;
  std::string reason = "no kernel";
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    for (int setting = 0; setting < kernels[i]->settings(); ++setting) {
      const std::string why_not = kernels[i]->prepare(t.problem, on, setting);
      if (!why_not.empty()) {
        reason = why_not;
        continue;
      }
      all.push_back({median(time_calls([&](cudaStream_t s) { kernels[i]->run(s); }, calls)), i, setting});
    }
  }
  if (all.empty()) throw std::runtime_error(operation.name + ": " + reason);
  const auto faster = [](const candidate& a, const candidate& b) { return a.seconds < b.seconds; };
  std::sort(all.begin(), all.end(), faster);
  std::vector<candidate> finalists(all.begin(),
                                   all.begin() + static_cast<long>(std::min<std::size_t>(4, all.size())));
  for (long round = 0; round < calls; ++round) {
    for (candidate& c : finalists) {
      kernels[c.kernel]->prepare(t.problem, on, c.setting);
      for (const double seconds : time_calls([&](cudaStream_t s) { kernels[c.kernel]->run(s); }, 2))
        c.again.push_back(seconds);
    }
  }
  for (candidate& c : finalists) c.seconds = median(c.again);
  const candidate best = *std::min_element(finalists.begin(), finalists.end(), faster);
  winner w;
  w.kernel = std::move(kernels[best.kernel]);
  w.kernel->prepare(t.problem, on, best.setting);
  gemm_kernel* const kernel = w.kernel.get();
  w.work = [kernel](cudaStream_t s) { kernel->run(s); };
  std::printf("| %s | %.1f | %s | %zu |\n", operation.name.c_str(), 1e6 * best.seconds,
              kernel->name(best.setting).c_str(), all.size());
  std::fflush(stdout);
  return w;
}

struct ratio {
  double median, low, high, seconds_a, seconds_b;
};

// a's time over b's: each round is A B B A. The interval is that of order statistics: of n independent rounds the median
// lies between those of rank n / 2 -+ 0.98 sqrt(n) with 95 %.
ratio compare(const std::function<void(cudaStream_t)>& a, const std::function<void(cudaStream_t)>& b,
              long rounds) {
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

void measure(const gemm_problem& p, long rounds, long calls) {
  tensors t(p);
  std::printf("\n## %d x %d x %d\n\n| operation | us | fastest kernel | tried |\n|---|---|---|---|\n", p.m,
              p.n, p.k);
  std::vector<gemm_operation> operations = cublaslt_operations();
#define INVACT_ADD(name) operations.push_back({#name, bench::name});
  INVACT_GEMM_OPERATIONS(INVACT_ADD)
#undef INVACT_ADD
  std::map<std::string, winner> winners;
  std::map<std::string, std::function<void(cudaStream_t)>> work;
  for (const gemm_operation& operation : operations) {
    winners[operation.name] = search(operation, t, calls);
    work[operation.name] = winners[operation.name].work;
  }

  // Unfused: cuBLASLt, then our elementwise kernel over D in place.
  const auto none = work["cublaslt_none"], bias = work["cublaslt_bias"];
  element* d = t.d().get();
  work["unfused_forward_mantissa_bit"] = [&, bias, d](cudaStream_t s) {
    bias(s);
    check(invact::device::forward(mantissa_bit{}, t.count, d, d, s));
  };
  work["unfused_forward_bitmask"] = [&, bias, d](cudaStream_t s) {
    bias(s);
    check(invact::device::forward(bitmask{}, t.shape(), d, d, t.written_mask(), s));
  };
  work["unfused_backward_mantissa_bit"] = [&, none, d](cudaStream_t s) {
    none(s);
    check(invact::device::backward(mantissa_bit{}, t.count, d, t.y_mantissa_bit(), d, s));
  };
  work["unfused_backward_bitmask"] = [&, none, d](cudaStream_t s) {
    none(s);
    check(invact::device::backward(bitmask{}, t.shape(), d, t.y_bitmask(), t.mask(), d, s));
  };
  // Forwards and backwards together.
  const auto both = [&](const std::string& forward, const std::string& backward) {
    const auto f = work[forward], b = work[backward];
    return [f, b](cudaStream_t s) {
      f(s);
      b(s);
    };
  };
  work["fused_both"] = both("forward_mantissa_bit", "backward_mantissa_bit_node");
  work["fused_bitmask_both"] = both("forward_bitmask", "backward_bitmask");
  work["unfused_both"] = both("unfused_forward_mantissa_bit", "unfused_backward_mantissa_bit");
  work["cublaslt_both"] = both("cublaslt_gelu_aux", "cublaslt_dgelu");
  work["stock_both"] = both("forward_gelu_aux", "backward_dgelu");
  work["mainloop_both"] = both("identity", "identity");
  work["cublaslt_mainloop_both"] = both("cublaslt_none", "cublaslt_none");

  const std::pair<const char*, const char*> pairs[] = {
      {"forward_mantissa_bit", "identity"},
      {"forward_mantissa_bit", "forward_gelu_taylor"},
      {"forward_bitmask", "forward_mantissa_bit"},
      {"forward_mantissa_bit", "forward_gelu_aux"},
      {"forward_mantissa_bit", "cublaslt_gelu_aux"},
      {"forward_mantissa_bit", "unfused_forward_mantissa_bit"},
      {"forward_bitmask", "unfused_forward_bitmask"},
      {"forward_bitmask", "cublaslt_relu_aux"},
      {"backward_mantissa_bit", "backward_multiply"},
      {"backward_mantissa_bit_node", "backward_multiply"},
      {"backward_bitmask", "backward_multiply"},
      {"backward_mantissa_bit", "backward_dgelu"},
      {"backward_mantissa_bit_node", "backward_dgelu"},
      {"backward_bitmask", "backward_dgelu"},
      {"backward_mantissa_bit", "cublaslt_dgelu"},
      {"backward_mantissa_bit", "unfused_backward_mantissa_bit"},
      {"backward_mantissa_bit_bias_gradient", "cublaslt_dgelu_bgrad"},
      {"backward_mantissa_bit_bias_gradient", "backward_mantissa_bit_node"},
      {"forward_mantissa_bit_accurate", "forward_mantissa_bit"},
      {"forward_bitmask_accurate", "forward_bitmask"},
      {"backward_mantissa_bit_accurate", "backward_mantissa_bit"},
      {"backward_bitmask_accurate", "backward_bitmask"},
      {"fused_both", "cublaslt_both"},
      {"fused_bitmask_both", "cublaslt_both"},
      {"unfused_both", "cublaslt_both"},
      {"fused_both", "unfused_both"},
      {"fused_both", "stock_both"},
      {"mainloop_both", "cublaslt_mainloop_both"},
      {"fused_both", "mainloop_both"},
      {"cublaslt_both", "cublaslt_mainloop_both"}};
  std::printf("\n| a | b | a, us | b, us | a / b | 95 %% |\n|---|---|---|---|---|---|\n");
  for (const auto& [a, b] : pairs) {
    const ratio r = compare(work[a], work[b], rounds);
    std::printf("| %s | %s | %.1f | %.1f | %.3f | %.3f to %.3f |\n", a, b, 1e6 * r.seconds_a,
                1e6 * r.seconds_b, r.median, r.low, r.high);
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const long rounds = bench::take_option(argc, argv, "--rounds", 60);
  const long calls = bench::take_option(argc, argv, "--search", 7);
  std::vector<bench::gemm_problem> problems;
  for (int i = 1; i < argc; ++i) {
    bench::gemm_problem p{};
    if (std::sscanf(argv[i], "%d,%d,%d", &p.m, &p.n, &p.k) != 3 || p.m <= 0 || p.n <= 0 || p.k <= 0) {
      std::fprintf(stderr, "usage: gemm_bench [--rounds=N] [--search=N] [M,N,K ...]\n");
      return 2;
    }
    problems.push_back(p);
  }
  if (!bench::has_gpu()) return bench::skipped;
  cudaDeviceProp device;
  bench::check(cudaGetDeviceProperties(&device, 0));
  if (device.major != 9) {
    std::printf("skipped: the kernels are for compute capability 9.0, and this is %d.%d\n", device.major,
                device.minor);
    return bench::skipped;
  }
  if (problems.empty())
    problems = {{8192, 16384, 4096}, {8192, 14336, 4096}, {8192, 4096, 1024}, {2048, 3072, 768}};
  std::printf("# GEMM epilogues on %s\n", device.name);
  for (const bench::gemm_problem& p : problems) measure(p, rounds, calls);
} catch (const std::exception& error) {
  std::fprintf(stderr, "gemm_bench: %s\n", error.what());
  return 1;
}
