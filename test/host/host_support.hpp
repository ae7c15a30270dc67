// What the host tests share: buffers with guards, an independent bit packer, and inputs that hurt.
#pragma once

#include <invact/host/executor.hpp>
#include <invact/invact.hpp>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace host_test {

using invact::float_from_bits;
using invact::int64;
using invact::storage_traits;
using invact::uint32;
using invact::uint8;

// n values of T, `shift` elements off the allocation's alignment, between bytes that must not change.
template <class T>
class guarded {
 public:
  explicit guarded(int64 n, int shift = 0)
      : before_(64 + static_cast<std::size_t>(shift) * sizeof(T)),
        size_(static_cast<std::size_t>(n) * sizeof(T)),
        bytes_(before_ + size_ + 64, pattern) {}

  T* data() { return reinterpret_cast<T*>(bytes_.data() + before_); }
  T& operator[](int64 i) { return data()[i]; }

  bool guards_intact() const {
    for (std::size_t i = 0; i < bytes_.size(); ++i) {
      if ((i < before_ || i >= before_ + size_) && bytes_[i] != pattern) return false;
    }
    return true;
  }
  // Whether nothing at all was written since construction.
  bool untouched() const {
    for (const unsigned char b : bytes_) {
      if (b != pattern) return false;
    }
    return true;
  }
  // Whether element i still has the bytes it was constructed with.
  bool untouched(int64 i) const {
    for (std::size_t k = 0; k < sizeof(T); ++k) {
      if (bytes_[before_ + static_cast<std::size_t>(i) * sizeof(T) + k] != pattern) return false;
    }
    return true;
  }

  // Everything, guards and all, and where the elements begin in it.
  std::vector<unsigned char>& bytes() { return bytes_; }
  const std::vector<unsigned char>& bytes() const { return bytes_; }
  std::size_t first_byte() const { return before_; }

  static constexpr unsigned char pattern = 0xa5;

 private:
  std::size_t before_;
  std::size_t size_;
  std::vector<unsigned char> bytes_;
};

template <class T>
auto code(const T& value) {
  return storage_traits<T>::to_code(value);
}

// Equal bits, or two NaNs: which of two NaN operands a product keeps is not specified. -ffast-math lets
// a compiler round a vector loop otherwise than a scalar call: there finite results may be two codes
// apart, or as far as a few roundings of g times a dy of ten.
template <class T>
bool same(const T& a, const T& b) {
  const float fa = storage_traits<T>::load(a);
  const float fb = storage_traits<T>::load(b);
  if (code(a) == code(b) || (invact::is_nan(fa) && invact::is_nan(fb))) return true;
#if defined(__FAST_MATH__)
  const uint32 infinity = invact::float_infinity_bits, magnitude = ~invact::float_sign_mask;
  const bool finite = (invact::float_bits(fa) & magnitude) < infinity && (invact::float_bits(fb) & magnitude) < infinity;
  const int64 apart = int64{code(a)} - int64{code(b)};
  return finite && (std::abs(apart) <= 2 || std::fabs(fa - fb) <= 1e-5f * std::fabs(fb) + 2e-5f);
#else
  return false;
#endif
}

// The definition of the mask, a bit at a time.
inline void set_piece(uint8* row, int64 i, int bits, uint32 piece) {
  for (int b = 0; b < bits; ++b) {
    const int64 at = i * bits + b;
    const uint8 bit = static_cast<uint8>(1u << (at % 8));
    if ((piece >> b) & 1u) {
      row[at / 8] = static_cast<uint8>(row[at / 8] | bit);
    } else {
      row[at / 8] = static_cast<uint8>(row[at / 8] & ~bit);
    }
  }
}
inline uint32 get_piece(const uint8* row, int64 i, int bits) {
  uint32 piece = 0;
  for (int b = 0; b < bits; ++b) {
    const int64 at = i * bits + b;
    piece |= static_cast<uint32>((row[at / 8] >> (at % 8)) & 1) << b;
  }
  return piece;
}

// Normal values around the stationary points, and every kind of special value among them.
inline float input(std::mt19937& random) {
  static const float special[] = {0.0f,   -0.0f,   1e-40f,  -1e-40f, 1e-30f,  -1e-30f, 3e38f,
                                  -3e38f, 88.0f,   -88.0f,  -104.0f, -13.5f,  -0x1.80ead0p-1f,
                                  -0x1.80ead2p-1f, -0x1.474972p+0f,  std::numeric_limits<float>::infinity(),
                                  -std::numeric_limits<float>::infinity(),
                                  std::numeric_limits<float>::quiet_NaN()};
  const auto pick = random() % 64;
  if (pick < sizeof(special) / sizeof(special[0])) return special[pick];
  return std::normal_distribution<float>(-0.5f, 2.0f)(random);
}

template <class T, class Buffer>
void fill(Buffer& buffer, int64 n, unsigned seed) {
  std::mt19937 random(seed);
  for (int64 i = 0; i < n; ++i) buffer[i] = storage_traits<T>::round(input(random));
}

// The calls, with or without a mask as the op has it.
template <class Op, class X>
void forward(const Op& op, int64 n, const X* x, typename Op::storage_type* y, uint8* mask) {
  if constexpr (Op::mask_bits > 0) {
    invact::host::forward(op, n, x, y, mask);
  } else {
    invact::host::forward(op, n, x, y);
  }
}
template <class Op, class Dy, class Dx>
void backward(const Op& op, int64 n, const Dy* dy, const typename Op::storage_type* y, const uint8* mask,
              Dx* dx) {
  if constexpr (Op::mask_bits > 0) {
    invact::host::backward(op, n, dy, y, mask, dx);
  } else {
    invact::host::backward(op, n, dy, y, dx);
  }
}
template <class Op, class X, class B>
void forward_with_bias(const Op& op, const invact::host::matrix_shape& shape, const X* x, const B* bias,
                       typename Op::storage_type* y, uint8* mask) {
  if constexpr (Op::mask_bits > 0) {
    invact::host::forward_with_bias(op, shape, x, bias, y, mask);
  } else {
    invact::host::forward_with_bias(op, shape, x, bias, y);
  }
}
template <class Op, class Dy, class Dx>
void backward_with_bias_gradient(const Op& op, const invact::host::matrix_shape& shape, const Dy* dy,
                                 const typename Op::storage_type* y, const uint8* mask, Dx* dx,
                                 float* bias_gradient) {
  if constexpr (Op::mask_bits > 0) {
    invact::host::backward_with_bias_gradient(op, shape, dy, y, mask, dx, bias_gradient);
  } else {
    invact::host::backward_with_bias_gradient(op, shape, dy, y, dx, bias_gradient);
  }
}
template <class Op, class X>
void forward(const Op& op, const invact::host::matrix_shape& shape, const X* x,
             typename Op::storage_type* y, uint8* mask) {
  if constexpr (Op::mask_bits > 0) {
    invact::host::forward(op, shape, x, y, mask);
  } else {
    invact::host::forward(op, shape, x, y);
  }
}
template <class Op, class Dy, class Dx>
void backward(const Op& op, const invact::host::matrix_shape& shape, const Dy* dy,
              const typename Op::storage_type* y, const uint8* mask, Dx* dx) {
  if constexpr (Op::mask_bits > 0) {
    invact::host::backward(op, shape, dy, y, mask, dx);
  } else {
    invact::host::backward(op, shape, dy, y, dx);
  }
}

// Activations whose numbers mean nothing: four pieces, so two bits an element; and one piece, so none.
struct identity_evaluator {
  template <class Activation>
  static float evaluate(const Activation&, float x) {
    return 0.5f * x;
  }
};
struct piece_approximant {
  template <class Activation>
  static float evaluate(const Activation&, float y, uint32 piece) {
    return y + static_cast<float>(static_cast<int>(piece));
  }
};
struct four_pieces {
  static constexpr int pieces = 4;
  static constexpr invact::ambiguous_range ambiguous = invact::ambiguous_range::negative;
  uint32 piece_index(float x) const {
    return static_cast<uint32>(invact::is_less(x, -1.0f)) + static_cast<uint32>(invact::is_less(x, 0.0f)) +
           static_cast<uint32>(invact::is_less(x, 1.0f));
  }
};
struct one_piece {
  static constexpr int pieces = 1;
  static constexpr invact::ambiguous_range ambiguous = invact::ambiguous_range::none;
  uint32 piece_index(float) const { return 0; }
};

template <class Activation, class Storage, class Packing>
using op = invact::inverted<Activation, Storage, Packing>;
using two_bit_op =
    invact::inverted<four_pieces, invact::bfloat16, invact::bitmask, piece_approximant, identity_evaluator>;
using no_bit_op =
    invact::inverted<one_piece, float, invact::bitmask, piece_approximant, identity_evaluator>;

}  // namespace host_test
