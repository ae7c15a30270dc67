// Device-wide backward that also sums dx over the rows: the gradient of a bias.
//
//   std::size_t bytes = invact::device::bias_gradient_workspace_bytes(shape);
//   // ... a workspace of that many bytes, kept until the call has run in the stream
//   invact::device::backward_with_bias_gradient(act{}, shape, dy, y, mask, dx, bias_gradient, workspace, bytes,
//                                               stream);
//
// What <invact/device/elementwise.cuh> says of every call holds here.
#pragma once

#include <invact/device/elementwise.cuh>

#include <cub/warp/warp_reduce.cuh>

#include <cstddef>

INVACT_NAMESPACE_BEGIN

namespace detail {

// Lanes that share a column in the sum over bands, and columns of a warp: each load of a warp is then
// four whole 32-byte sectors.
inline constexpr int column_lanes = 4;
inline constexpr int warp_columns = 32 / column_lanes;

// out[group, c] = the sum over the bands of partial[group, band, c].
template <int Threads>
INVACT_KERNEL void __launch_bounds__(Threads)
    sum_bands_kernel(int64 cols, int64 groups, int64 bands, const float* partial, float* out) {
  using reduce = cub::WarpReduce<float, column_lanes>;
  __shared__ typename reduce::TempStorage shared[Threads / column_lanes];
  const int lane = static_cast<int>(threadIdx.x) % column_lanes;
  const int64 c = (int64{blockIdx.x} * Threads + threadIdx.x) / column_lanes;
  for (int64 group = blockIdx.y; group < groups; group += gridDim.y) {
    float sum = 0.0f;
    if (c < cols) {
      for (int64 band = lane; band < bands; band += column_lanes) {
        sum += partial[(group * bands + band) * cols + c];
      }
    }
    sum = reduce(shared[threadIdx.x / column_lanes]).Sum(sum);
    if (c < cols && lane == 0) out[group * cols + c] = sum;
  }
}

constexpr device::launch_policy bias_gradient_policy{256, 1};

// The fragments of 16-bit tensors, whatever the tensors are: the workspace, and the order of the sums, are
// those of the shape alone.
inline constexpr int bias_gradient_fragment = 8;

inline grid_shape bias_gradient_grid(const row_layout& layout) {
  return grid_shape::of_sums<bias_gradient_fragment>(bias_gradient_policy, layout);
}

template <class Shape>
std::size_t sums_bytes(const Shape& shape) {
  // What a call refuses needs no workspace.
  argument_checks checks;
  checks.size(shape);
  checks.addressable<float>(shape.cols, "shape.cols");
  if (checks.what() != defect::none || shape.rows == 0 || shape.cols == 0 || !groups_divide(shape))
    return 0;
  const row_layout layout = layout_of(shape);
  const grid_shape grid = bias_gradient_grid(layout);
  // The sums of one band are the result.
  if (grid.bands <= 1) return 0;
  return static_cast<std::size_t>(grid.bands) * static_cast<std::size_t>(layout.groups) *
         static_cast<std::size_t>(shape.cols) * sizeof(float);
}

template <class Op, class Shape, class Dy, class Dx>
INVACT_HIDDEN cudaError_t backward_summed(const Op& op, const Shape& shape, const Dy* dy,
                                          const storage_of<Op>* y, const uint8* mask, Dx* dx,
                                          float* bias_gradient, void* workspace,
                                          std::size_t workspace_bytes, cudaStream_t stream) {
  constexpr int threads = bias_gradient_policy.block_threads;
  if (check_backward<Op>(shape, dy, y, mask, dx, bias_gradient).what() != defect::none ||
      !groups_are_valid(shape)) {
    return cudaErrorInvalidValue;
  }
  if (shape.cols == 0) return cudaSuccess;
  const std::size_t needed = sums_bytes(shape);
  if (needed > workspace_bytes || (needed > 0 && workspace == nullptr) ||
      reinterpret_cast<uint64>(workspace) % alignof(float) != 0) {
    return cudaErrorInvalidValue;
  }
  const row_layout layout = layout_of(shape);
  const grid_shape grid = bias_gradient_grid(layout);
  const int64 strips = ceil_div(layout.cols * column_lanes, threads);
  if (!grid.fits() || strips > max_grid_x) return cudaErrorInvalidValue;
  float* const partial = needed > 0 ? static_cast<float*>(workspace) : bias_gradient;
  if (grid.bands > 0) {
    constexpr int size = bias_gradient_fragment;
    const bool aligned = all_vector_aligned<size>(dy, shape.ld_dy, y, shape.ld_y, dx, shape.ld_dx);
    const auto sum = [&](auto vector, auto) {
      return launch(grid.blocks(), grid.threads(), stream,
                    backward_rows_kernel<threads, size, vector(), true, Op, Dy, Dx>, op, layout,
                    static_cast<int>(grid.band_rows), dy, y, mask, dx, partial);
    };
    const cudaError_t status = choose<bias_gradient_policy.fragments>(aligned, sum);
    if (status != cudaSuccess || needed == 0) return status;
  }
  const dim3 blocks(static_cast<unsigned>(strips),
                    static_cast<unsigned>(layout.groups < max_grid_yz ? layout.groups : max_grid_yz));
  return launch(blocks, threads, stream, sum_bands_kernel<threads>, layout.cols, layout.groups, grid.bands,
                static_cast<const float*>(partial), bias_gradient);
}

}  // namespace detail

namespace device {

// Bytes of the workspace for a shape, a matrix_shape or a ragged_shape; 0 where none is needed, and for what a
// call would refuse. Depends on rows, cols and groups alone: at most 512 sums a column, but at least one a
// group. The counts of a ragged_shape may still be null.
template <class Shape, invact::detail::if_shape<Shape> = 0>
std::size_t bias_gradient_workspace_bytes(const Shape& shape) noexcept {
  return invact::detail::sums_bytes(shape);
}

// backward(), and bias_gradient[c] = the sum over r of dx(r, c), taken in float over the unrounded dx.
// bias_gradient has cols elements, of a ragged_shape groups * cols, and is overwritten; with no rows it is
// zero. workspace: at least bias_gradient_workspace_bytes(shape) bytes of device memory, aligned to 4
// bytes, or null if that is 0; its contents do not matter before and mean nothing after.
//
// Summation order: a band is 1 / bands of the rows of a group. Thread k of the h that share a column adds
// the rows k, k + h, ... of a band in order; then their sums are added in order; then every fourth band in
// order, and the four sums pairwise. There are no atomics, and h and the bands depend on the shape
// alone, so the result's bits do too. To first order the error is at most (rows of a band / h + h +
// bands / 4 + 3) * 2^-24 times the sum of |dx|.
template <class Op, class Shape, class Dy, class Dx, invact::detail::if_shape<Shape> = 0>
INVACT_HIDDEN cudaError_t backward_with_bias_gradient(const Op& op, const Shape& shape, const Dy* dy,
                                                      const invact::detail::storage_of<Op>* y,
                                                      const uint8* mask, Dx* dx, float* bias_gradient,
                                                      void* workspace, std::size_t workspace_bytes,
                                                      cudaStream_t stream = nullptr) {
  invact::detail::check_takes_mask<Op>();
  return invact::detail::backward_summed(op, shape, dy, y, mask, dx, bias_gradient, workspace,
                                         workspace_bytes, stream);
}
template <class Op, class Shape, class Dy, class Dx, invact::detail::if_shape<Shape> = 0>
INVACT_HIDDEN cudaError_t backward_with_bias_gradient(const Op& op, const Shape& shape, const Dy* dy,
                                                      const invact::detail::storage_of<Op>* y, Dx* dx,
                                                      float* bias_gradient, void* workspace,
                                                      std::size_t workspace_bytes,
                                                      cudaStream_t stream = nullptr) {
  invact::detail::check_takes_no_mask<Op>();
  return invact::detail::backward_summed(op, shape, dy, y, nullptr, dx, bias_gradient, workspace,
                                         workspace_bytes, stream);
}

}  // namespace device

INVACT_NAMESPACE_END
