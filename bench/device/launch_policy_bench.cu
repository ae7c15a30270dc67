// Every launch policy of the forward and the backward over one run of elements, in turn, beside a memcpy of
// the same bytes: what forward_policy and backward_policy of <invact/device/elementwise.cuh> are chosen by.
// Prints one Markdown table a size: the memcpy's time over the policy's, the best one in bold.
//
// --iterations=N   rounds of one row, 40 if not given
// --log2n=N        that size alone; 2^29 and 2^24 if not given
#include "support.cuh"

#include <cuda_bf16.h>

namespace {

using namespace bench;

template <class Op>
struct tensors {
  using T = typename Op::storage_type;

  int64 n;
  device_array<T> x, y, dy, dx;
  device_array<uint8> mask;

  explicit tensors(int64 count)
      : n(count), x(count), y(count), dy(count), dx(count), mask(invact::mask_bytes(count, Op::mask_bits)) {
    x.fill_normal(1);
    dy.fill_normal(2);
  }

  template <int Threads, int Fragments, int Resident>
  void forward(cudaStream_t stream) {
    forward_run<Threads, Fragments, Resident>(Op{}, n, x.get(), y.get(), mask.get(), stream);
  }
  template <int Threads, int Fragments, int Resident>
  void backward(cudaStream_t stream) {
    backward_run<Threads, Fragments, Resident>(Op{}, n, dy.get(), y.get(), mask.get(), dx.get(), stream);
  }
};

constexpr int policies = 12;
constexpr const char* heading =
    "| kernel | memcpy GB/s | best GB/s | 128x1@1536 | 128x2@1536 | 128x3@1536 | 128x4@1536 | 128x1@2048 | 128x2@2048 | "
    "128x3@2048 | 128x4@2048 | 256x1@2048 | 256x2@2048 | 512x1@2048 | 512x2@2048 |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n";

template <bool Forward, int Threads, int Fragments, int Resident, class Op>
void add_policy(race& r, tensors<Op>& t) {
  r.add([&t](cudaStream_t stream) {
    if constexpr (Forward) {
      t.template forward<Threads, Fragments, Resident>(stream);
    } else {
      t.template backward<Threads, Fragments, Resident>(stream);
    }
  });
}

template <bool Forward, int Resident, class Op>
void add_fragments(race& r, tensors<Op>& t) {
  add_policy<Forward, 128, 1, Resident>(r, t);
  add_policy<Forward, 128, 2, Resident>(r, t);
  add_policy<Forward, 128, 3, Resident>(r, t);
  add_policy<Forward, 128, 4, Resident>(r, t);
}

template <bool Forward, class Op>
void row(const char* name, tensors<Op>& t, long iterations) {
  const int64 size = static_cast<int64>(sizeof(typename Op::storage_type));
  const int64 bytes = (Forward ? 2 : 3) * t.n * size + t.mask.size();
  memcpy_of copy(bytes);
  race r(batch_of(t.n));
  add_fragments<Forward, 1536>(r, t);
  add_fragments<Forward, 2048>(r, t);
  add_policy<Forward, 256, 1, 2048>(r, t);
  add_policy<Forward, 256, 2, 2048>(r, t);
  add_policy<Forward, 512, 1, 2048>(r, t);
  add_policy<Forward, 512, 2, 2048>(r, t);
  const std::size_t copy_number = r.add([&](cudaStream_t stream) { copy(stream, bytes); });
  r.warm_up(2);
  for (long i = 0; i < iterations; ++i) r.round();
  const double copy_seconds = r.median_of(copy_number);
  std::size_t best = 0;
  for (std::size_t p = 1; p < policies; ++p) {
    if (r.median_of(p) < r.median_of(best)) best = p;
  }
  const double gigabytes = 1e-9 * static_cast<double>(bytes);
  std::printf("| %s %s | %.0f | %.0f |", name, Forward ? "forward" : "backward", gigabytes / copy_seconds,
              gigabytes / r.median_of(best));
  for (std::size_t p = 0; p < policies; ++p) {
    const char* const mark = p == best ? "**" : "";
    std::printf(" %s%.3f%s |", mark, copy_seconds / r.median_of(p), mark);
  }
  std::printf("\n");
  std::fflush(stdout);
}

template <class Op>
void rows(const char* name, int log2n, long iterations) {
  tensors<Op> t(int64{1} << log2n);
  row<true>(name, t, iterations);
  row<false>(name, t, iterations);
}

void table(int log2n, long iterations) {
  using namespace invact;
  using bf16 = __nv_bfloat16;
  std::printf("\nn = 2^%d: threads x fragments @ resident threads\n\n%s", log2n, heading);
  rows<inverted<gelu, bf16, bitmask>>("GELU bfloat16 bitmask", log2n, iterations);
  rows<inverted<gelu, bf16, mantissa_bit>>("GELU bfloat16 mantissa bit", log2n, iterations);
  rows<inverted<silu, bf16, bitmask>>("SiLU bfloat16 bitmask", log2n, iterations);
  rows<inverted<silu, bf16, mantissa_bit>>("SiLU bfloat16 mantissa bit", log2n, iterations);
  rows<inverted<mish, bf16, mantissa_bit>>("Mish bfloat16 mantissa bit", log2n, iterations);
  rows<inverted<invact::tanh, bf16>>("tanh bfloat16", log2n, iterations);
  rows<inverted<relu, bf16>>("ReLU bfloat16", log2n, iterations);
  rows<inverted<gelu, float, bitmask>>("GELU float bitmask", log2n, iterations);
  rows<inverted<gelu, float, mantissa_bit>>("GELU float mantissa bit", log2n, iterations);
  rows<inverted<silu, float, bitmask>>("SiLU float bitmask", log2n, iterations);
  rows<inverted<silu, float, mantissa_bit>>("SiLU float mantissa bit", log2n, iterations);
  rows<inverted<mish, float, mantissa_bit>>("Mish float mantissa bit", log2n, iterations);
  rows<inverted<invact::tanh, float>>("tanh float", log2n, iterations);
  rows<inverted<relu, float>>("ReLU float", log2n, iterations);
}

}  // namespace

int main(int argc, char** argv) {
  if (!has_gpu()) return skipped;
  const long iterations = take_option(argc, argv, "--iterations", 40);
  const long only = take_option(argc, argv, "--log2n", 0);
  if (argc > 1 || iterations < 1 || only < 0 || (only > 0 && only < 20) || only > 32) {
    std::fprintf(stderr, "usage: %s [--iterations=N] [--log2n=20..32]\n", argv[0]);
    return 1;
  }
  try {
    if (only > 0) {
      table(static_cast<int>(only), iterations);
    } else {
      table(29, iterations);
      table(24, iterations);
    }
  } catch (const std::exception& error) {
    std::printf("\nFAILED: %s\n", error.what());
    return 1;
  }
  return 0;
}
