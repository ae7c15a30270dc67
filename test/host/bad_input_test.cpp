#include <invact/host/gated.hpp>

#include "gated_support.hpp"

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

// ---- gated units ----------------------------------------------------------------------------------------------

namespace {

using unit = invact::swiglu<bfloat16>;
using recompute = invact::gated_recompute<invact::silu, bfloat16>;

constexpr int all_calls = forwards | backwards;

const char* function_of(gated_call which) {
  return which & separate_forwards      ? "forward_gated"
         : which & interleaved_forwards ? "forward_interleaved"
         : which & separate_backwards   ? "backward_gated"
                                        : "backward_interleaved";
}

// All buffers of calls of 3 x 10 units, for changing one argument at a time.
struct gated_buffers {
  gated_buffers() {
    fill<float>(g, 60, 1);
    fill<float>(u, 30, 2);
    fill<float>(dh, 30, 3);
    fill<bfloat16>(kept, 60, 4);
    for (int64 i = 0; i < 6; ++i) kept_mask[i] = 0x5a;
  }
  guarded<float> g{60}, u{30}, dh{30};
  guarded<bfloat16> kept{60};
  guarded<uint8> kept_mask{6};
  guarded<bfloat16> h{30};
  guarded<uint8> mask{6};
  guarded<float> u_out{30}, dg{60}, du{30};
  // Wide enough for pairs.
  gated_shape shape = invact::host::dense_gated_shape(unit{}, 3, 10, true);

  const float *g_at = g.data(), *u_at = u.data(), *dh_at = dh.data();
  const bfloat16* kept_at = kept.data();
  const uint8* kept_mask_at = kept_mask.data();
  bfloat16* h_at = h.data();
  uint8* mask_at = mask.data();
  float *u_out_at = u_out.data(), *dg_at = dg.data(), *du_at = du.data();

  void call(gated_call which) {
    namespace host = invact::host;
    switch (which) {
      case forward_gated:
        return host::forward_gated(unit{}, shape, g_at, u_at, h_at, mask_at);
      case forward_interleaved:
        return host::forward_interleaved(unit{}, shape, g_at, h_at, u_out_at, mask_at);
      case backward_gated:
        return host::backward_gated(unit{}, shape, dh_at, kept_at, u_at, kept_mask_at, dg_at, du_at);
      case backward_interleaved:
        return host::backward_interleaved(unit{}, shape, dh_at, kept_at, u_at, kept_mask_at, dg_at);
      case forward_gated_again:
        return host::forward_gated(recompute{}, shape, g_at, u_at, h_at);
      case forward_interleaved_again:
        return host::forward_interleaved(recompute{}, shape, g_at, h_at);
      case backward_gated_again:
        return host::backward_gated(recompute{}, shape, dh_at, kept_at, u_at, dg_at, du_at, h_at);
      case backward_interleaved_again:
        return host::backward_interleaved(recompute{}, shape, dh_at, kept_at, dg_at, h_at);
    }
  }
  bool untouched() const {
    return h.untouched() && mask.untouched() && u_out.untouched() && dg.untouched() && du.untouched();
  }
};

struct gated_refusal {
  int calls;
  std::string what;
};

// After `change`, each call must be refused with its message, and nothing be written. One that is not listed does not
// read what was changed: it must run.
template <class Change>
void check_gated(const std::vector<gated_refusal>& wanted, const Change& change) {
  each_gated_call([&](gated_call which) {
    std::string expected;
    for (const gated_refusal& r : wanted) {
      if (r.calls & which) expected = std::string("invact::host::") + function_of(which) + ": " + r.what;
    }
    gated_buffers b;
    change(b);
    CAPTURE(which);
    CHECK(refusal([&] { b.call(which); }) == expected);
    CHECK(b.untouched() == !expected.empty());
  });
}

}  // namespace

TEST_CASE("gated calls refuse a bad shape with a message that names it, before anything is written", "[host]") {
  const auto set = [](int64 gated_shape::*member, int64 value) {
    return [member, value](gated_buffers& b) { b.shape.*member = value; };
  };
  check_gated({}, [](gated_buffers&) {});
  check_gated({{all_calls, "shape.rows is negative (-1)"}}, set(&gated_shape::rows, -1));
  check_gated({{all_calls, "shape.cols is negative (-5)"}}, set(&gated_shape::cols, -5));

  check_gated({{calls_of_g, "shape.ld_g (9) is smaller than shape.cols (10)"},
               {calls_of_pairs, "shape.ld_g (9) is smaller than 2 * shape.cols (2 * 10)"}},
              set(&gated_shape::ld_g, 9));
  check_gated({{calls_of_pairs, "shape.ld_g (19) is smaller than 2 * shape.cols (2 * 10)"}}, set(&gated_shape::ld_g, 19));
  check_gated({{calls_with_u, "shape.ld_u (9) is smaller than shape.cols (10)"}}, set(&gated_shape::ld_u, 9));
  check_gated({{all_calls, "shape.ld_h (9) is smaller than shape.cols (10)"}}, set(&gated_shape::ld_h, 9));
  check_gated({{backwards, "shape.ld_dh (-10) is smaller than shape.cols (10)"}}, set(&gated_shape::ld_dh, -10));
  check_gated({{separate_backwards, "shape.ld_dg (0) is smaller than shape.cols (10)"},
               {interleaved_backwards, "shape.ld_dg (0) is smaller than 2 * shape.cols (2 * 10)"}},
              set(&gated_shape::ld_dg, 0));
  check_gated({{interleaved_backwards, "shape.ld_dg (19) is smaller than 2 * shape.cols (2 * 10)"}}, set(&gated_shape::ld_dg, 19));
  check_gated({{separate_backwards, "shape.ld_du (9) is smaller than shape.cols (10)"}}, set(&gated_shape::ld_du, 9));

  const std::string too_far = " (" + std::to_string(huge) + ") overflows: 3 such rows have no size in bytes";
  check_gated({{calls_of_g | calls_of_pairs, "shape.ld_g" + too_far}}, set(&gated_shape::ld_g, huge));
  check_gated({{calls_with_u, "shape.ld_u" + too_far}}, set(&gated_shape::ld_u, huge));
  check_gated({{all_calls, "shape.ld_h" + too_far}}, set(&gated_shape::ld_h, huge));
  check_gated({{backwards, "shape.ld_dh" + too_far}}, set(&gated_shape::ld_dh, huge));
  check_gated({{backwards, "shape.ld_dg" + too_far}}, set(&gated_shape::ld_dg, huge));
  check_gated({{separate_backwards, "shape.ld_du" + too_far}}, set(&gated_shape::ld_du, huge));
  check_gated({{all_calls, "shape.cols overflows: " + std::to_string(huge) + " elements have no size in bytes"}},
              [](gated_buffers& b) {
                b.shape.rows = 1;
                b.shape.cols = b.shape.ld_g = b.shape.ld_u = b.shape.ld_h = huge;
                b.shape.ld_dh = b.shape.ld_dg = b.shape.ld_du = huge;
              });
  // Pairs have no size in bytes where as many units do.
  gated_buffers b;
  b.shape.rows = 1;
  b.shape.cols = b.shape.ld_h = int64{1} << 60;
  b.shape.ld_g = 2 * b.shape.cols;
  CHECK(refusal([&] { b.call(forward_interleaved_again); }) ==
        "invact::host::forward_interleaved: shape.cols overflows: 2305843009213693952 elements have no size in bytes");

  const std::string stride = "shape.mask_stride_bits";
  check_gated({{masked_calls, stride + " (17) is not a multiple of 8"}}, set(&gated_shape::mask_stride_bits, 17));
  for (const int64 bits : {int64{8}, int64{-16}}) {
    check_gated({{masked_calls, stride + " (" + std::to_string(bits) + ") is smaller than the 10 bits of a row"}},
                set(&gated_shape::mask_stride_bits, bits));
  }
  check_gated({{masked_calls, stride + " (" + std::to_string(huge / 8 * 8) +
                                  ") overflows: the bits of 3 such rows have no count"}},
              set(&gated_shape::mask_stride_bits, huge / 8 * 8));
}

TEST_CASE("gated calls refuse a null tensor with a message that names it, before anything is written", "[host]") {
  const std::string null = " is a null pointer";
  check_gated({{separate_forwards, "g" + null}, {interleaved_forwards, "gu" + null}},
              [](gated_buffers& b) { b.g_at = nullptr; });
  check_gated({{calls_with_u, "u" + null}}, [](gated_buffers& b) {
    b.u_at = nullptr;
    b.u_out_at = nullptr;
  });
  // What is computed again is optional, and without it there is no leading dimension.
  check_gated({{forwards, "h" + null}},
              [](gated_buffers& b) { b.h_at = nullptr; });
  check_gated({{all_calls & ~(backward_gated_again | backward_interleaved_again),
                "shape.ld_h (9) is smaller than shape.cols (10)"}},
              [](gated_buffers& b) {
                b.h_at = nullptr;
                b.shape.ld_h = 9;
              });
  check_gated({{backward_gated | backward_interleaved, "h" + null},
               {backward_gated_again, "g" + null},
               {backward_interleaved_again, "gu" + null}},
              [](gated_buffers& b) { b.kept_at = nullptr; });
  check_gated({{masked_calls, "mask" + null}}, [](gated_buffers& b) {
    b.mask_at = nullptr;
    b.kept_mask_at = nullptr;
  });
  check_gated({{backwards, "dh" + null}}, [](gated_buffers& b) { b.dh_at = nullptr; });
  check_gated({{separate_backwards, "dg" + null},
               {interleaved_backwards, "dgu" + null}},
              [](gated_buffers& b) { b.dg_at = nullptr; });
  check_gated({{separate_backwards, "du" + null}}, [](gated_buffers& b) { b.du_at = nullptr; });
}

TEST_CASE("a gated call of n units refuses bad arguments by name before anything is written", "[host]") {
  const auto forward_refusal = [](int64 n, gated_buffers& b) {
    return refusal([&] { invact::host::forward_gated(unit{}, n, b.g_at, b.u_at, b.h_at, b.mask_at); });
  };
  const auto backward_refusal = [](int64 n, gated_buffers& b) {
    return refusal([&] {
      invact::host::backward_gated(unit{}, n, b.dh_at, b.kept_at, b.u_at, b.kept_mask_at, b.dg_at, b.du_at);
    });
  };
  const auto again_refusal = [](int64 n, gated_buffers& b) {
    return refusal([&] {
      invact::host::backward_gated(recompute{}, n, b.dh_at, b.kept_at, b.u_at, b.dg_at, b.du_at, b.h_at);
    });
  };
  const std::string forward = "invact::host::forward_gated: ", backward = "invact::host::backward_gated: ";
  for (const int64 n : {int64{-1}, std::numeric_limits<int64>::min(), huge, huge / 4 + 1}) {
    const std::string what = n < 0 ? "n is negative (" + std::to_string(n) + ")"
                                   : "n overflows: " + std::to_string(n) + " elements have no size in bytes";
    gated_buffers b;
    CHECK(forward_refusal(n, b) == forward + what);
    CHECK(backward_refusal(n, b) == backward + what);
    CHECK(again_refusal(n, b) == backward + what);
    CHECK(b.untouched());
  }
  const auto without = [](auto... members) {
    gated_buffers b;
    ((b.*members = nullptr), ...);
    return b;
  };
  const auto check = [](gated_buffers b, const auto& refused, const std::string& message) {
    CHECK(refused(30, b) == message);
    CHECK(b.untouched());
  };
  const std::string null = " is a null pointer";
  check(without(&gated_buffers::g_at), forward_refusal, forward + "g" + null);
  check(without(&gated_buffers::u_at), forward_refusal, forward + "u" + null);
  check(without(&gated_buffers::h_at), forward_refusal, forward + "h" + null);
  check(without(&gated_buffers::mask_at), forward_refusal, forward + "mask" + null);
  check(without(&gated_buffers::dh_at), backward_refusal, backward + "dh" + null);
  check(without(&gated_buffers::kept_at), backward_refusal, backward + "h" + null);
  check(without(&gated_buffers::u_at), backward_refusal, backward + "u" + null);
  check(without(&gated_buffers::kept_mask_at), backward_refusal, backward + "mask" + null);
  check(without(&gated_buffers::dg_at), backward_refusal, backward + "dg" + null);
  check(without(&gated_buffers::du_at), backward_refusal, backward + "du" + null);
  check(without(&gated_buffers::kept_at), again_refusal, backward + "g" + null);
}

TEST_CASE("empty gated tensors may be null", "[host]") {
  const float* const in = nullptr;
  float* const out = nullptr;
  bfloat16* const h = nullptr;
  uint8* const mask = nullptr;
  namespace host = invact::host;
  REQUIRE_NOTHROW(host::forward_gated(unit{}, 0, in, in, h, mask));
  REQUIRE_NOTHROW(host::backward_gated(unit{}, 0, in, h, in, mask, out, out));
  REQUIRE_NOTHROW(host::backward_gated(recompute{}, 0, in, h, in, out, out, h));
  for (const bool no_rows : {true, false}) {
    const gated_shape s = host::dense_gated_shape(unit{}, no_rows ? 0 : 9, no_rows ? 9 : 0, true);
    REQUIRE_NOTHROW(host::forward_gated(unit{}, s, in, in, h, mask));
    REQUIRE_NOTHROW(host::forward_interleaved(unit{}, s, in, h, out, mask));
    REQUIRE_NOTHROW(host::forward_interleaved(recompute{}, s, in, h));
    REQUIRE_NOTHROW(host::backward_gated(unit{}, s, in, h, in, mask, out, out));
    REQUIRE_NOTHROW(host::backward_gated(recompute{}, s, in, h, in, out, out, h));
    REQUIRE_NOTHROW(host::backward_interleaved(unit{}, s, in, h, in, mask, out));
    REQUIRE_NOTHROW(host::backward_interleaved(recompute{}, s, in, h, out, h));
  }
}

TEST_CASE("gated calls refuse an op whose parameters are outside their range", "[host]") {
  using clamped = invact::clamped_swiglu<bfloat16>;
  using invact::clamped_swish;
  using invact::clamped_up;
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const std::string what = "op has a parameter outside its range: see its activation, and of a gated unit its up";
  const auto check = [&what](const auto& op) {
    gated_buffers b;
    CHECK(refusal([&] { invact::host::forward_gated(op, 30, b.g_at, b.u_at, b.h_at, b.mask_at); }) ==
          "invact::host::forward_gated: " + what);
    CHECK(refusal([&] { invact::host::forward_interleaved(op, b.shape, b.g_at, b.h_at, b.u_out_at, b.mask_at); }) ==
          "invact::host::forward_interleaved: " + what);
    CHECK(refusal([&] {
            invact::host::backward_gated(op, b.shape, b.dh_at, b.kept_at, b.u_at, b.kept_mask_at, b.dg_at, b.du_at);
          }) == "invact::host::backward_gated: " + what);
    CHECK(refusal([&] {
            invact::host::backward_interleaved(op, b.shape, b.dh_at, b.kept_at, b.u_at, b.kept_mask_at, b.dg_at);
          }) == "invact::host::backward_interleaved: " + what);
    CHECK(b.untouched());
  };
  check(clamped(clamped_swish{0.0f, 7.0f}));
  check(clamped(clamped_swish{-1.702f, 7.0f}));
  check(clamped(clamped_swish{1.702f, -7.0f}));
  check(clamped(clamped_swish{nan, 7.0f}));
  check(clamped(clamped_swish{}, clamped_up{0.0f, 1.0f}));
  check(clamped(clamped_swish{}, clamped_up{nan, 1.0f}));
  check(clamped(clamped_swish{}, clamped_up{7.0f, infinity}));
  check(clamped(clamped_swish{}, clamped_up{7.0f, nan}));
}

TEST_CASE("a dense gated shape refuses sizes that are negative or cannot be counted", "[host]") {
  const auto refused = [](int64 rows, int64 cols, bool interleaved) {
    return refusal([&] { invact::host::dense_gated_shape(unit{}, rows, cols, interleaved); });
  };
  for (const bool interleaved : {false, true}) {
    CHECK(refused(-1, 2, interleaved) == "invact::host::dense_gated_shape: rows is negative (-1)");
    CHECK(refused(1, -2, interleaved) == "invact::host::dense_gated_shape: cols is negative (-2)");
    CHECK(refused(1, huge, interleaved) == "invact::host::dense_gated_shape: cols overflows: its mask bits have no count");
    CHECK(refused(huge, huge / 16, interleaved).empty());
  }
  const gated_shape s = invact::host::dense_gated_shape(unit{}, 3, 10, true);
  CHECK((s.rows == 3 && s.cols == 10 && s.ld_g == 20 && s.ld_dg == 20 && s.mask_stride_bits == 16));
  CHECK((s.ld_u == 10 && s.ld_h == 10 && s.ld_dh == 10 && s.ld_du == 10));
  CHECK(invact::host::dense_gated_shape(recompute{}, 3, 10).mask_stride_bits == 0);
}
