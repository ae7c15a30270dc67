// The shape of the matrices that a host call works on, and the checks made before it writes anything.
#pragma once

#include <invact/host/build.hpp>
#include <invact/op/inverted.hpp>

#include <cstddef>
#include <limits>
#include <stdexcept>
#include <string>

INVACT_NAMESPACE_BEGIN

namespace host {

// Row-major matrices of one size: element (r, c) of a tensor is at r * ld + c of its pointer. A call
// reads the members of the tensors it takes and no others.
struct matrix_shape {
  int64 rows = 0;              // >= 0
  int64 cols = 0;              // >= 0
  int64 ld_x = 0;              // leading dimensions: elements from one row to the next, >= cols
  int64 ld_y = 0;              //
  int64 ld_dy = 0;             //
  int64 ld_dx = 0;             //
  int64 mask_stride_bits = 0;  // bits from one mask row to the next: a multiple of 8, >= cols * mask_bits
};

}  // namespace host

INVACT_HOST_NAMESPACE_BEGIN
namespace detail {

template <class T, class = void>
inline constexpr bool has_op = false;
template <class T>
inline constexpr bool has_op<
    T, invact::detail::void_t<
           typename T::storage_type, decltype(T::mask_bits),
           decltype(invact::detail::declval<const T&>().forward(0.0f).y),
           decltype(static_cast<uint32>(invact::detail::declval<const T&>().forward(0.0f).piece)),
           decltype(static_cast<float>(invact::detail::declval<const T&>().backward(
               0.0f, invact::detail::declval<const typename T::storage_type&>(), 0u)))>> = true;

// The largest number of mask bits an element may have: eight elements are then one 64-bit word.
inline constexpr int max_mask_bits = 8;

template <class Op>
struct checked_op {
  static_assert(has_op<Op>,
                "invact::host: Op is not an op: it needs `storage_type`, `mask_bits`, `forward(float)` "
                "returning {y, piece} and `backward(float dy, storage_type y, uint32 piece)`, as "
                "invact::inverted<invact::gelu, float> has");
  static_assert(Op::mask_bits >= 0 && Op::mask_bits <= max_mask_bits,
                "invact::host: Op::mask_bits must be from 0 to 8");
  using storage_type = typename Op::storage_type;
  static constexpr int mask_bits = Op::mask_bits;
};
template <class Op>
using storage_of = typename checked_op<Op>::storage_type;

template <class T>
constexpr void check_element() {
  static_assert(is_storage_v<T>,
                "invact::host: x, bias, dy and dx must point to storage types: float, __half, "
                "__nv_bfloat16, invact::binary16, invact::bfloat16, or a type for which you specialise "
                "invact::storage_traits");
}

// What one call's arguments are checked with; every failure throws std::invalid_argument with the
// names of the function and of the argument.
class argument_checker {
 public:
  explicit argument_checker(const char* function) : function_(function) {}

  [[noreturn]] void fail(const std::string& what) const {
    throw std::invalid_argument(std::string("invact::host::") + function_ + ": " + what);
  }

  void not_negative(int64 value, const char* name) const {
    if (value < 0) fail(std::string(name) + " is negative (" + std::to_string(value) + ")");
  }

  void not_null(const void* pointer, const char* name, bool used) const {
    if (used && pointer == nullptr) fail(std::string(name) + " is a null pointer");
  }

  // count elements of T must have a size in bytes.
  template <class T>
  void addressable(int64 count, const char* name) const {
    if (count > max_bytes / static_cast<int64>(sizeof(T))) {
      fail(std::string(name) + " overflows: " + std::to_string(count) + " elements have no size in bytes");
    }
  }

  void size(const matrix_shape& shape) const {
    not_negative(shape.rows, "shape.rows");
    not_negative(shape.cols, "shape.cols");
  }

  // A tensor of the checked size with rows `ld` apart. Its extent must be addressable.
  template <class T>
  void tensor(const matrix_shape& shape, int64 ld, const T* pointer, const char* name,
              const char* ld_name) const {
    if (ld < shape.cols) {
      fail(std::string(ld_name) + " (" + std::to_string(ld) + ") is smaller than shape.cols (" +
           std::to_string(shape.cols) + ")");
    }
    addressable<T>(shape.cols, "shape.cols");
    const int64 elements = max_bytes / static_cast<int64>(sizeof(T));
    if (shape.rows > 1 && ld > (elements - shape.cols) / (shape.rows - 1)) {
      fail(std::string(ld_name) + " (" + std::to_string(ld) + ") overflows: " +
           std::to_string(shape.rows) + " such rows have no size in bytes");
    }
    not_null(pointer, name, shape.rows > 0 && shape.cols > 0);
  }

  // The mask of the checked size; its extent in bits must be representable.
  template <int Bits>
  void mask(const matrix_shape& shape, const void* pointer) const {
    if (shape.cols > (max_bytes - 8) / Bits) fail("shape.cols overflows: its mask bits have no count");
    const int64 stride = shape.mask_stride_bits;
    if (stride % 8 != 0) {
      fail("shape.mask_stride_bits (" + std::to_string(stride) + ") is not a multiple of 8");
    }
    if (stride < shape.cols * Bits) {
      fail("shape.mask_stride_bits (" + std::to_string(stride) + ") is smaller than the " +
           std::to_string(shape.cols * Bits) + " bits of a row");
    }
    if (shape.rows > 1 && stride > (max_bytes - shape.cols * Bits) / (shape.rows - 1)) {
      fail("shape.mask_stride_bits (" + std::to_string(stride) + ") overflows: the bits of " +
           std::to_string(shape.rows) + " such rows have no count");
    }
    not_null(pointer, "mask", shape.rows > 0 && shape.cols > 0);
  }

 private:
  static constexpr int64 max_bytes = std::numeric_limits<std::ptrdiff_t>::max();

  const char* function_;
};

}  // namespace detail

// The shape of dense matrices: every leading dimension is cols, and mask rows are as short as whole
// bytes allow. Throws std::invalid_argument for a negative rows or cols, or a row too long to count.
template <class Op>
matrix_shape dense_shape(const Op&, int64 rows, int64 cols) {
  static_cast<void>(sizeof(detail::checked_op<Op>));
  const detail::argument_checker check("dense_shape");
  check.not_negative(rows, "rows");
  check.not_negative(cols, "cols");
  if (cols > std::numeric_limits<int64>::max() / (2 * detail::max_mask_bits)) {
    check.fail("cols (" + std::to_string(cols) + ") overflows");
  }
  return {rows, cols, cols, cols, cols, cols, 8 * mask_bytes(cols, Op::mask_bits)};
}

INVACT_HOST_NAMESPACE_END

INVACT_NAMESPACE_END
