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

// The sum over bands: columns of a block, whose sums of one band are then a 32-byte sector, and the threads that
// share one.
inline constexpr int sum_columns = 8;
inline constexpr int sum_lanes = 32;

// out[group, c] = the sum over the bands of partial[group, band, c]. blockIdx.y and .z count groups.
template <int Columns, int Lanes>
INVACT_KERNEL void __launch_bounds__(Columns* Lanes)
    sum_bands_kernel(int64 cols, int64 groups, int64 bands, const float* partial, float* out) {
  using reduce = cub::WarpReduce<float, Lanes>;
  __shared__ typename reduce::TempStorage storage[Columns];
  __shared__ float sums[Columns][Lanes + 1];
  const int64 group = blockIdx.z * int64{gridDim.y} + blockIdx.y;
  if (group >= groups) return;
  const int thread = static_cast<int>(threadIdx.x);
  const int64 first = int64{blockIdx.x} * Columns;
  const int64 own = first + thread % Columns;
  float sum = 0.0f;
  if (own < cols) {
    for (int64 band = thread / Columns; band < bands; band += Lanes) {
      sum += partial[(group * bands + band) * cols + own];
    }
  }
  sums[thread % Columns][thread / Columns] = sum;
  __syncthreads();
  // Now a warp has a column.
  const int column = thread / Lanes;
  sum = reduce(storage[column]).Sum(sums[column][thread % Lanes]);
  if (thread % Lanes == 0 && first + column < cols) out[group * cols + first + column] = sum;
}

// As many bytes in flight in float, whose fragments here are 32 bytes.
template <class... T>
constexpr device::launch_policy bias_gradient_policy{512, fragment_size<T...> == 4 ? 1 : 2};

// The fragments of 16-bit tensors, whatever the tensors are: the workspace, and the order of the sums, are
// those of the shape alone.
inline constexpr int bias_gradient_fragment = 8;

inline grid_shape bias_gradient_grid(const row_layout& layout) {
  return grid_shape::of_sums<bias_gradient_fragment>(bias_gradient_policy<>.block_threads, layout);
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
  constexpr device::launch_policy policy = bias_gradient_policy<Dy, storage_of<Op>, Dx>;
  constexpr int threads = policy.block_threads;
  if (check_backward(op, shape, dy, y, mask, dx, bias_gradient).what() != defect::none ||
      !groups_are_valid(shape)) {
    return cudaErrorInvalidValue;
  }
  if (shape.cols == 0) return cudaSuccess;
  const std::size_t needed = sums_bytes(shape);
  if (needed > 0 && (needed > workspace_bytes || workspace == nullptr ||
                     reinterpret_cast<uint64>(workspace) % alignof(float) != 0)) {
    return cudaErrorInvalidValue;
  }
  const row_layout layout = layout_of(shape);
  const grid_shape grid = bias_gradient_grid(layout);
  const int64 strips = ceil_div(layout.cols, sum_columns);
  const bool sums_bands = needed > 0 || grid.bands == 0;
  if (!grid.fits() || (sums_bands && strips > max_grid_x)) return cudaErrorInvalidValue;
  float* const partial = needed > 0 ? static_cast<float*>(workspace) : bias_gradient;
  if (grid.bands > 0) {
    constexpr int size = bias_gradient_fragment;
    const bool aligned = rows_are_vector_aligned<size>(shape, dy, y, dx);
    const auto sum = [&](auto vector, auto fragments) {
      return launch(grid.blocks(), grid.threads(), stream,
                    backward_sums_kernel<threads, fragments(), size, vector(), Op, Dy, Dx>, op, layout,
                    grid.strip_divisor(), static_cast<int>(grid.band_rows), grid.bands, dy, y, mask, dx,
                    partial);
    };
    const cudaError_t status = choose<policy.fragments>(aligned, sum);
    if (status != cudaSuccess || !sums_bands) return status;
  }
  dim3 blocks = grid.blocks();
  blocks.x = static_cast<unsigned>(strips);
  return launch(blocks, sum_columns * sum_lanes, stream, sum_bands_kernel<sum_columns, sum_lanes>,
                layout.cols, layout.groups, grid.bands, static_cast<const float*>(partial), bias_gradient);
}

}  // namespace detail

namespace device {

// Bytes of the workspace for a shape, a matrix_shape or a ragged_shape, at most 4 MiB; 0 where none is needed, and
// for a size that is negative or not a multiple of its groups. Depends on rows, cols and groups alone: of a
// column and group at most one sum for every 128 rows, rounded up. The counts of a ragged_shape may still be
// null.
template <class Shape, invact::detail::if_shape<Shape> = 0>
std::size_t bias_gradient_workspace_bytes(const Shape& shape) noexcept {
  return invact::detail::sums_bytes(shape);
}

// backward(), and bias_gradient[c] = the sum over r of dx(r, c), taken in float over the unrounded dx.
// bias_gradient has cols elements, of a ragged_shape groups * cols, and is overwritten; with no rows it is
// zero. workspace: at least bias_gradient_workspace_bytes(shape) bytes of device memory, aligned to 4
// bytes; anything if that is 0. Its contents do not matter before and mean nothing after. Too small a
// workspace, one that is null and one that is not aligned are refused with cudaErrorInvalidValue.
//
// Summation order: a band is 1 / bands of the rows of a group. Thread k of the h that share a column adds
// the rows k, k + h, ... of a band in order; then their sums are added in order; then every 32nd band in
// order, and the 32 sums pairwise. There are no atomics, and h and the bands depend on the shape
// alone, so the result's bits do too. h is 16 where cols > 128, and where they are fewer 512 / (cols / 8)
// with cols / 8 rounded up to a power of two, at least 2; a band has 8 h rows, or more where there would be
// more than 4096 / ceil(cols / 256) bands in all groups. To first order the error is at most (rows of a band / h
// + h + bands / 32 + 6) * 2^-24 times the sum of |dx|.
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
