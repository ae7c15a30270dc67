// What a model does besides plain runs and rows, GELU in bfloat16: a bias, its gradient, ragged rows. Beside each, in
// turn on one stream, a device-to-device memcpy that moves the same bytes and the plain forward or backward of as many
// elements in one aligned run. Leading dimensions and alignment are scaling_bench's.
//
// Reported are medians, in the counters; Google Benchmark's own time is the mean of ours.
//   us, GB/s               of ours; every tensor counted once, the bias and its gradient's sums not at all
//   memcpy_us, plain_us    of what stands beside it
//   vs_memcpy, vs_plain    their time over ours: above 1 is faster
//
// --iterations=N   rounds of one benchmark, 60 if not given
#include "shapes.cuh"

namespace {

using namespace bench;

template <class Op>
void bias(benchmark::State& state, int64 rows, int64 cols) {
  const invact::matrix_shape shape = invact::device::dense_shape(Op{}, rows, cols);
  tensors<Op> t(rows * cols, shape.mask_stride_bits / 8 * rows);
  device_array<bf16> bias(cols);
  bias.fill_normal(3);
  measure_beside_plain<Op>(state, t, true, rows, cols, [&](cudaStream_t stream) {
    if constexpr (Op::mask_bits > 0) {
      check(invact::device::forward_with_bias(Op{}, shape, t.x.get(), bias.get(), t.y.get(), t.mask.get(),
                                              stream));
    } else {
      check(invact::device::forward_with_bias(Op{}, shape, t.x.get(), bias.get(), t.y.get(), stream));
    }
  });
}

template <class Op>
void bias_gradient(benchmark::State& state, int64 rows, int64 cols) {
  const invact::matrix_shape shape = invact::device::dense_shape(Op{}, rows, cols);
  tensors<Op> t(rows * cols, shape.mask_stride_bits / 8 * rows);
  device_array<float> sums(cols);
  const std::size_t bytes = invact::device::bias_gradient_workspace_bytes(shape);
  device_array<uint8> workspace(static_cast<int64>(bytes));
  measure_beside_plain<Op>(state, t, false, rows, cols, [&](cudaStream_t stream) {
    if constexpr (Op::mask_bits > 0) {
      check(invact::device::backward_with_bias_gradient(Op{}, shape, t.dy.get(), t.y.get(), t.mask.get(),
                                                        t.dx.get(), sums.get(), workspace.get(), bytes,
                                                        stream));
    } else {
      check(invact::device::backward_with_bias_gradient(Op{}, shape, t.dy.get(), t.y.get(), t.dx.get(),
                                                        sums.get(), workspace.get(), bytes, stream));
    }
  });
}

// Eight experts with a capacity of `rows` each, from half full to full.
template <class Op>
void ragged(benchmark::State& state, bool is_forward, int64 rows, int64 cols) {
  constexpr int groups = 8;
  invact::int32 counts[groups];
  int64 present = 0;
  for (int g = 0; g < groups; ++g) {
    counts[g] = static_cast<invact::int32>(rows / 2 + rows / 2 * g / (groups - 1));
    present += counts[g];
  }
  device_array<invact::int32> device_counts(groups);
  check(cudaMemcpy(device_counts.get(), counts, sizeof counts, cudaMemcpyHostToDevice));
  invact::device::ragged_shape shape;
  static_cast<invact::matrix_shape&>(shape) = invact::device::dense_shape(Op{}, groups * rows, cols);
  shape.groups = groups;
  shape.counts = device_counts.get();
  tensors<Op> t(groups * rows * cols, shape.mask_stride_bits / 8 * groups * rows);
  measure_beside_plain<Op>(state, t, is_forward, present, cols,
                           [&](cudaStream_t stream) { t.run(is_forward, shape, stream); });
}

template <class Op>
void add_all(const std::string& packing, long iterations) {
  using benchmark::State;
  for (const int64 cols : {4096, 16384}) {
    add("bias/" + packing + "/forward/" + size_name(8192, cols), iterations,
        [=](State& state) { bias<Op>(state, 8192, cols); });
    add("bias_gradient/" + packing + "/backward/" + size_name(8192, cols), iterations,
        [=](State& state) { bias_gradient<Op>(state, 8192, cols); });
  }
  for (const bool is_forward : {true, false}) {
    add("ragged/" + packing + (is_forward ? "/forward/" : "/backward/") + "8x" + size_name(2048, 8192),
        iterations, [=](State& state) { ragged<Op>(state, is_forward, 2048, 8192); });
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (!has_gpu()) return skipped;
  const long iterations = take_option(argc, argv, "--iterations", 60);
  add_all<invact::inverted<invact::gelu, bf16, invact::bitmask>>("bitmask", iterations);
  add_all<invact::inverted<invact::gelu, bf16, invact::mantissa_bit>>("mantissa_bit", iterations);
  return run_added(argc, argv);
}
