// The device-wide kernels over the rows of matrices.
//
// A block works on a strip of columns, blockDim.x fragments of N elements wide, and on a band of rows, blockDim.y
// rows at a time. Blocks of neighbouring numbers have neighbouring strips of one band, then of the next: together they
// read rows from end to end. A thread keeps its columns. Like the kernels of a run, it loads the fragments of `Rows` rows
// before it uses the first; what is left of a band, and a fragment that is not whole, goes row by row.
#pragma once

#include <invact/core/fast_divisor.hpp>
#include <invact/device/run_kernels.cuh>

INVACT_NAMESPACE_BEGIN

namespace detail {

// The rows of `groups` matrices of the same shape, one below the other; with counts, only the first
// counts[g] rows of group g are there, at most all.
struct row_layout {
  int64 rows;  // of a group
  int64 cols;
  int64 groups;
  const int32* counts;  // null: all rows
  int64 ld_x, ld_y, ld_dy, ld_dx;
  int64 mask_stride;  // bytes

  __device__ __forceinline__ int64 rows_of(int64 group) const {
    if (counts == nullptr) return rows;
    const int64 count = counts[group];
    return count < 0 ? 0 : count < rows ? count : rows;
  }
};

// Where a thread works: block_index() counts strips, and then bands; blockIdx.z and .y groups, from the last.
template <int N>
struct thread_place {
  int64 group;
  int64 band;
  int64 column;
  int left;  // elements of the row from there on, see row_access

  __device__ __forceinline__ thread_place(const row_layout& layout, const fast_divisor& strips) {
    group = layout.groups - 1 - (blockIdx.z * int64{gridDim.y} + blockIdx.y);
    const uint32 block = block_index();
    const uint32 quotient = strips.quotient(block);
    band = quotient;
    column = (int64{block - quotient * strips.value()} * blockDim.x + threadIdx.x) * N;
    left = elements_left(column, layout.cols);
  }
};

// Rows that there are of a band.
__device__ __forceinline__ int rows_left(const row_layout& layout, int64 group, int64 band, int band_rows) {
  const int64 left = layout.rows_of(group) - band * band_rows;
  return left <= 0 ? 0 : left < band_rows ? static_cast<int>(left) : band_rows;
}

// Threads that registers leave room for on a multiprocessor where accesses are vectors: 40 registers a thread, as with
// fewer threads the loads in flight no longer cover the latency of memory.
inline constexpr int rows_threads = 1536;

// A band is Rows * blockDim.y rows.
template <int Threads, int Rows, int N, bool Vector, class Op, class X, class Bias>
INVACT_KERNEL void __launch_bounds__(Threads, resident_blocks<Vector ? rows_threads : exchanging_threads, Threads>)
    forward_rows_kernel(const Op op, const row_layout layout, const fast_divisor strips, const X* x,
                        Bias bias, storage_of<Op>* y, uint8* mask) {
  const thread_place<N> at(layout, strips);
  if (at.group < 0) return;
  const int step = static_cast<int>(blockDim.y);
  const int rows = rows_left(layout, at.group, at.band, Rows * step);
  if (rows == 0) return;
  const int64 own = at.group * layout.rows + at.band * (Rows * step) + threadIdx.y;
  const row_access<Vector, Threads> access(static_cast<int>(blockDim.x));
  amax_record<Op> record;
  const auto load = [&](int k, int left) {
    return access.template load<N>(x + (own + k * step) * layout.ld_x + at.column, left);
  };
  const auto load_bias = [&](int left) {
    bias_fragment<Bias, N> added;
    added.load(access, bias, at.group * layout.cols + at.column, left);
    return added;
  };
  const auto finish = [&](const fragment<X, N>& in, const bias_fragment<Bias, N>& added, int k, int left) {
    const int64 row = own + k * step;
    forward_fragment(access, op, added.to(widen(in)), left, y + row * layout.ld_y + at.column,
                     mask + row * layout.mask_stride, at.column, record);
  };
  // Where two threads share a mask byte a warp stays together (see store_mask), its threads beyond the columns too.
  constexpr bool together = N * Op::mask_bits % 8 != 0;
  const int columns = clamp_elements<N>(at.left);
  const bool whole = together ? __all_sync(0xffffffffu, columns % N == 0) != 0 : columns == N;
  if (Vector && whole && rows == Rows * step) {
    const int left = together ? columns : N;
    fragment<X, N> in[Rows];
    INVACT_UNROLL
    for (int k = 0; k < Rows; ++k) in[k] = load(k, left);
    const bias_fragment<Bias, N> added = load_bias(left);
    INVACT_UNROLL
    for (int k = 0; k < Rows; ++k) finish(in[k], added, k, left);
  } else {
#pragma unroll 1
    for (int k = 0; k < Rows; ++k) {
      const int left = k * step + static_cast<int>(threadIdx.y) < rows ? at.left : no_elements;
      finish(load(k, left), load_bias(left), k, left);
    }
  }
  store_record(op, record);
}

// A band is Rows * blockDim.y rows.
template <int Threads, int Rows, int N, bool Vector, class Op, class Dy, class Dx>
INVACT_KERNEL void __launch_bounds__(Threads, resident_blocks<Vector ? rows_threads : exchanging_threads, Threads>)
    backward_rows_kernel(const Op op, const row_layout layout, const fast_divisor strips, const Dy* dy,
                         const storage_of<Op>* y, const uint8* mask, Dx* dx) {
  const thread_place<N> at(layout, strips);
  if (at.group < 0) return;
  const int step = static_cast<int>(blockDim.y);
  const int rows = rows_left(layout, at.group, at.band, Rows * step);
  if (rows == 0) return;
  const int64 own = at.group * layout.rows + at.band * (Rows * step) + threadIdx.y;
  const row_access<Vector, Threads> access(static_cast<int>(blockDim.x));
  const auto& decoder = decoder_of(op);
  const auto load = [&](int k, int left) {
    const int64 row = own + k * step;
    backward_input<Op, N, Dy> in;
    in.load(access, dy + row * layout.ld_dy + at.column, y + row * layout.ld_y + at.column,
            mask + row * layout.mask_stride, at.column, left);
    return in;
  };
  const auto finish = [&](const backward_input<Op, N, Dy>& in, int k, int left) {
    access.store(dx + (own + k * step) * layout.ld_dx + at.column, left,
                 narrow<Dx>(backward_fragment<Op>(decoder, widen(in.dy), in.y, in.bits)));
  };
  const int columns = Vector ? clamp_elements<N>(at.left) : at.left;
  if (Vector && columns == N && rows == Rows * step) {
    backward_input<Op, N, Dy> in[Rows];
    INVACT_UNROLL
    for (int k = 0; k < Rows; ++k) in[k] = load(k, N);
    INVACT_UNROLL
    for (int k = 0; k < Rows; ++k) finish(in[k], k, N);
    return;
  }
  const int own_rows = rows - static_cast<int>(threadIdx.y);
#pragma unroll 1
  for (int k = 0; k * step < (Vector ? own_rows : rows); ++k) {
    const int left = Vector || k * step < own_rows ? columns : no_elements;
    finish(load(k, left), k, left);
  }
}

// Threads that registers leave room for beside the sums: 64 registers a thread.
inline constexpr int summing_threads = 1024;

// Sums of the columns over a block's rows: those of threads with equal threadIdx.x, in the order of
// threadIdx.y. Every thread of the block calls it; the result is that of threadIdx.y = 0.
template <int Threads, int N>
__device__ __forceinline__ void sum_over_rows(fragment<float, N>& sums) {
  // One float between fragments: threads that follow one another use different banks.
  __shared__ float shared[Threads * (N + 1)];
  const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  INVACT_UNROLL
  for (int i = 0; i < N; ++i) shared[thread * (N + 1) + i] = sums[i];
  __syncthreads();
  if (threadIdx.y == 0) {
    for (int k = 1; k < static_cast<int>(blockDim.y); ++k) {
      const int other = static_cast<int>(k * blockDim.x + threadIdx.x);
      INVACT_UNROLL
      for (int i = 0; i < N; ++i) sums[i] += shared[other * (N + 1) + i];
    }
  }
}

// The backward of bands of band_rows rows, and in row band + bands * group of `partial` the column sums of the
// unrounded dx.
template <int Threads, int Rows, int N, bool Vector, class Op, class Dy, class Dx>
INVACT_KERNEL void __launch_bounds__(Threads, summing_threads / Threads)
    backward_sums_kernel(const Op op, const row_layout layout, const fast_divisor strips, int band_rows,
                         int64 bands, const Dy* dy, const storage_of<Op>* y, const uint8* mask, Dx* dx,
                         float* partial) {
  const thread_place<N> at(layout, strips);
  if (at.group < 0) return;
  const int step = static_cast<int>(blockDim.y);
  const int rows = rows_left(layout, at.group, at.band, band_rows);
  const int64 own = at.group * layout.rows + at.band * band_rows + threadIdx.y;
  const Dy* dy_at = dy + own * layout.ld_dy + at.column;
  const storage_of<Op>* y_at = y + own * layout.ld_y + at.column;
  static_assert(N % 8 == 0);  // so that a fragment begins a mask byte
  const uint8* mask_at = mask + own * layout.mask_stride + at.column / 8 * Op::mask_bits;
  Dx* dx_at = dx + own * layout.ld_dx + at.column;
  const row_access<Vector, Threads> access(static_cast<int>(blockDim.x));
  const auto& decoder = decoder_of(op);
  fragment<float, N> sums{};
  const auto load = [&](int left) {
    backward_input<Op, N, Dy> in;
    in.load(access, dy_at, y_at, mask_at, 0, left);
    dy_at += step * layout.ld_dy;
    y_at += step * layout.ld_y;
    mask_at += step * layout.mask_stride;
    return in;
  };
  const auto finish = [&](const backward_input<Op, N, Dy>& in, int left) {
    const fragment<float, N> value = backward_fragment<Op>(decoder, widen(in.dy), in.y, in.bits);
    if (left > 0) {
      // Never fused with the product that dx is: the sum is that of dx, whatever the compiler's flags.
      INVACT_UNROLL
      for (int i = 0; i < N; ++i) sums[i] = __fadd_rn(sums[i], value[i]);
    }
    access.store(dx_at, left, narrow<Dx>(value));
    dx_at += step * layout.ld_dx;
  };
  int top = 0;
  if (Vector && at.left >= N) {
    for (; top + Rows * step <= rows; top += Rows * step) {
      backward_input<Op, N, Dy> in[Rows];
      INVACT_UNROLL
      for (int k = 0; k < Rows; ++k) in[k] = load(N);
      INVACT_UNROLL
      for (int k = 0; k < Rows; ++k) finish(in[k], N);
    }
  }
#pragma unroll 1
  for (; top < rows; top += step) {
    const int left = top + static_cast<int>(threadIdx.y) < rows ? at.left : no_elements;
    finish(load(left), left);
  }
  sum_over_rows<Threads>(sums);
  if (threadIdx.y == 0) {
    store_fragment<false>(partial + (at.group * bands + at.band) * layout.cols + at.column,
                          clamp_elements<N>(at.left), sums);
  }
}

}  // namespace detail

INVACT_NAMESPACE_END
