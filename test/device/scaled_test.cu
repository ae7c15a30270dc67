// Device-wide calls of scaled ops: memory as the scalar calls have it, and amax.
#include "device_support.cuh"

#include <cmath>
#include <cstring>

namespace device_scaled {

using namespace device_test;
using invact::float8_e4m3;

// What one thread an element computes.
struct element {
  uint8 y;
  uint8 bits;
  uint8 gap[2];
  float value, g;
};

template <class Op>
__global__ void scalar(const Op op, int64 n, const float* x, element* out) {
  const int64 i = blockIdx.x * int64{blockDim.x} + threadIdx.x;
  if (i >= n) return;
  const auto e = op.forward(x[i]);
  out[i] = {e.y.bits, static_cast<uint8>(e.piece), {}, e.value, op.backward(1.0f, e.y, e.piece)};
}

std::vector<float> inputs(int64 n) {
  std::vector<float> x(static_cast<std::size_t>(n));
  for (int64 i = 0; i < n; ++i)
    x[static_cast<std::size_t>(i)] = -5.0f + 0.01f * static_cast<float>(i * 37 % 811);
  return x;
}

template <class T>
std::vector<T> from_device(const T* p, std::size_t n) {
  std::vector<T> to(n);
  succeed(cudaMemcpy(to.data(), p, n * sizeof(T), cudaMemcpyDeviceToHost));
  return to;
}

uint8 bits_of(const std::vector<uint8>& mask, int64 first_byte, int64 i, int count) {
  uint8 bits = 0;
  for (int b = 0; b < count; ++b) {
    const int64 at = 8 * first_byte + i * count + b;
    bits = static_cast<uint8>(bits | (mask[static_cast<std::size_t>(at / 8)] >> (at % 8) & 1) << b);
  }
  return bits;
}

// A forward and a backward of rows x cols elements, rows ld apart, against the scalar calls and their
// largest |f(x)|. With one row as a run, without rows.
template <class Op>
void check(int64 rows, int64 cols, int64 ld) {
  const int64 n = rows * ld, mask_row = invact::mask_bytes(cols, Op::mask_bits);
  INFO(rows << " x " << cols << ", " << ld);
  // What is not of the matrix has a larger f than all that is.
  std::vector<float> x = inputs(n);
  for (int64 i = 0; i < n; ++i)
    if (i % ld >= cols) x[static_cast<std::size_t>(i)] = 1000;
  const std::vector<float> scales = {1.7f}, before = {0.0f};
  plain_copy<float> scale(scales), amax(before), in(x),
      bias(std::vector<float>(static_cast<std::size_t>(cols), 0.0f)),
      dy(std::vector<float>(x.size(), 1.0f)), dx(x);
  plain_copy<float8_e4m3> y(std::vector<float8_e4m3>(x.size() + 16));
  plain_copy<uint8> mask(std::vector<uint8>(static_cast<std::size_t>(rows * mask_row + 16), 0xa5));
  const Op op(scale.data(), amax.data());
  const std::vector<element> want = computed<element>(
      x.size(), [&](unsigned blocks, element* out) { scalar<<<blocks, 256>>>(op, n, in.data(), out); });
  matrix_shape shape;
  shape.rows = rows;
  shape.cols = cols;
  shape.ld_x = shape.ld_y = shape.ld_dy = shape.ld_dx = ld;
  shape.mask_stride_bits = 8 * mask_row;
  for (const bool with_bias : {false, true}) {
    succeed(cudaMemset(amax.data(), 0, sizeof(float)));
    if (with_bias) {
      succeed(call_forward_with_bias(op, shape, in.data(), bias.data(), y.data(), mask.data()));
    } else if (rows == 1) {
      succeed(call_forward(op, cols, in.data(), y.data(), mask.data()));
    } else {
      succeed(call_forward(op, shape, in.data(), y.data(), mask.data()));
    }
    if (rows == 1) {
      succeed(call_backward(op, cols, dy.data(), y.data(), mask.data(), dx.data()));
    } else {
      succeed(call_backward(op, shape, dy.data(), y.data(), mask.data(), dx.data()));
    }
    succeed(cudaDeviceSynchronize());
    const auto got = from_device(y.data(), x.size());
    const auto got_mask = from_device(mask.data(), static_cast<std::size_t>(rows * mask_row + 16));
    const auto g = from_device(dx.data(), x.size());
    int wrong = 0;
    float largest = 0;
    for (int64 r = 0; r < rows; ++r) {
      for (int64 c = 0; c < cols; ++c) {
        const std::size_t i = static_cast<std::size_t>(r * ld + c);
        wrong += got[i].bits != want[i].y;
        if (Op::mask_bits > 0) wrong += bits_of(got_mask, r * mask_row, c, Op::mask_bits) != want[i].bits;
        wrong += g[i] != want[i].g;
        largest = std::fmax(largest, std::fabs(want[i].value));
      }
    }
    CHECK(wrong == 0);
    CHECK(from_device(amax.data(), 1)[0] == largest);
  }
}

TEST_CASE(
    "device-wide calls of scaled ops store and decode as the scalar calls do, and record the largest "
    "|f(x)|",
    "[sanitize]") {
  using maskless = invact::scaled<invact::softplus, float8_e4m3>;  // f(0) > 0: padding must not be recorded
  using refined = invact::scaled<invact::silu, float8_e4m3, invact::refined_bitmask<2>>;
  for (const int64 n : {1, 3, 8, 4096, 100001}) {
    check<maskless>(1, n, n);
    check<refined>(1, n, n);
  }
  for (const int64 cols : {1, 130, 1024}) {
    check<maskless>(37, cols, cols + 8);
    check<refined>(37, cols, cols + 8);
  }
}

TEST_CASE("amax stays where it is larger, keeps a NaN, and without one nothing is recorded", "[sanitize]") {
  using op = invact::scaled<invact::silu, float8_e4m3, invact::refined_bitmask<2>>;
  std::vector<float> x = inputs(5000);
  plain_copy<float> in(x), scale(std::vector<float>{0.5f}), amax(std::vector<float>{1e6f});
  plain_copy<float8_e4m3> y{std::vector<float8_e4m3>(x.size())};
  plain_copy<uint8> mask{std::vector<uint8>(x.size())};
  const auto run = [&](float* to, const float* from) {
    succeed(invact::device::forward(op(scale.data(), to), 5000, from, y.data(), mask.data()));
    return from_device(amax.data(), 1)[0];
  };
  CHECK(run(amax.data(), in.data()) == 1e6f);
  x[4321] = invact::float_from_bits(0xffc00000u);
  plain_copy<float> with_nan(x);
  CHECK(run(nullptr, with_nan.data()) == 1e6f);
  CHECK(invact::is_nan(run(amax.data(), with_nan.data())));
  CHECK(invact::is_nan(run(amax.data(), in.data())));
}

TEST_CASE("device-wide calls refuse a scaled op without a scale", "[sanitize]") {
  const invact::scaled<invact::silu, float8_e4m3, invact::refined_bitmask<2>> op;
  plain_copy<float> x(std::vector<float>(8));
  plain_copy<float8_e4m3> y{std::vector<float8_e4m3>(8)};
  plain_copy<uint8> mask{std::vector<uint8>(2)};
  CHECK(invact::device::forward(op, 8, x.data(), y.data(), mask.data()) == cudaErrorInvalidValue);
  CHECK(invact::device::backward(op, 8, x.data(), y.data(), mask.data(), x.data()) ==
        cudaErrorInvalidValue);
}

}  // namespace device_scaled
