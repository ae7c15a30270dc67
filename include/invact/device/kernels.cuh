// The device-wide kernels: over one run of elements, and over the rows of matrices.
#pragma once

#include <invact/device/access.cuh>

INVACT_NAMESPACE_BEGIN

namespace detail {

// One run of n elements. A block has a tile of Fragments * Threads fragments, neighbouring threads
// neighbouring fragments. Only the last block takes the path that counts elements.
template <int Threads, int Fragments>
inline constexpr int64 tile_elements = int64{Threads} * Fragments * device_fragment_size;

template <int Threads, int Fragments, bool Vector, class Op, class X>
INVACT_KERNEL void __launch_bounds__(Threads)
    forward_run_kernel(const Op op, int64 n, const X* x, storage_of<Op>* y, uint8* mask) {
  constexpr int64 tile = tile_elements<Threads, Fragments>;
  constexpr int stride = Threads * device_fragment_size;
  const int64 first = blockIdx.x * tile + static_cast<int>(threadIdx.x) * device_fragment_size;
  x += first;
  y += first;
  mask = mask_at<Op::mask_bits>(mask, first / device_fragment_size * Op::mask_bits);
  if (Vector && (blockIdx.x + 1) * tile <= n) {
    device_fragment<X> in[Fragments];
    INVACT_UNROLL
    for (int f = 0; f < Fragments; ++f) in[f] = load_fragment<true>(x + f * stride, device_fragment_size);
    INVACT_UNROLL
    for (int f = 0; f < Fragments; ++f) {
      forward_fragment<true>(op, widen(in[f]), device_fragment_size, y + f * stride,
                             mask + f * Threads * Op::mask_bits);
    }
    return;
  }
#pragma unroll 1
  for (int f = 0; f < Fragments; ++f) {
    const int count = elements_at(first + f * stride, n);
    if (count == 0) return;
    forward_fragment<Vector>(op, widen(load_fragment<Vector>(x + f * stride, count)), count,
                             y + f * stride, mask + f * Threads * Op::mask_bits);
  }
}

template <int Threads, int Fragments, bool Vector, class Op, class Dy, class Dx>
INVACT_KERNEL void __launch_bounds__(Threads)
    backward_run_kernel(const Op op, int64 n, const Dy* dy, const storage_of<Op>* y, const uint8* mask,
                        Dx* dx) {
  constexpr int64 tile = tile_elements<Threads, Fragments>;
  constexpr int stride = Threads * device_fragment_size;
  const int64 first = blockIdx.x * tile + static_cast<int>(threadIdx.x) * device_fragment_size;
  dy += first;
  y += first;
  dx += first;
  mask = mask_at<Op::mask_bits>(mask, first / device_fragment_size * Op::mask_bits);
  if (Vector && (blockIdx.x + 1) * tile <= n) {
    backward_input<Op, Dy> in[Fragments];
    INVACT_UNROLL
    for (int f = 0; f < Fragments; ++f) {
      in[f].template load<true>(dy + f * stride, y + f * stride, mask + f * Threads * Op::mask_bits,
                                device_fragment_size);
    }
    INVACT_UNROLL
    for (int f = 0; f < Fragments; ++f) {
      store_fragment<true>(dx + f * stride, device_fragment_size,
                           narrow<Dx>(backward_fragment(op, widen(in[f].dy), in[f].y, in[f].bits)));
    }
    return;
  }
#pragma unroll 1
  for (int f = 0; f < Fragments; ++f) {
    const int count = elements_at(first + f * stride, n);
    if (count == 0) return;
    backward_input<Op, Dy> in;
    in.template load<Vector>(dy + f * stride, y + f * stride, mask + f * Threads * Op::mask_bits, count);
    store_fragment<Vector>(dx + f * stride, count,
                           narrow<Dx>(backward_fragment(op, widen(in.dy), in.y, in.bits)));
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

// A block works on the columns of blockDim.x fragments, and on the rows [band_rows * blockIdx.y,
// band_rows * (blockIdx.y + 1)) of a group, blockDim.y * Fragments rows at a time. A thread keeps its
// columns, so that the bias, and the sums for its gradient, stay in registers.
template <int Threads, int Fragments, bool Vector, class Op, class X, class Bias>
INVACT_KERNEL void __launch_bounds__(Threads)
    forward_rows_kernel(const Op op, const row_layout layout, int64 band_rows, const X* x, Bias bias,
                        storage_of<Op>* y, uint8* mask) {
  const int64 c = (int64{blockIdx.x} * blockDim.x + threadIdx.x) * device_fragment_size;
  const int count = elements_at(c, layout.cols);
  if (count == 0) return;
  const int step = static_cast<int>(blockDim.y);
  for (int64 group = blockIdx.z; group < layout.groups; group += gridDim.z) {
    device_fragment<float> added;
    if constexpr (!is_same_v<Bias, no_bias>) {
      added = widen(load_fragment<Vector>(bias + group * layout.cols + c, count));
    }
    const int64 rows = layout.rows_of(group);
    const int64 first = blockIdx.y * band_rows;
    const int64 end = rows - first < band_rows ? rows : first + band_rows;
    for (int64 r = first + threadIdx.y; r < end; r += step * Fragments) {
      const int64 at = group * layout.rows + r;
      device_fragment<X> in[Fragments];
      INVACT_UNROLL
      for (int f = 0; f < Fragments; ++f) {
        if (r + f * step < end) in[f] = load_fragment<Vector>(x + (at + f * step) * layout.ld_x + c, count);
      }
      INVACT_UNROLL
      for (int f = 0; f < Fragments; ++f) {
        if (r + f * step >= end) break;
        device_fragment<float> value = widen(in[f]);
        if constexpr (!is_same_v<Bias, no_bias>) {
          INVACT_UNROLL
          for (int i = 0; i < device_fragment_size; ++i) value[i] += added[i];
        }
        forward_fragment<Vector>(
            op, value, count, y + (at + f * step) * layout.ld_y + c,
            mask_at<Op::mask_bits>(mask, (at + f * step) * layout.mask_stride + c / device_fragment_size * Op::mask_bits));
      }
    }
  }
}

// Sums of the columns over a block's rows: those of threads with equal threadIdx.x, in the order of
// threadIdx.y. Every thread of the block calls it; the result is that of threadIdx.y = 0.
template <int Threads>
__device__ __forceinline__ void sum_over_rows(device_fragment<float>& sums) {
  // Fragments one float apart: threads that follow one another use different banks.
  __shared__ float shared[Threads * (device_fragment_size + 1)];
  const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  INVACT_UNROLL
  for (int i = 0; i < device_fragment_size; ++i) shared[thread * (device_fragment_size + 1) + i] = sums[i];
  __syncthreads();
  if (threadIdx.y == 0) {
    for (int k = 1; k < static_cast<int>(blockDim.y); ++k) {
      const int other = static_cast<int>(k * blockDim.x + threadIdx.x);
      INVACT_UNROLL
      for (int i = 0; i < device_fragment_size; ++i) sums[i] += shared[other * (device_fragment_size + 1) + i];
    }
  }
  __syncthreads();
}

// With Sums, row band + bands * group of `partial` gets the column sums of the unrounded dx.
template <int Threads, int Fragments, bool Vector, bool Sums, class Op, class Dy, class Dx>
INVACT_KERNEL void __launch_bounds__(Threads)
    backward_rows_kernel(const Op op, const row_layout layout, int64 band_rows, const Dy* dy,
                         const storage_of<Op>* y, const uint8* mask, Dx* dx, float* partial) {
  const int64 c = (int64{blockIdx.x} * blockDim.x + threadIdx.x) * device_fragment_size;
  const int count = elements_at(c, layout.cols);
  if (!Sums && count == 0) return;
  const int step = static_cast<int>(blockDim.y);
  for (int64 group = blockIdx.z; group < layout.groups; group += gridDim.z) {
    device_fragment<float> sums{};
    const int64 rows = layout.rows_of(group);
    const int64 first = blockIdx.y * band_rows;
    const int64 end = count == 0 ? 0 : rows - first < band_rows ? rows : first + band_rows;
    for (int64 r = first + threadIdx.y; r < end; r += step * Fragments) {
      const int64 at = group * layout.rows + r;
      backward_input<Op, Dy> in[Fragments];
      INVACT_UNROLL
      for (int f = 0; f < Fragments; ++f) {
        if (r + f * step < end) {
          const int64 row = at + f * step;
          in[f].template load<Vector>(
              dy + row * layout.ld_dy + c, y + row * layout.ld_y + c,
              mask_at<Op::mask_bits>(mask, row * layout.mask_stride + c / device_fragment_size * Op::mask_bits), count);
        }
      }
      INVACT_UNROLL
      for (int f = 0; f < Fragments; ++f) {
        if (r + f * step >= end) break;
        const device_fragment<float> value = backward_fragment(op, widen(in[f].dy), in[f].y, in[f].bits);
        if constexpr (Sums) {
          INVACT_UNROLL
          for (int i = 0; i < device_fragment_size; ++i) sums[i] += value[i];
        }
        store_fragment<Vector>(dx + (at + f * step) * layout.ld_dx + c, count, narrow<Dx>(value));
      }
    }
    if constexpr (Sums) {
      sum_over_rows<Threads>(sums);
      if (threadIdx.y == 0) {
        store_fragment<false>(partial + (group * gridDim.y + blockIdx.y) * layout.cols + c, count, sums);
      }
    } else {
      static_cast<void>(sums);
    }
  }
}

}  // namespace detail

INVACT_NAMESPACE_END
