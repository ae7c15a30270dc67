// The arguments of a host call: its shape, and how a defect becomes an exception.
#pragma once

#include <invact/host/build.hpp>
#include <invact/op/arguments.hpp>

#include <limits>
#include <stdexcept>
#include <string>

INVACT_NAMESPACE_BEGIN

namespace host {

using invact::matrix_shape;

}  // namespace host

INVACT_HOST_NAMESPACE_BEGIN
namespace detail {

using invact::detail::amax_record;
using invact::detail::bias_element;
using invact::detail::has_amax;
using invact::detail::max_mask_bits;
using invact::detail::no_bias;
using invact::detail::storage_of;

inline std::string describe(const invact::detail::argument_checks& checks) {
  using invact::detail::defect;
  const std::string name = checks.argument();
  const std::string value = " (" + std::to_string(checks.value()) + ")";
  const std::string bound = std::to_string(checks.bound());
  switch (checks.what()) {
    case defect::none:
      break;
    case defect::negative:
      return name + " is negative" + value;
    case defect::null_pointer:
      return name + " is a null pointer";
    case defect::invalid_parameter:
      return name + " has a parameter outside its range: see its activation, and of a gated unit its up";
    case defect::elements_overflow:
      return name + " overflows: " + std::to_string(checks.value()) + " elements have no size in bytes";
    case defect::too_few_in_a_row:
      return name + value + " is smaller than shape.cols (" + bound + ")";
    case defect::too_few_pairs_in_a_row:
      return name + value + " is smaller than 2 * shape.cols (2 * " + bound + ")";
    case defect::rows_overflow:
      return name + value + " overflows: " + bound + " such rows have no size in bytes";
    case defect::mask_row_overflow:
      return name + " overflows: its mask bits have no count";
    case defect::mask_stride_not_bytes:
      return name + value + " is not a multiple of 8";
    case defect::mask_stride_too_small:
      return name + value + " is smaller than the " + bound + " bits of a row";
    case defect::mask_rows_overflow:
      return name + value + " overflows: the bits of " + bound + " such rows have no count";
  }
  return name;
}

// Throws std::invalid_argument, with the names of the function and of the argument, for a defect.
inline void throw_if_any(const char* function, const invact::detail::argument_checks& checks) {
  if (checks.what() == invact::detail::defect::none) return;
  throw std::invalid_argument(std::string("invact::host::") + function + ": " + describe(checks));
}

inline void check_dense(const char* function, int64 rows, int64 cols) {
  invact::detail::argument_checks checks;
  checks.not_negative(rows, "rows");
  checks.not_negative(cols, "cols");
  checks.require(cols <= std::numeric_limits<int64>::max() / (2 * max_mask_bits),
                 invact::detail::defect::mask_row_overflow, "cols");
  throw_if_any(function, checks);
}

}  // namespace detail

// The shape of dense matrices: every leading dimension is cols, and mask rows are as short as whole
// bytes allow. Throws std::invalid_argument for a negative rows or cols, or a row too long to count.
template <class Op>
matrix_shape dense_shape(const Op&, int64 rows, int64 cols) {
  static_cast<void>(sizeof(invact::detail::checked_op<Op>));
  detail::check_dense("dense_shape", rows, cols);
  return {rows, cols, cols, cols, cols, cols, 8 * mask_bytes(cols, Op::mask_bits)};
}

INVACT_HOST_NAMESPACE_END

INVACT_NAMESPACE_END
