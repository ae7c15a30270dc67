// The device-wide kernels: over one run of elements, and over the rows of matrices.
#pragma once

#include <invact/device/access.cuh>

INVACT_NAMESPACE_BEGIN

namespace detail {

// Threads that registers leave room for on a multiprocessor: 40 registers a thread. With fewer threads the
// loads in flight no longer cover the latency of memory.
inline constexpr int resident_threads = 1536;
// The same of a kernel that sums columns, whose sums take registers.
inline constexpr int summing_threads = 768;

// One run of n elements. A block has a tile of Fragments * Threads fragments of N elements, neighbouring
// threads neighbouring fragments. Only the last block takes the path that counts elements, whose threads
// stay together (see store_mask).
template <int Threads, int Fragments, int N>
inline constexpr int64 tile_elements = int64{Threads} * Fragments* N;

template <int Threads, int Fragments, int N, bool Vector, class Op, class X>
INVACT_KERNEL void __launch_bounds__(Threads, resident_threads / Threads)
    forward_run_kernel(const Op op, int64 n, const X* x, storage_of<Op>* y, uint8* mask) {
  constexpr int64 tile = tile_elements<Threads, Fragments, N>;
  constexpr int stride = Threads * N;
  const int64 first = blockIdx.x * tile + static_cast<int>(threadIdx.x) * N;
  if (Vector && (blockIdx.x + 1) * tile <= n) {
    fragment<X, N> in[Fragments];
    INVACT_UNROLL
    for (int f = 0; f < Fragments; ++f) in[f] = load_fragment<N, true>(x + first + f * stride, N);
    INVACT_UNROLL
    for (int f = 0; f < Fragments; ++f) {
      const int64 i = first + f * stride;
      forward_fragment<true>(op, widen(in[f]), N, y + i, mask, i);
    }
    return;
  }
#pragma unroll 1
  for (int f = 0; f < Fragments; ++f) {
    const int64 i = first + f * stride;
    const int count = elements_at<N>(i, n);
    forward_fragment<Vector>(op, widen(load_fragment<N, Vector>(x + i, count)), count, y + i, mask, i);
  }
}

template <int Threads, int Fragments, int N, bool Vector, class Op, class Dy, class Dx>
INVACT_KERNEL void __launch_bounds__(Threads, resident_threads / Threads)
    backward_run_kernel(const Op op, int64 n, const Dy* dy, const storage_of<Op>* y, const uint8* mask,
                        Dx* dx) {
  constexpr int64 tile = tile_elements<Threads, Fragments, N>;
  constexpr int stride = Threads * N;
  const int64 first = blockIdx.x * tile + static_cast<int>(threadIdx.x) * N;
  if (Vector && (blockIdx.x + 1) * tile <= n) {
    backward_input<Op, N, Dy> in[Fragments];
    INVACT_UNROLL
    for (int f = 0; f < Fragments; ++f) {
      const int64 i = first + f * stride;
      in[f].template load<true>(dy + i, y + i, mask, i, N);
    }
    INVACT_UNROLL
    for (int f = 0; f < Fragments; ++f) {
      store_fragment<true>(dx + first + f * stride, N,
                           narrow<Dx>(backward_fragment(op, widen(in[f].dy), in[f].y, in[f].bits)));
    }
    return;
  }
#pragma unroll 1
  for (int f = 0; f < Fragments; ++f) {
    const int64 i = first + f * stride;
    const int count = elements_at<N>(i, n);
    backward_input<Op, N, Dy> in;
    in.template load<Vector>(dy + i, y + i, mask, i, count);
    store_fragment<Vector>(dx + i, count, narrow<Dx>(backward_fragment(op, widen(in.dy), in.y, in.bits)));
  }
}

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

// The rows of one group that a block works on: `rows` from row `first` of all groups on.
struct row_band {
  int64 first;
  int rows;

  __device__ __forceinline__ row_band(const row_layout& layout, int64 group, int band_rows) {
    const int64 start = blockIdx.y * int64{band_rows};
    const int64 left = layout.rows_of(group) - start;
    first = group * layout.rows + start;
    rows = left <= 0 ? 0 : left < band_rows ? static_cast<int>(left) : band_rows;
  }
};

// A block works on the columns of blockDim.x fragments, and on the rows [band_rows * blockIdx.y,
// band_rows * (blockIdx.y + 1)) of a group, blockDim.y rows at a time. A thread keeps its columns, so that the
// bias, and the sums for its gradient, stay in registers.
template <int Threads, int N, bool Vector, class Op, class X, class Bias>
INVACT_KERNEL void __launch_bounds__(Threads, resident_threads / Threads)
    forward_rows_kernel(const Op op, const row_layout layout, int band_rows, const X* x, Bias bias,
                        storage_of<Op>* y, uint8* mask) {
  const int64 c = (int64{blockIdx.x} * blockDim.x + threadIdx.x) * N;
  const int columns = elements_at<N>(c, layout.cols);
  const int in_byte = static_cast<int>(c % 8);  // eight elements fill whole mask bytes
  const int step = static_cast<int>(blockDim.y);
  for (int64 group = blockIdx.z; group < layout.groups; group += gridDim.z) {
    const row_band band(layout, group, band_rows);
    const int64 own = band.first + threadIdx.y;
    const X* x_at = x + own * layout.ld_x + c;
    storage_of<Op>* y_at = y + own * layout.ld_y + c;
    uint8* mask_at = mask + own * layout.mask_stride + c / 8 * Op::mask_bits;
    bias_fragment<Bias, N> added;
    added.template load<Vector>(bias, group * layout.cols + c, columns);
    // The same number of rounds for all threads of a block: see store_mask.
    for (int top = 0; top < band.rows; top += step) {
      const int count = top + static_cast<int>(threadIdx.y) < band.rows ? columns : 0;
      forward_fragment<Vector>(op, added.to(widen(load_fragment<N, Vector>(x_at, count))), count, y_at,
                               mask_at, in_byte);
      x_at += step * layout.ld_x;
      y_at += step * layout.ld_y;
      mask_at += step * layout.mask_stride;
    }
  }
}

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
  __syncthreads();
}

// With Sums, row band + bands * group of `partial` gets the column sums of the unrounded dx. Their registers leave
// room for so few threads that each loads a row while it computes the one before.
template <int Threads, int N, bool Vector, bool Sums, class Op, class Dy, class Dx>
INVACT_KERNEL void __launch_bounds__(Threads, (Sums ? summing_threads : resident_threads) / Threads)
    backward_rows_kernel(const Op op, const row_layout layout, int band_rows, const Dy* dy,
                         const storage_of<Op>* y, const uint8* mask, Dx* dx, float* partial) {
  const int64 c = (int64{blockIdx.x} * blockDim.x + threadIdx.x) * N;
  const int columns = elements_at<N>(c, layout.cols);
  const int in_byte = static_cast<int>(c % 8);
  const int step = static_cast<int>(blockDim.y);
  for (int64 group = blockIdx.z; group < layout.groups; group += gridDim.z) {
    fragment<float, N> sums{};
    const row_band band(layout, group, band_rows);
    const int64 own = band.first + threadIdx.y;
    const Dy* dy_at = dy + own * layout.ld_dy + c;
    const storage_of<Op>* y_at = y + own * layout.ld_y + c;
    const uint8* mask_at = mask + own * layout.mask_stride + c / 8 * Op::mask_bits;
    Dx* dx_at = dx + own * layout.ld_dx + c;
    const auto count_at = [&](int top) {
      return top + static_cast<int>(threadIdx.y) < band.rows ? columns : 0;
    };
    backward_input<Op, N, Dy> next;
    if constexpr (Sums) next.template load<Vector>(dy_at, y_at, mask_at, in_byte, count_at(0));
    for (int top = 0; top < band.rows; top += step) {
      if constexpr (!Sums) next.template load<Vector>(dy_at, y_at, mask_at, in_byte, count_at(top));
      const backward_input<Op, N, Dy> in = next;
      dy_at += step * layout.ld_dy;
      y_at += step * layout.ld_y;
      mask_at += step * layout.mask_stride;
      if constexpr (Sums) next.template load<Vector>(dy_at, y_at, mask_at, in_byte, count_at(top + step));
      const fragment<float, N> value = backward_fragment(op, widen(in.dy), in.y, in.bits);
      if (Sums && count_at(top) > 0) {
        // Never fused with the product that dx is: the sum is that of dx, whatever the compiler's flags.
        INVACT_UNROLL
        for (int i = 0; i < N; ++i) sums[i] = __fadd_rn(sums[i], value[i]);
      }
      store_fragment<Vector>(dx_at, count_at(top), narrow<Dx>(value));
      dx_at += step * layout.ld_dx;
    }
    if constexpr (Sums) {
      sum_over_rows<Threads>(sums);
      if (threadIdx.y == 0) {
        store_fragment<false>(partial + (group * gridDim.y + blockIdx.y) * layout.cols + c, columns, sums);
      }
    } else {
      static_cast<void>(sums);
    }
  }
}

}  // namespace detail

INVACT_NAMESPACE_END
