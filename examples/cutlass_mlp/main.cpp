// A transformer's MLP block with the activation fused into the products, forward and backward: as CUTLASS does it with the
// pre-activation saved, and with invact's epilogues, which keep h and a bit. Checks all of them against a reference in
// double on small shapes, then prints what each keeps and what it costs on a large one.
//
//   cutlass_mlp [--tokens N] [--hidden N] [--ffn N] [--rounds N] [--check-only]
//
// Exit status: 0; 1 where a variant is off; 2 for what it cannot take; 77 without a GPU of compute capability 9.0.
#include "block.hpp"
#include "reference.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include <unistd.h>

namespace {

using namespace mlp;

template <class T>
double to_double(T v) {
  return static_cast<double>(static_cast<float>(v));
}

// Normal numbers, rounded to bf16, for the GPU and the reference.
struct tensor {
  tensor(std::size_t n, double deviation, unsigned seed) : on_host(n), exact(n) {
    std::mt19937 bits(seed);
    std::normal_distribution<float> normal(0.0f, static_cast<float>(deviation));
    for (std::size_t i = 0; i < n; ++i) {
      on_host[i] = __float2bfloat16(normal(bits));
      exact[i] = to_double(on_host[i]);
    }
  }
  std::vector<bf16> on_host;
  matrix exact;
};

std::size_t area(int rows, int columns) {
  return static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
}

// Inputs such that pre is N(0, 1) or so: both pieces of the activation are hit.
struct inputs {
  inputs(const block_shape& s)
      : x(area(s.tokens, s.hidden), 1, 1),
        w1(area(s.ffn, s.hidden), 1 / std::sqrt(static_cast<double>(s.hidden)), 2),
        b1(static_cast<std::size_t>(s.ffn), 0.1, 3),
        w2(area(s.hidden, s.ffn), 1 / std::sqrt(static_cast<double>(s.ffn)), 4),
        b2(static_cast<std::size_t>(s.hidden), 0.1, 5),
        out_gradient(area(s.tokens, s.hidden), 1, 6) {}
  tensor x, w1, b1, w2, b2, out_gradient;
};

struct on_device {
  on_device(const block_shape& s, const inputs& in)
      : x(in.x.on_host),
        w1(in.w1.on_host),
        b1(in.b1.on_host),
        w2(in.w2.on_host),
        b2(in.b2.on_host),
        out_gradient(in.out_gradient.on_host),
        out(x.size()),
        x_gradient(x.size()),
        w1_gradient(w1.size()),
        w2_gradient(w2.size()),
        b2_gradient(b2.size()),
        b1_gradient(static_cast<std::size_t>(s.ffn)) {}
  block_parameters parameters() const { return {w1.data(), b1.data(), w2.data(), b2.data()}; }
  block_gradients gradients() const {
    return {x_gradient.data(), w1_gradient.data(), w2_gradient.data(), b2_gradient.data(),
            b1_gradient.data()};
  }
  void forward(block& b, cudaStream_t stream) const {
    b.forward(parameters(), x.data(), out.data(), stream);
  }
  void backward(block& b, cudaStream_t stream) const {
    b.backward(parameters(), x.data(), out_gradient.data(), gradients(), stream);
  }

  device_array<bf16> x, w1, b1, w2, b2, out_gradient, out, x_gradient, w1_gradient, w2_gradient,
      b2_gradient;
  device_array<float> b1_gradient;
};

// RMS of the difference, of the RMS of what it should be.
template <class T>
double error_of(const std::vector<T>& got, const matrix& want) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double d = to_double(got[i]) - want[i];
    difference += d * d;
    size += want[i] * want[i];
  }
  return std::sqrt(difference / size);
}

std::vector<std::unique_ptr<block>> blocks(const block_shape& s) {
  std::vector<std::unique_ptr<block>> all;
  all.push_back(pre_activation_saved(s));
  all.push_back(mantissa_bit(s));
  all.push_back(bitmask(s));
  return all;
}

// bfloat16 rounds with an RMS of 2^-9 / sqrt(3) of the number or less, 1.1e-3. h has one such error (with the mantissa bit,
// two), a product's result its own and its factors' averaged; the gradient factor of a packed op is off by an RMS of 2.9e-3
// where its own RMS is 0.65 (see README, «In a CUTLASS GEMM»), which is 4.5e-3. All together less than 6e-3, and a third
// more for chance; another piece in one element of a hundred is more than 2e-2.
constexpr double most = 8e-3;

bool check_shape(const block_shape& s) {
  const inputs in(s);
  const reference_results want =
      reference(s, {in.x.exact, in.w1.exact, in.b1.exact, in.w2.exact, in.b2.exact, in.out_gradient.exact});
  const on_device device(s, in);
  bool all_good = true;
  for (const auto& variant : blocks(s)) {
    device.forward(*variant, nullptr);
    check(cudaDeviceSynchronize());
    const device_array<bf16> h(area(s.tokens, s.ffn));
    check(cudaMemcpy(h.data(), variant->kept_h(), h.bytes(), cudaMemcpyDeviceToDevice));
    device.backward(*variant, nullptr);
    check(cudaDeviceSynchronize());
    const std::pair<const char*, double> errors[] = {
        {"h", error_of(h.host(), want.h)},
        {"out", error_of(device.out.host(), want.out)},
        {"dx", error_of(device.x_gradient.host(), want.x_gradient)},
        {"dw1", error_of(device.w1_gradient.host(), want.w1_gradient)},
        {"db1", error_of(device.b1_gradient.host(), want.b1_gradient)},
        {"dw2", error_of(device.w2_gradient.host(), want.w2_gradient)},
        {"db2", error_of(device.b2_gradient.host(), want.b2_gradient)}};
    std::printf("| %d, %d, %d | %s |", s.tokens, s.hidden, s.ffn, variant->name());
    bool good = true;
    for (const auto& e : errors) {
      std::printf(" %.1e |", e.second);
      good = good && e.second <= most;  // NaN is none
    }
    std::printf("%s\n", good ? "" : " OFF");
    all_good = all_good && good;
  }
  return all_good;
}

double median(std::vector<float> values) {
  std::sort(values.begin(), values.end());
  return static_cast<double>(values[values.size() / 2]);
}

void time_shape(const block_shape& s, int rounds) {
  const on_device device(s, inputs(s));
  const auto all = blocks(s);
  cudaEvent_t events[3];
  for (cudaEvent_t& e : events) check(cudaEventCreate(&e));
  std::vector<std::vector<float>> forward(all.size()), backward(all.size());
  // In turns, as clocks follow power.
  for (int round = -2; round < rounds; ++round) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      check(cudaEventRecord(events[0]));
      device.forward(*all[i], nullptr);
      check(cudaEventRecord(events[1]));
      device.backward(*all[i], nullptr);
      check(cudaEventRecord(events[2]));
      check(cudaEventSynchronize(events[2]));
      float ms[2];
      check(cudaEventElapsedTime(&ms[0], events[0], events[1]));
      check(cudaEventElapsedTime(&ms[1], events[1], events[2]));
      if (round < 0) continue;
      forward[i].push_back(ms[0]);
      backward[i].push_back(ms[1]);
    }
    if (isatty(STDERR_FILENO)) std::fprintf(stderr, "\rround %d of %d", std::max(0, round + 1), rounds);
  }
  if (isatty(STDERR_FILENO)) std::fprintf(stderr, "\n");
  for (const cudaEvent_t e : events) cudaEventDestroy(e);
  std::printf(
      "\n| %d tokens, hidden %d, ffn %d | kept besides x, MiB | bytes an element of h | forward, ms | "
      "backward, ms |\n",
      s.tokens, s.hidden, s.ffn);
  std::printf("|---|---|---|---|---|\n");
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double bytes = static_cast<double>(all[i]->kept_bytes());
    std::printf("| %s | %.1f | %.3f | %.3f | %.3f |\n", all[i]->name(), bytes / 1048576,
                bytes / static_cast<double>(area(s.tokens, s.ffn)), median(forward[i]),
                median(backward[i]));
  }
}

[[noreturn]] void refuse(const char* why) {
  std::fprintf(stderr,
               "cutlass_mlp: %s\nusage: cutlass_mlp [--tokens N] [--hidden N] [--ffn N] [--rounds N] "
               "[--check-only]\n",
               why);
  std::exit(2);
}

int number(const char* text, int least, int multiple) {
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  if (*text == '\0' || *end != '\0' || value < least || value > 1 << 20 || value % multiple != 0)
    refuse("sizes are positive multiples of 8, ffn's of 128, and rounds at least 1");
  return static_cast<int>(value);
}

}  // namespace

int main(int argc, char** argv) try {
  block_shape large{8192, 4096, 16384};
  int rounds = 30;
  bool check_only = false;
  for (int i = 1; i < argc; ++i) {
    const char* const name = argv[i];
    if (std::strcmp(name, "--check-only") == 0) {
      check_only = true;
      continue;
    }
    const bool is_known = std::strcmp(name, "--tokens") == 0 || std::strcmp(name, "--hidden") == 0 ||
                          std::strcmp(name, "--ffn") == 0 || std::strcmp(name, "--rounds") == 0;
    if (!is_known) refuse("unknown option");
    if (++i == argc) refuse("an option without its number");
    if (std::strcmp(name, "--tokens") == 0) large.tokens = number(argv[i], 8, 8);
    if (std::strcmp(name, "--hidden") == 0) large.hidden = number(argv[i], 8, 8);
    if (std::strcmp(name, "--ffn") == 0) large.ffn = number(argv[i], 128, 128);
    if (std::strcmp(name, "--rounds") == 0) rounds = number(argv[i], 1, 1);
  }
  int count = 0;
  cudaDeviceProp gpu{};
  if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) {
    std::printf("skipped: no GPU\n");
    return 77;
  }
  check(cudaGetDeviceProperties(&gpu, 0));
  if (gpu.major != 9) {
    std::printf("skipped: the kernels are for compute capability 9.0, and this is %d.%d\n", gpu.major,
                gpu.minor);
    return 77;
  }

  std::printf("# An MLP block on %s\n\nRMS errors, of the RMS of each tensor; %.0e is allowed:\n\n", gpu.name, most);
  std::printf(
      "| tokens, hidden, ffn | variant | h | out | dx | dw1 | db1 | dw2 | db2 "
      "|\n|---|---|---|---|---|---|---|---|---|\n");
  bool good = true;
  for (const block_shape& s : {block_shape{256, 128, 512}, block_shape{136, 72, 384}})
    good = check_shape(s) && good;
  if (!good) return 1;
  if (!check_only) time_shape(large, rounds);
} catch (const std::exception& error) {
  std::fprintf(stderr, "cutlass_mlp: %s\n", error.what());
  return 1;
}
