// Device-wide forward and backward of an op.
//
//   using act = invact::inverted<invact::gelu, __nv_bfloat16>;
//   invact::device::forward(act{}, n, x, y, mask, stream);        // mask: invact::mask_bytes(n) bytes
//   invact::device::backward(act{}, n, dy, y, mask, dx, stream);
//
// What holds for every function of namespace invact::device:
//
// Elements   y has the op's storage type. x, bias, dy and dx are float or any storage type, each its
//            own: they are converted to float on reading and rounded to nearest, ties to even, on
//            writing. Results are bit for bit those of the op's calls in device code.
// Pointers   to memory that the stream's device can access.
// Mask       ops with mask_bits > 0 take a mask, the others have no such argument. Element i of a row
//            is at bits [i*mask_bits, (i+1)*mask_bits) from the row's first byte, least significant
//            first. Tail bits of a row's last byte are written as zero and ignored when read; no
//            byte of a row beyond invact::mask_bytes(cols, mask_bits) is touched.
// Alignment  of the element types. Memory is accessed up to 16 bytes at a time where every tensor but the
//            mask begins at a multiple of that many bytes, and so do its rows and, where groups have a
//            bias each, the biases; else, and at the ends of rows, an element at a time.
// Aliasing   y may be x, and dx may be dy (same pointer, same type, same leading dimension). Any other
//            overlap of an output with another argument is undefined.
// Stream     asynchronous, in stream order; allocates nothing, waits for nothing, and can be captured into
//            a graph. A call is one kernel (backward_with_bias_gradient: one or two), or none for an empty
//            tensor (but for the gradient of a bias of no rows, which is set to zero).
// Returns    cudaErrorInvalidValue, before anything is launched or written, for a null pointer to a tensor
//            that is not empty or to an op's scale, a negative size, a size or extent that overflows, a
//            leading dimension below cols, a mask stride that is too small or no multiple of 8 bits, groups
//            that do not divide the rows, and more than a grid holds: 2^39 elements of a run, 2^36 of other
//            matrices, 2^34 columns of a bias gradient and 65535^2 groups are not too many. Pointers to
//            empty tensors may be null. Otherwise the launch's status, an earlier sticky error among them;
//            an error that another call left for cudaGetLastError stays there.
#pragma once

#include <invact/device/geometry.cuh>

#include <type_traits>

INVACT_NAMESPACE_BEGIN

namespace detail {

// Whether Op puts the piece into y's code.
template <class Op, class = void>
inline constexpr bool encodes_piece = false;
template <class Op>
inline constexpr bool encodes_piece<Op, void_t<typename Op::packing_type, typename Op::activation_type>> =
    Op::mask_bits == 0 && piece_bits_v<typename Op::activation_type> > 0;

template <class Op, class = void>
inline constexpr forward_weight weight_of_op = forward_weight::heavy;
template <class Op>
inline constexpr forward_weight weight_of_op<Op, void_t<typename Op::activation_type>> =
    weight_of<typename Op::activation_type>;

// Whether y alone says everything, in a type it is not scaled for.
template <class Op, class = void>
inline constexpr bool keeps_no_piece = false;
template <class Op>
inline constexpr bool keeps_no_piece<Op, void_t<typename Op::activation_type>> =
    piece_bits_v<typename Op::activation_type> == 0 && !is_float8<storage_of<Op>>;

// The fastest of 64 to 512 threads, 1 to 4 fragments, and room for 1536 or 2048 threads, which leaves each 40 or 32
// registers, for most activations on four H200s, which differ: bench/results, "launch policies", has some. With little to
// compute between a load and a store, one fragment and as many threads as there can be; in float, and where the piece
// is encoded, more fragments beside as many threads, so that some load while others compute. FP8 moves few bytes and has an
// amax to raise. A short run would leave multiprocessors without a block, or the last round of blocks nearly empty.
template <int N, class Op>
constexpr device::run_policy forward_policy_of() {
  constexpr forward_weight weight = weight_of_op<Op>;
  constexpr bool light = weight == forward_weight::light, medium = weight == forward_weight::medium;
  constexpr device::launch_policy two{128, 2, 1536}, two_of_more{128, 2, 2048};
  if (is_float8<storage_of<Op>>) return {two, {128, 4, N == 4 ? 1536 : 1024}, int64{1} << (N == 4 ? 22 : 25)};
  if (N == 4) {
    if (light) return {two, {128, 1, 2048}, int64{1} << 24};
    return {Op::mask_bits > 0 ? two : two_of_more, {128, medium ? 2 : encodes_piece<Op> ? 4 : 3, 2048}, int64{1} << 22};
  }
  if (encodes_piece<Op>) return {two_of_more, {128, light ? 2 : 3, 2048}, int64{1} << 25};
  return {two, keeps_no_piece<Op> ? device::launch_policy{128, 1, 2048} : two, int64{1} << 25};
}
template <int N, class Op>
inline constexpr device::run_policy forward_policy = forward_policy_of<N, Op>();

template <class Op>
constexpr device::run_policy backward_policy_of() {
  constexpr device::launch_policy one{256, 1, 2048}, two{128, 2, 1536};
  return {keeps_no_piece<Op> ? one : two, keeps_no_piece<Op> ? one : two, 0};
}
template <class Op>
inline constexpr device::run_policy backward_policy = backward_policy_of<Op>();
// Rows: of 1, 2 and 4 fragments the fastest is 2; 4 do not fit into 40 registers beside the addresses and the bias.
constexpr device::launch_policy rows_policy{128, 2};

// run(whether accesses are vectors, fragments of a thread), both as types. Accesses of one element leave no
// registers for a second fragment.
template <int Fragments, class Run>
INVACT_HIDDEN cudaError_t choose(bool vector, const Run& run) {
  return vector ? run(std::true_type{}, std::integral_constant<int, Fragments>{})
                : run(std::false_type{}, std::integral_constant<int, 1>{});
}

// What a kernel over one run is instantiated for.
template <int Threads, int Resident, int Fragments, bool Vector>
struct run_shape {
  static constexpr int threads = Threads;
  static constexpr int resident = Resident;
  static constexpr int fragments = Fragments;
  static constexpr bool vector = Vector;
};

// run(a run_shape) for n elements.
template <const device::run_policy& Policy, class Run>
INVACT_HIDDEN cudaError_t choose_shape(int64 n, bool vector, const Run& run) {
  constexpr device::launch_policy one = Policy.short_run, other = Policy.long_run;
  if (!vector) return run(run_shape<one.block_threads, exchanging_threads, 1, false>{});
  return n < Policy.long_elements ? run(run_shape<one.block_threads, one.resident_threads, one.fragments, true>{})
                                  : run(run_shape<other.block_threads, other.resident_threads, other.fragments, true>{});
}

template <class Op, class X>
INVACT_HIDDEN cudaError_t launch_forward(const Op& op, int64 n, const X* x, storage_of<Op>* y, uint8* mask,
                                         cudaStream_t stream) {
  constexpr int size = fragment_size<X, storage_of<Op>>;
  const bool aligned = is_vector_aligned<size>(x, 0) && is_vector_aligned<size>(y, 0);
  return choose_shape<forward_policy<size, Op>>(n, aligned, [&](auto chosen) {
    using shape = decltype(chosen);
    const int64 blocks = ceil_div(n, tile_elements<shape::threads, shape::fragments, size>);
    if (blocks > max_grid_x) return cudaErrorInvalidValue;
    return launch(static_cast<unsigned>(blocks), shape::threads, stream,
                  forward_run_kernel<shape::threads, shape::resident, shape::fragments, size, shape::vector, Op, X>, op, n,
                  x, y, mask);
  });
}

// The distance of rows, which is none where there is one.
inline int64 spacing(int64 rows, int64 ld) { return rows > 1 ? ld : 0; }

template <int N, class Dy, class Y, class Dx>
bool rows_are_vector_aligned(const matrix_shape& shape, const Dy* dy, const Y* y, const Dx* dx) {
  return is_vector_aligned<N>(dy, spacing(shape.rows, shape.ld_dy)) &&
         is_vector_aligned<N>(y, spacing(shape.rows, shape.ld_y)) &&
         is_vector_aligned<N>(dx, spacing(shape.rows, shape.ld_dx));
}

template <class Op, class Dy, class Dx>
INVACT_HIDDEN cudaError_t launch_backward(const Op& op, int64 n, const Dy* dy, const storage_of<Op>* y,
                                          const uint8* mask, Dx* dx, cudaStream_t stream) {
  constexpr int size = fragment_size<Dy, storage_of<Op>, Dx>;
  const bool aligned =
      is_vector_aligned<size>(dy, 0) && is_vector_aligned<size>(y, 0) && is_vector_aligned<size>(dx, 0);
  return choose_shape<backward_policy<Op>>(n, aligned, [&](auto chosen) {
    using shape = decltype(chosen);
    const int64 blocks = ceil_div(n, tile_elements<shape::threads, shape::fragments, size>);
    if (blocks > max_grid_x) return cudaErrorInvalidValue;
    return launch(static_cast<unsigned>(blocks), shape::threads, stream,
                  backward_run_kernel<shape::threads, shape::resident, shape::fragments, size, shape::vector, Op, Dy, Dx>,
                  op, n, dy, y, mask, dx);
  });
}

// Whether rows that follow one another without a gap make one run, mask bits and all.
template <class Op>
bool is_one_run(const row_layout& layout, int64 ld_a, int64 ld_b, int64 ld_c) {
  if (layout.counts != nullptr) return false;
  if (layout.rows * layout.groups == 1) return true;
  return ld_a == layout.cols && ld_b == layout.cols && ld_c == layout.cols &&
         8 * layout.mask_stride * (Op::mask_bits > 0 ? 1 : 0) == layout.cols * Op::mask_bits;
}

template <class Op, class Shape, class X, class Bias>
INVACT_HIDDEN cudaError_t forward_rows(const Op& op, const Shape& shape, const X* x, Bias bias,
                                       storage_of<Op>* y, uint8* mask, cudaStream_t stream) {
  if (check_forward(op, shape, x, bias, y, mask).what() != defect::none || !groups_are_valid(shape)) {
    return cudaErrorInvalidValue;
  }
  if (shape.rows == 0 || shape.cols == 0) return cudaSuccess;
  const row_layout layout = layout_of(shape);
  if constexpr (is_same_v<Bias, no_bias>) {
    if (is_one_run<Op>(layout, shape.ld_x, shape.ld_y, shape.ld_y)) {
      return launch_forward(op, shape.rows * shape.cols, x, y, mask, stream);
    }
  }
  constexpr int threads = rows_policy.block_threads;
  constexpr int size = fragment_size<X, storage_of<Op>>;
  const int64 ld_x = spacing(shape.rows, shape.ld_x), ld_y = spacing(shape.rows, shape.ld_y);
  const bool aligned = is_vector_aligned<size>(x, ld_x) && is_vector_aligned<size>(y, ld_y) &&
                       is_vector_aligned<size>(bias, spacing(layout.groups, shape.cols));
  return choose<rows_policy.fragments>(aligned, [&](auto vector, auto fragments) {
    const grid_shape grid = grid_shape::of_elements<size>(threads, fragments(), layout);
    if (!grid.fits()) return cudaErrorInvalidValue;
    return launch(grid.blocks(), grid.threads(), stream,
                  forward_rows_kernel<threads, fragments(), size, vector(), Op, X, Bias>, op, layout,
                  grid.strip_divisor(), x, bias, y, mask);
  });
}

template <class Op, class Shape, class Dy, class Dx>
INVACT_HIDDEN cudaError_t backward_rows(const Op& op, const Shape& shape, const Dy* dy,
                                        const storage_of<Op>* y, const uint8* mask, Dx* dx,
                                        cudaStream_t stream) {
  if (check_backward(op, shape, dy, y, mask, dx).what() != defect::none || !groups_are_valid(shape)) {
    return cudaErrorInvalidValue;
  }
  if (shape.rows == 0 || shape.cols == 0) return cudaSuccess;
  const row_layout layout = layout_of(shape);
  if (is_one_run<Op>(layout, shape.ld_dy, shape.ld_y, shape.ld_dx)) {
    return launch_backward(op, shape.rows * shape.cols, dy, y, mask, dx, stream);
  }
  constexpr int threads = rows_policy.block_threads;
  constexpr int size = fragment_size<Dy, storage_of<Op>, Dx>;
  const bool aligned = rows_are_vector_aligned<size>(shape, dy, y, dx);
  return choose<rows_policy.fragments>(aligned, [&](auto vector, auto fragments) {
    const grid_shape grid = grid_shape::of_elements<size>(threads, fragments(), layout);
    if (!grid.fits()) return cudaErrorInvalidValue;
    return launch(grid.blocks(), grid.threads(), stream,
                  backward_rows_kernel<threads, fragments(), size, vector(), Op, Dy, Dx>, op, layout,
                  grid.strip_divisor(), dy, y, mask, dx);
  });
}

template <class Shape>
using if_shape = std::enable_if_t<std::is_base_of_v<matrix_shape, Shape>, int>;

// Stands for a T* that an op does not take, so that its function says so. It is made from a T* alone: of a null
// literal, which is a stream where there is no mask, the other function is meant.
template <class T>
class refused {
 public:
  refused() = default;
  template <class U, std::enable_if_t<std::is_same_v<std::remove_const_t<U>, T>, int> = 0>
  refused(U*) {}  // NOLINT: a conversion
  operator T*() const { return nullptr; }
};

template <class Op, class = void>
inline constexpr bool takes_mask = false;
template <class Op>
inline constexpr bool takes_mask<Op, std::enable_if_t<(Op::mask_bits > 0)>> = true;

// The mask of a forward with one, and the stream of a forward without.
template <class Op>
using mask_out = std::conditional_t<takes_mask<Op>, uint8*, refused<uint8>>;
template <class Op>
using maskless_stream =
    std::conditional_t<takes_mask<Op>, refused<std::remove_pointer_t<cudaStream_t>>, cudaStream_t>;

}  // namespace detail

namespace device {

// y[i], mask = op.forward(x[i]) for i in [0, n).
template <class Op, class X>
INVACT_HIDDEN cudaError_t forward(const Op& op, int64 n, const X* x, invact::detail::storage_of<Op>* y,
                                  invact::detail::mask_out<Op> mask, cudaStream_t stream = nullptr) {
  invact::detail::check_takes_mask<Op>();
  if (invact::detail::check_forward(op, n, x, y, mask).what() != invact::detail::defect::none) {
    return cudaErrorInvalidValue;
  }
  return n == 0 ? cudaSuccess : invact::detail::launch_forward(op, n, x, y, mask, stream);
}
template <class Op, class X>
INVACT_HIDDEN cudaError_t forward(const Op& op, int64 n, const X* x, invact::detail::storage_of<Op>* y,
                                  invact::detail::maskless_stream<Op> stream = {}) {
  invact::detail::check_takes_no_mask<Op>();
  if (invact::detail::check_forward(op, n, x, y, nullptr).what() != invact::detail::defect::none) {
    return cudaErrorInvalidValue;
  }
  return n == 0 ? cudaSuccess : invact::detail::launch_forward(op, n, x, y, nullptr, stream);
}

// dx[i] = op.backward(dy[i], y[i], piece i of mask) for i in [0, n).
template <class Op, class Dy, class Dx>
INVACT_HIDDEN cudaError_t backward(const Op& op, int64 n, const Dy* dy,
                                   const invact::detail::storage_of<Op>* y, const uint8* mask, Dx* dx,
                                   cudaStream_t stream = nullptr) {
  invact::detail::check_takes_mask<Op>();
  if (invact::detail::check_backward(op, n, dy, y, mask, dx).what() != invact::detail::defect::none) {
    return cudaErrorInvalidValue;
  }
  return n == 0 ? cudaSuccess : invact::detail::launch_backward(op, n, dy, y, mask, dx, stream);
}
template <class Op, class Dy, class Dx>
INVACT_HIDDEN cudaError_t backward(const Op& op, int64 n, const Dy* dy,
                                   const invact::detail::storage_of<Op>* y, Dx* dx,
                                   cudaStream_t stream = nullptr) {
  invact::detail::check_takes_no_mask<Op>();
  if (invact::detail::check_backward(op, n, dy, y, nullptr, dx).what() != invact::detail::defect::none) {
    return cudaErrorInvalidValue;
  }
  return n == 0 ? cudaSuccess : invact::detail::launch_backward(op, n, dy, y, nullptr, dx, stream);
}

// The same for matrices, whose shape is a matrix_shape or a ragged_shape: y(r, c), mask =
// op.forward(x(r, c)). Reads rows, cols, ld_x, ld_y and, with a mask, mask_stride_bits of the shape.
// Elements between cols and a leading dimension are not touched.
template <class Op, class Shape, class X, invact::detail::if_shape<Shape> = 0>
INVACT_HIDDEN cudaError_t forward(const Op& op, const Shape& shape, const X* x,
                                  invact::detail::storage_of<Op>* y, invact::detail::mask_out<Op> mask,
                                  cudaStream_t stream = nullptr) {
  invact::detail::check_takes_mask<Op>();
  return invact::detail::forward_rows(op, shape, x, invact::detail::no_bias{}, y, mask, stream);
}
template <class Op, class Shape, class X, invact::detail::if_shape<Shape> = 0>
INVACT_HIDDEN cudaError_t forward(const Op& op, const Shape& shape, const X* x,
                                  invact::detail::storage_of<Op>* y,
                                  invact::detail::maskless_stream<Op> stream = {}) {
  invact::detail::check_takes_no_mask<Op>();
  return invact::detail::forward_rows(op, shape, x, invact::detail::no_bias{}, y, nullptr, stream);
}

// y(r, c), mask = op.forward(x(r, c) + bias[c]), the sum taken in float; bias has cols elements, of a
// ragged_shape groups * cols. The piece is that of the sum.
template <class Op, class Shape, class X, class B, invact::detail::if_shape<Shape> = 0>
INVACT_HIDDEN cudaError_t forward_with_bias(const Op& op, const Shape& shape, const X* x, const B* bias,
                                            invact::detail::storage_of<Op>* y,
                                            invact::detail::mask_out<Op> mask,
                                            cudaStream_t stream = nullptr) {
  invact::detail::check_takes_mask<Op>();
  return invact::detail::forward_rows(op, shape, x, bias, y, mask, stream);
}
template <class Op, class Shape, class X, class B, invact::detail::if_shape<Shape> = 0>
INVACT_HIDDEN cudaError_t forward_with_bias(const Op& op, const Shape& shape, const X* x, const B* bias,
                                            invact::detail::storage_of<Op>* y,
                                            invact::detail::maskless_stream<Op> stream = {}) {
  invact::detail::check_takes_no_mask<Op>();
  return invact::detail::forward_rows(op, shape, x, bias, y, nullptr, stream);
}

// dx(r, c) = op.backward(dy(r, c), y(r, c), piece). Reads rows, cols, ld_dy, ld_y, ld_dx and, with a
// mask, mask_stride_bits of the shape.
template <class Op, class Shape, class Dy, class Dx, invact::detail::if_shape<Shape> = 0>
INVACT_HIDDEN cudaError_t backward(const Op& op, const Shape& shape, const Dy* dy,
                                   const invact::detail::storage_of<Op>* y, const uint8* mask, Dx* dx,
                                   cudaStream_t stream = nullptr) {
  invact::detail::check_takes_mask<Op>();
  return invact::detail::backward_rows(op, shape, dy, y, mask, dx, stream);
}
template <class Op, class Shape, class Dy, class Dx, invact::detail::if_shape<Shape> = 0>
INVACT_HIDDEN cudaError_t backward(const Op& op, const Shape& shape, const Dy* dy,
                                   const invact::detail::storage_of<Op>* y, Dx* dx,
                                   cudaStream_t stream = nullptr) {
  invact::detail::check_takes_no_mask<Op>();
  return invact::detail::backward_rows(op, shape, dy, y, nullptr, dx, stream);
}

}  // namespace device

INVACT_NAMESPACE_END
