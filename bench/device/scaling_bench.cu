// How the time depends on the size, the rows and the alignment, GELU in bfloat16. Beside each, in turn on one stream, a
// device-to-device memcpy that moves the same bytes.
//
//   n/PACKING/DIRECTION/n:N                  one run of N elements, from one to more than 2^31, beside an empty kernel;
//                                            up to 2^24 every contestant is a graph of 20 calls
//   rows/PACKING/DIRECTION/ROWSxCOLS/ld:+K   rows K elements longer than what is used of them, the mask's too; beside as
//                                            many elements in one aligned run, which is what rows without gaps are (of
//                                            a mask, whose rows end with whole bytes, where cols is a multiple of 8)
//   misaligned/PACKING/DIRECTION/offset:K    one run of 2^27 elements, of which every tensor begins K elements, and the
//                                            mask K bytes, after an aligned address; beside the aligned run
//
// Reported are medians, in the counters; Google Benchmark's own time is the mean of ours.
//   us, GB/s                          of ours; of every tensor what is used of it, once
//   memcpy_us, empty_us, plain_us     of what stands beside it
//   over_memcpy_us                    our time less the memcpy's
//   vs_memcpy, vs_plain               their time over ours: above 1 is faster
//
// --iterations=N   rounds of one benchmark, 20 if not given
#include "shapes.cuh"

namespace {

using namespace bench;

__global__ void empty_kernel() {}

template <class Op>
void one_run(benchmark::State& state, bool is_forward, int64 n) {
  tensors<Op> t(n, invact::mask_bytes(n, Op::mask_bits));
  const medians found = measure(
      state, batch_of(n), bytes_of<Op>(is_forward, 1, n),
      [&](cudaStream_t stream) { t.run(is_forward, n, stream); },
      [](cudaStream_t stream) {
        empty_kernel<<<1, 128, 0, stream>>>();
        check(cudaGetLastError());
      });
  state.counters["empty_us"] = 1e6 * found.other;
  state.counters["over_memcpy_us"] = 1e6 * (found.ours - found.copy);
}

template <class Op>
void padded_rows(benchmark::State& state, bool is_forward, int64 rows, int64 cols, int64 gap) {
  invact::matrix_shape shape = invact::device::dense_shape(Op{}, rows, cols + gap);
  shape.cols = cols;
  tensors<Op> t(rows * (cols + gap), shape.mask_stride_bits / 8 * rows);
  t.run(true, shape, nullptr);
  measure_beside_plain<Op>(state, t, is_forward, rows, cols,
                           [&](cudaStream_t stream) { t.run(is_forward, shape, stream); });
}

template <class Op>
void misaligned(benchmark::State& state, bool is_forward, int64 offset) {
  const int64 n = int64{1} << 27;
  tensors<Op> t(n + offset, invact::mask_bytes(n, Op::mask_bits) + offset);
  t.run(true, n, nullptr, offset);
  measure_beside_plain<Op>(state, t, is_forward, 1, n,
                           [&](cudaStream_t stream) { t.run(is_forward, n, stream, offset); });
}

std::vector<int64> run_sizes() {
  std::vector<int64> sizes{1, 8, 64, 1000};
  for (int log2n = 10; log2n <= 30; log2n += 2) {
    sizes.push_back(int64{1} << log2n);
    if (log2n == 20) sizes.push_back(sizes.back() + 1);
  }
  sizes.push_back((int64{1} << 31) + 3);
  return sizes;
}

template <class Op>
void add_all(const std::string& packing, long iterations) {
  using benchmark::State;
  for (const bool is_forward : {true, false}) {
    const std::string kind = "/" + packing + (is_forward ? "/forward/" : "/backward/");
    for (const int64 n : run_sizes()) {
      add("n" + kind + "n:" + std::to_string(n), iterations,
          [=](State& state) { one_run<Op>(state, is_forward, n); });
    }
    for (const int64 cols : {17, 100, 1000, 1024, 4097, 16384, 1 << 20}) {
      const int64 count = (int64{1} << 26) / cols;
      for (const int64 gap : {0, 1, 8, 64}) {
        add("rows" + kind + size_name(count, cols) + "/ld:+" + std::to_string(gap), iterations,
            [=](State& state) { padded_rows<Op>(state, is_forward, count, cols, gap); });
      }
    }
    for (int64 offset = 0; offset < 8; ++offset) {
      add("misaligned" + kind + "offset:" + std::to_string(offset), iterations,
          [=](State& state) { misaligned<Op>(state, is_forward, offset); });
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (!has_gpu()) return skipped;
  const long iterations = take_option(argc, argv, "--iterations", 20);
  add_all<invact::inverted<invact::gelu, bf16, invact::bitmask>>("bitmask", iterations);
  add_all<invact::inverted<invact::gelu, bf16, invact::mantissa_bit>>("mantissa_bit", iterations);
  return run_added(argc, argv);
}
