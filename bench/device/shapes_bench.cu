// What is not one aligned run of elements, GELU in bfloat16: a bias, its gradient, leading dimensions, pointers
// that are not aligned to 16 bytes, ragged rows. Beside each, in turn on one stream, a device-to-device memcpy
// that moves the same bytes and the plain forward or backward of as many elements in one aligned run.
//
// Reported are medians, in the counters; Google Benchmark's own time is the mean of ours.
//   us, GB/s               of ours; every tensor counted once, the bias and its gradient's sums not at all
//   memcpy_us, plain_us    of what stands beside it
//   vs_memcpy, vs_plain    their time over ours: above 1 is faster
//
// --iterations=N   rounds of one benchmark, 60 if not given
#include "register.hpp"
#include "support.cuh"

#include <cuda_bf16.h>

namespace {

using namespace bench;
using bf16 = __nv_bfloat16;

// Forward and backward of either packing with one list of arguments: the mask is null where there is none.
template <class Op, class Size>
cudaError_t forward(const Op& op, const Size& size, const bf16* x, bf16* y, uint8* mask,
                    cudaStream_t stream) {
  if constexpr (Op::mask_bits > 0) {
    return invact::device::forward(op, size, x, y, mask, stream);
  } else {
    static_cast<void>(mask);
    return invact::device::forward(op, size, x, y, stream);
  }
}
template <class Op, class Size>
cudaError_t backward(const Op& op, const Size& size, const bf16* dy, const bf16* y, const uint8* mask,
                     bf16* dx, cudaStream_t stream) {
  if constexpr (Op::mask_bits > 0) {
    return invact::device::backward(op, size, dy, y, mask, dx, stream);
  } else {
    static_cast<void>(mask);
    return invact::device::backward(op, size, dy, y, dx, stream);
  }
}

template <class Op>
struct tensors {
  device_array<bf16> x, y, dy, dx;
  device_array<uint8> mask;

  tensors(int64 elements, int64 mask_bytes)
      : x(elements), y(elements), dy(elements), dx(elements), mask(mask_bytes) {
    x.fill_normal(1);
    dy.fill_normal(2);
    // A y that a forward has written.
    check(forward(Op{}, elements, x.get(), y.get(), mask.get(), nullptr));
    check(cudaDeviceSynchronize());
  }
};

// `ours` works on `elements` elements of t, which is large enough for them in one run.
template <class Op>
void measure(benchmark::State& state, tensors<Op>& t, bool is_forward, int64 elements,
             const race::work& ours) {
  const int64 size = static_cast<int64>(sizeof(bf16));
  const int64 bytes = (is_forward ? 2 : 3) * elements * size + invact::mask_bytes(elements, Op::mask_bits);
  memcpy_of copy(bytes);
  race r(1);
  const std::size_t our_number = r.add(ours);
  const std::size_t copy_number = r.add([&](cudaStream_t stream) { copy(stream, bytes); });
  const std::size_t plain_number = r.add([&](cudaStream_t stream) {
    if (is_forward) {
      check(forward(Op{}, elements, t.x.get(), t.y.get(), t.mask.get(), stream));
    } else {
      check(backward(Op{}, elements, t.dy.get(), t.y.get(), t.mask.get(), t.dx.get(), stream));
    }
  });
  r.warm_up(3);
  while (state.KeepRunning()) {
    r.round();
    state.SetIterationTime(r.last(our_number));
  }
  const double seconds = r.median_of(our_number);
  const double copy_seconds = r.median_of(copy_number), plain_seconds = r.median_of(plain_number);
  state.counters["us"] = 1e6 * seconds;
  state.counters["memcpy_us"] = 1e6 * copy_seconds;
  state.counters["plain_us"] = 1e6 * plain_seconds;
  state.counters["GB/s"] = 1e-9 * static_cast<double>(bytes) / seconds;
  state.counters["vs_memcpy"] = copy_seconds / seconds;
  state.counters["vs_plain"] = plain_seconds / seconds;
}

template <class Op>
void bias(benchmark::State& state, int64 rows, int64 cols) {
  const invact::matrix_shape shape = invact::device::dense_shape(Op{}, rows, cols);
  tensors<Op> t(rows * cols, shape.mask_stride_bits / 8 * rows);
  device_array<bf16> bias(cols);
  bias.fill_normal(3);
  measure<Op>(state, t, true, rows * cols, [&](cudaStream_t stream) {
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
  measure<Op>(state, t, false, rows * cols, [&](cudaStream_t stream) {
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

template <class Op, class Shape>
void matrix(benchmark::State& state, tensors<Op>& t, bool is_forward, int64 elements, const Shape& shape) {
  measure<Op>(state, t, is_forward, elements, [&](cudaStream_t stream) {
    if (is_forward) {
      check(forward(Op{}, shape, t.x.get(), t.y.get(), t.mask.get(), stream));
    } else {
      check(backward(Op{}, shape, t.dy.get(), t.y.get(), t.mask.get(), t.dx.get(), stream));
    }
  });
}

// Rows 64 elements, and mask rows 8 bytes, longer than what is used of them.
template <class Op>
void leading_dimension(benchmark::State& state, bool is_forward, int64 rows, int64 cols) {
  const int64 ld = cols + 64;
  invact::matrix_shape shape = invact::device::dense_shape(Op{}, rows, ld);
  shape.cols = cols;
  tensors<Op> t(rows * ld, shape.mask_stride_bits / 8 * rows);
  matrix<Op>(state, t, is_forward, rows * cols, shape);
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
  matrix<Op>(state, t, is_forward, present * cols, shape);
}

// Every tensor begins one element, and the mask one byte, after an aligned address.
template <class Op>
void misaligned(benchmark::State& state, bool is_forward, int64 n) {
  tensors<Op> t(n + 8, invact::mask_bytes(n + 8, Op::mask_bits));
  measure<Op>(state, t, is_forward, n, [&](cudaStream_t stream) {
    uint8* const mask = t.mask.get() + (Op::mask_bits > 0 ? 1 : 0);
    if (is_forward) {
      check(forward(Op{}, n, t.x.get() + 1, t.y.get() + 1, mask, stream));
    } else {
      check(backward(Op{}, n, t.dy.get() + 1, t.y.get() + 1, mask, t.dx.get() + 1, stream));
    }
  });
}

template <class Op>
void add_all(const std::string& packing, long iterations) {
  using benchmark::State;
  const auto size = [](int64 rows, int64 cols) {
    return std::to_string(rows) + "x" + std::to_string(cols);
  };
  for (const int64 cols : {4096, 16384}) {
    add("bias/" + packing + "/forward/" + size(8192, cols), iterations,
        [=](State& state) { bias<Op>(state, 8192, cols); });
    add("bias_gradient/" + packing + "/backward/" + size(8192, cols), iterations,
        [=](State& state) { bias_gradient<Op>(state, 8192, cols); });
  }
  for (const bool is_forward : {true, false}) {
    const std::string direction = is_forward ? "/forward/" : "/backward/";
    add("leading_dimension/" + packing + direction + size(8192, 16384), iterations,
        [=](State& state) { leading_dimension<Op>(state, is_forward, 8192, 16384); });
    add("ragged/" + packing + direction + "8x" + size(2048, 8192), iterations,
        [=](State& state) { ragged<Op>(state, is_forward, 2048, 8192); });
    add("misaligned/" + packing + direction + std::to_string(1 << 27), iterations,
        [=](State& state) { misaligned<Op>(state, is_forward, int64{1} << 27); });
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
