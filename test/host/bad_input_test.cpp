#include "host_support.hpp"

#include "support/catch.hpp"

#include <string>

namespace {

using namespace host_test;
using invact::bfloat16;
using invact::bitmask;
using invact::gelu;
using invact::mantissa_bit;
using invact::host::matrix_shape;
using act = op<gelu, bfloat16, bitmask>;

constexpr int64 huge = std::numeric_limits<int64>::max();

// The message of the std::invalid_argument that `call` throws; empty when it throws none.
template <class Call>
std::string refusal(const Call& call) {
  try {
    call();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return {};
}

bool names(const std::string& message, const std::string& function, const std::string& argument) {
  return message.find("invact::host::" + function + ": " + argument + " ") == 0;
}

// All buffers of a 3 x 10 matrix call, for changing one argument at a time.
struct arguments {
  arguments() {
    fill<float>(x, 30, 1);
    fill<float>(dy, 30, 2);
    fill<bfloat16>(kept, 30, 3);
    for (int64 i = 0; i < 6; ++i) kept_mask[i] = 0x5a;
    fill<float>(bias, 10, 4);
  }
  guarded<float> x{30}, dy{30}, bias{10};
  guarded<bfloat16> kept{30};
  guarded<uint8> kept_mask{6};
  guarded<bfloat16> y{30};
  guarded<uint8> mask{6};
  guarded<float> dx{30}, gradient{10};
  matrix_shape shape = invact::host::dense_shape(act{}, 3, 10);

  const float* x_at = x.data();
  const float* dy_at = dy.data();
  const float* bias_at = bias.data();
  const bfloat16* kept_at = kept.data();
  const uint8* kept_mask_at = kept_mask.data();
  bfloat16* y_at = y.data();
  uint8* mask_at = mask.data();
  float* dx_at = dx.data();
  float* gradient_at = gradient.data();

  bool untouched() const {
    return y.untouched() && mask.untouched() && dx.untouched() && gradient.untouched();
  }
};

// Both directions, with the bias and without, must refuse `change` and name `argument`; a change of a
// tensor that one direction does not take is no error there.
template <class Change>
void check(const std::string& argument, bool in_forward, bool in_backward, const Change& change) {
  arguments a;
  change(a);
  INFO(argument);
  const std::string messages[] = {
      refusal([&] { invact::host::forward(act{}, a.shape, a.x_at, a.y_at, a.mask_at); }),
      refusal([&] {
        invact::host::forward_with_bias(act{}, a.shape, a.x_at, a.bias_at, a.y_at, a.mask_at);
      }),
      refusal([&] {
        if (in_backward) {
          invact::host::backward(act{}, a.shape, a.dy_at, a.kept_at, a.kept_mask_at, a.dx_at);
        }
      }),
      refusal([&] {
        if (in_backward) {
          invact::host::backward_with_bias_gradient(act{}, a.shape, a.dy_at, a.kept_at, a.kept_mask_at,
                                                    a.dx_at, a.gradient_at);
        }
      })};
  const std::string functions[] = {"forward", "forward_with_bias", "backward",
                                   "backward_with_bias_gradient"};
  for (int i = 0; i < 4; ++i) {
    INFO(functions[i] << ": " << messages[i]);
    const bool refused = i < 2 ? in_forward : in_backward;
    if (refused) REQUIRE(names(messages[i], functions[i], argument));
  }
  if (in_forward && in_backward) REQUIRE(a.untouched());
  if (in_forward) REQUIRE((a.y.untouched() && a.mask.untouched()));
  if (in_backward) REQUIRE((a.dx.untouched() && a.gradient.untouched()));
}

}  // namespace

TEST_CASE("a bad shape is refused by name before anything is written", "[host]") {
  check("shape.rows", true, true, [](arguments& a) { a.shape.rows = -1; });
  check("shape.cols", true, true, [](arguments& a) { a.shape.cols = -5; });
  check("shape.ld_x", true, false, [](arguments& a) { a.shape.ld_x = 9; });
  check("shape.ld_y", true, true, [](arguments& a) { a.shape.ld_y = 9; });
  check("shape.ld_dy", false, true, [](arguments& a) { a.shape.ld_dy = -10; });
  check("shape.ld_dx", false, true, [](arguments& a) { a.shape.ld_dx = 0; });
  check("shape.ld_x", true, false, [](arguments& a) { a.shape.ld_x = huge; });
  check("shape.ld_x", true, false, [](arguments& a) { a.shape.ld_x = huge / 8 + 1; });
  check("shape.ld_y", true, true, [](arguments& a) { a.shape.ld_y = huge / 4 + 1; });
  check("shape.ld_dy", false, true, [](arguments& a) { a.shape.ld_dy = huge / 8 + 1; });
  check("shape.ld_dx", false, true, [](arguments& a) { a.shape.ld_dx = huge / 8 + 1; });
  check("shape.mask_stride_bits", true, true, [](arguments& a) { a.shape.mask_stride_bits = 17; });
  check("shape.mask_stride_bits", true, true, [](arguments& a) { a.shape.mask_stride_bits = 8; });
  check("shape.mask_stride_bits", true, true, [](arguments& a) { a.shape.mask_stride_bits = -16; });
  check("shape.mask_stride_bits", true, true,
        [](arguments& a) { a.shape.mask_stride_bits = huge / 8 * 8; });
  check("shape.cols", true, true, [](arguments& a) {
    a.shape.rows = 1;
    a.shape.cols = a.shape.ld_x = a.shape.ld_y = a.shape.ld_dy = a.shape.ld_dx = huge / 2;
  });
}

TEST_CASE("a null tensor is refused by name before anything is written", "[host]") {
  check("x", true, false, [](arguments& a) { a.x_at = nullptr; });
  check("y", true, true, [](arguments& a) {
    a.y_at = nullptr;
    a.kept_at = nullptr;
  });
  check("mask", true, true, [](arguments& a) {
    a.mask_at = nullptr;
    a.kept_mask_at = nullptr;
  });
  check("dy", false, true, [](arguments& a) { a.dy_at = nullptr; });
  check("dx", false, true, [](arguments& a) { a.dx_at = nullptr; });
  arguments a;
  const float* const no_bias = nullptr;
  REQUIRE(names(refusal([&] {
                  invact::host::forward_with_bias(act{}, a.shape, a.x_at, no_bias, a.y_at, a.mask_at);
                }),
                "forward_with_bias", "bias"));
  float* const no_gradient = nullptr;
  REQUIRE(names(refusal([&] {
                  invact::host::backward_with_bias_gradient(act{}, a.shape, a.dy_at, a.kept_at,
                                                            a.kept_mask_at, a.dx_at, no_gradient);
                }),
                "backward_with_bias_gradient", "bias_gradient"));
  REQUIRE(a.untouched());
}

TEST_CASE("a contiguous call refuses bad arguments by name before anything is written", "[host]") {
  arguments a;
  const float* const null_in = nullptr;
  float* const null_out = nullptr;
  bfloat16* const null_y = nullptr;
  uint8* const null_mask = nullptr;
  const auto forward_refusal = [&](int64 n, const float* x, bfloat16* y, uint8* mask) {
    return refusal([&] { invact::host::forward(act{}, n, x, y, mask); });
  };
  const auto backward_refusal = [&](int64 n, const float* dy, const bfloat16* y, const uint8* mask,
                                    float* dx) {
    return refusal([&] { invact::host::backward(act{}, n, dy, y, mask, dx); });
  };
  for (const int64 n : {int64{-1}, huge, huge / 4 + 1, std::numeric_limits<int64>::min()}) {
    INFO("n = " << n);
    REQUIRE(names(forward_refusal(n, a.x_at, a.y_at, a.mask_at), "forward", "n"));
    REQUIRE(names(backward_refusal(n, a.dy_at, a.kept_at, a.kept_mask_at, a.dx_at), "backward", "n"));
  }
  REQUIRE(names(forward_refusal(1, null_in, a.y_at, a.mask_at), "forward", "x"));
  REQUIRE(names(forward_refusal(1, a.x_at, null_y, a.mask_at), "forward", "y"));
  REQUIRE(names(forward_refusal(1, a.x_at, a.y_at, null_mask), "forward", "mask"));
  REQUIRE(names(backward_refusal(1, null_in, a.kept_at, a.kept_mask_at, a.dx_at), "backward", "dy"));
  REQUIRE(names(backward_refusal(1, a.dy_at, null_y, a.kept_mask_at, a.dx_at), "backward", "y"));
  REQUIRE(names(backward_refusal(1, a.dy_at, a.kept_at, null_mask, a.dx_at), "backward", "mask"));
  REQUIRE(names(backward_refusal(1, a.dy_at, a.kept_at, a.kept_mask_at, null_out), "backward", "dx"));
  REQUIRE(a.untouched());
}

TEST_CASE("empty tensors may be null", "[host]") {
  const float* const x = nullptr;
  bfloat16* const y = nullptr;
  uint8* const mask = nullptr;
  float* const dx = nullptr;
  REQUIRE_NOTHROW(invact::host::forward(act{}, 0, x, y, mask));
  REQUIRE_NOTHROW(invact::host::backward(act{}, 0, x, y, mask, dx));
  for (const auto& shape : {invact::host::dense_shape(act{}, 0, 9), invact::host::dense_shape(act{}, 9, 0)}) {
    REQUIRE_NOTHROW(invact::host::forward(act{}, shape, x, y, mask));
    REQUIRE_NOTHROW(invact::host::forward_with_bias(act{}, shape, x, x, y, mask));
    REQUIRE_NOTHROW(invact::host::backward(act{}, shape, x, y, mask, dx));
  }
  REQUIRE_NOTHROW(invact::host::backward_with_bias_gradient(
      act{}, invact::host::dense_shape(act{}, 9, 0), x, y, mask, dx, dx));
}

TEST_CASE("an op without mask bits does not look at the mask stride", "[host]") {
  using packed = op<gelu, float, mantissa_bit>;
  std::vector<float> x(6, 1.0f);
  matrix_shape shape = invact::host::dense_shape(packed{}, 2, 3);
  shape.mask_stride_bits = -3;
  REQUIRE_NOTHROW(invact::host::forward(packed{}, shape, x.data(), x.data()));
}

TEST_CASE("a dense shape refuses sizes that are negative or cannot be counted", "[host]") {
  REQUIRE(names(refusal([] { invact::host::dense_shape(act{}, -1, 2); }), "dense_shape", "rows"));
  REQUIRE(names(refusal([] { invact::host::dense_shape(act{}, 1, -2); }), "dense_shape", "cols"));
  REQUIRE(names(refusal([] { invact::host::dense_shape(act{}, 1, huge); }), "dense_shape", "cols"));
}

TEST_CASE("a bias or a bias gradient without a size in bytes is refused", "[host]") {
  using packed = op<gelu, bfloat16, mantissa_bit>;
  // Two bytes an element have a size where four have none.
  const int64 cols = (int64{1} << 61) + 8;
  bfloat16 x{}, y{};
  float bias = 0;
  matrix_shape shape;
  shape.rows = 1;
  shape.cols = shape.ld_x = shape.ld_y = shape.ld_dy = shape.ld_dx = cols;
  REQUIRE(names(refusal([&] { invact::host::forward_with_bias(packed{}, shape, &x, &bias, &y); }),
                "forward_with_bias", "shape.cols"));
  shape.rows = 0;
  REQUIRE(names(refusal([&] { invact::host::backward_with_bias_gradient(packed{}, shape, &x, &y, &x, &bias); }),
                "backward_with_bias_gradient", "shape.cols"));
}

// 8.9 GB: run by hand, `[large]`.
TEST_CASE("more than 2^31 elements are computed to the last", "[.][large]") {
  const int64 n = (int64{1} << 31) + 3;
  std::vector<bfloat16> x(static_cast<std::size_t>(n), storage_traits<bfloat16>::round(-2.0f));
  std::vector<uint8> mask(static_cast<std::size_t>(invact::mask_bytes(n)), uint8{0xa5});
  x[static_cast<std::size_t>(n - 2)] = storage_traits<bfloat16>::round(1.0f);
  invact::host::forward(act{}, n, x.data(), x.data(), mask.data());
  REQUIRE(mask.back() == 0x05);
  REQUIRE(mask[mask.size() - 2] == 0xff);
  for (const int64 i : {int64{0}, n - 3, n - 1}) {
    REQUIRE(code(x[static_cast<std::size_t>(i)]) == code(act{}.forward(-2.0f).y));
  }
  REQUIRE(code(x[static_cast<std::size_t>(n - 2)]) == code(act{}.forward(1.0f).y));
}
