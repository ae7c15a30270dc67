// The host's tensors, as Eigen sees them.
#pragma once

#include "../tensor.hpp"

#include <invact/core/storage.hpp>

#include <Eigen/Core>

#include <memory_resource>
#include <type_traits>

namespace char_lm::cpu {

static_assert(std::is_same_v<index, Eigen::Index>);
using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using matrix_view = Eigen::Map<matrix>;
using const_matrix_view = Eigen::Map<const matrix>;

// Keeps freed buffers for the next step: without it each step would fault its pages anew.
class buffer_pool : public std::pmr::unsynchronized_pool_resource {
 public:
  buffer_pool() : unsynchronized_pool_resource(std::pmr::pool_options{0, std::size_t{1} << 24}) {}
};

inline matrix_view view(tensor<float>& t) { return {t.data(), t.rows(), t.cols()}; }
inline const_matrix_view view(const tensor<float>& t) { return {t.data(), t.rows(), t.cols()}; }

// `from` rounded to T.
template <class T>
tensor<T> rounded(const tensor<float>& from) {
  tensor<T> to(from.rows(), from.cols(), from.memory());
  for (index i = 0; i < from.size(); ++i) {
    to.data()[i] = invact::storage_traits<T>::round(from.data()[i]);
  }
  return to;
}

// The first `cols` columns of `from`.
template <class T>
tensor<float> widened(const tensor<T>& from, index cols) {
  tensor<float> to(from.rows(), cols, from.memory());
  for (index r = 0; r < from.rows(); ++r) {
    const T* const row = from.data() + r * from.cols();
    for (index c = 0; c < cols; ++c) to.data()[r * cols + c] = invact::storage_traits<T>::load(row[c]);
  }
  return to;
}
template <class T>
tensor<float> widened(const tensor<T>& from) {
  return widened(from, from.cols());
}

}  // namespace char_lm::cpu
