// The device-wide kernels against the op's scalar calls on the same device: every byte of every tensor, mask and
// guard, over sizes, alignments, strides, groups and element types. That the scalar calls are right is the subject
// of arithmetic.cu.
#include "device_support.cuh"

#include <algorithm>
#include <cmath>
#include <memory>

// One translation unit an activation and a storage type, in a namespace of its own: nvcc mistakes Catch2's
// template tests in an unnamed one.
#define INVACT_TEST_NAMES(a, s) a##_##s
#define INVACT_TEST_NAME(a, s) INVACT_TEST_NAMES(a, s)
namespace INVACT_TEST_NAME(INVACT_TEST_ACTIVATION, INVACT_TEST_STORAGE) {

using namespace device_test;
using invact::bfloat16;
using invact::binary16;
using invact::bitmask;
using invact::mantissa_bit;
using invact::mask_bytes;

using activation = invact::INVACT_TEST_ACTIVATION;
using storage = INVACT_TEST_STORAGE;
#define INVACT_TEST_TEXTS(a, s) " (" #a ", " #s ")"
#define INVACT_TEST_TEXT(a, s) INVACT_TEST_TEXTS(a, s)
#define OF_UNIT INVACT_TEST_TEXT(INVACT_TEST_ACTIVATION, INVACT_TEST_STORAGE)
// compute-sanitizer is slow: it runs the units that differ in their accesses.
#if INVACT_TEST_SANITIZE
#define SANITIZE "[sanitize]"
#else
#define SANITIZE ""
#endif
#define PACKINGS (op<activation, storage, bitmask>), (op<activation, storage, mantissa_bit>)

// The rows of `groups` matrices, one below the other; counts, if any, say how many of each are there.
struct problem {
  int64 groups, rows, cols;
  int64 pad = 0, pad_mask_bits = 0;  // beyond cols, and beyond whole bytes
  int shift = 0;                     // elements off a 16-byte boundary
  std::vector<invact::int32> counts{};
  int only = -1;  // the one tensor that is shifted, in the order of data's members; all by default
  int64 multiple = 1;  // of which leading dimensions are multiples

  int shift_of(int tensor) const { return only < 0 || only == tensor ? shift : 0; }

  int64 count(int64 g) const {
    return counts.empty() ? rows : std::min<int64>(std::max(counts[static_cast<std::size_t>(g)], 0), rows);
  }
  matrix_shape shape(int bits) const {
    // A different leading dimension for each tensor, so that a mix-up shows. A vector access needs pads of eight.
    const auto ld = [&](int64 k) { return (cols + k * pad + multiple - 1) / multiple * multiple; };
    return {groups * rows, cols, ld(1), ld(2), ld(3), ld(4), 8 * mask_bytes(cols, bits) + pad_mask_bits};
  }
  // use(group, row of all, column) for each element that is there.
  template <class Use>
  void each(const Use& use) const {
    for (int64 g = 0; g < groups; ++g)
      for (int64 r = 0; r < count(g); ++r)
        for (int64 c = 0; c < cols; ++c) use(g, g * rows + r, c);
  }
};

int64 extent(const problem& p, int64 ld) { return p.groups * p.rows == 0 ? 0 : (p.groups * p.rows - 1) * ld + p.cols; }

// Everything that one forward and one backward work on, on the host: inputs, and what they should leave.
template <class Op, class X, class B, class D>
struct data {
  using S = typename Op::storage_type;
  problem p;
  matrix_shape shape;
  guarded<X> x;
  guarded<B> bias;
  guarded<S> y;
  guarded<uint8> mask;
  guarded<D> dy, dx;
  std::vector<float> dx_unrounded;

  data(const problem& q, bool with_bias, unsigned seed)
      : p(q),
        shape(q.shape(Op::mask_bits)),
        x(extent(q, shape.ld_x), q.shift_of(0)),
        bias(q.groups * q.cols, q.shift_of(1)),
        y(extent(q, shape.ld_y), q.shift_of(2)),
        mask(Op::mask_bits == 0 ? 0 : (q.groups * q.rows - 1) * (shape.mask_stride_bits / 8) +
                                          mask_bytes(q.cols, Op::mask_bits),
             q.shift_of(3)),
        dy(extent(q, shape.ld_dy), q.shift_of(4)),
        dx(extent(q, shape.ld_dx), q.shift_of(5)) {
    std::mt19937 random(seed);
    for (int64 i = 0; i < p.groups * p.cols; ++i) bias[i] = storage_traits<B>::round(input(random) * 0.25f);
    std::vector<float> sum, d;
    p.each([&](int64 g, int64 r, int64 c) {
      x[r * shape.ld_x + c] = storage_traits<X>::round(input(random));
      dy[r * shape.ld_dy + c] = storage_traits<D>::round(input(random));
      const float added = with_bias ? storage_traits<B>::load(bias[g * p.cols + c]) : 0.0f;
      const float value = storage_traits<X>::load(x[r * shape.ld_x + c]);
      sum.push_back(with_bias ? value + added : value);
      d.push_back(storage_traits<D>::load(dy[r * shape.ld_dy + c]));
    });
    const auto kept = reference_forward<Op>(sum);
    dx_unrounded = reference_backward<Op>(d, kept);
    std::size_t i = 0;
    p.each([&](int64, int64 r, int64 c) {
      y[r * shape.ld_y + c] = kept[i].y;
      dx[r * shape.ld_dx + c] = storage_traits<D>::round(dx_unrounded[i]);
      if (Op::mask_bits > 0) {
        uint8* const row = mask.data() + r * (shape.mask_stride_bits / 8);
        // The tail of a row's last byte is zero.
        if (c == 0) std::memset(row, 0, static_cast<std::size_t>(mask_bytes(p.cols, Op::mask_bits)));
        set_piece(row, c, Op::mask_bits, kept[i].piece);
      }
      ++i;
    });
  }
};

// `of` as it was before the call: the pattern where a call writes.
template <class T>
guarded<T> blank(const guarded<T>& of) {
  guarded<T> b = of;
  std::fill(b.bytes().begin(), b.bytes().end(), guarded<T>::pattern);
  return b;
}

template <class T>
void check_equal(const char* what, const on_device<T>& got, guarded<T>& wanted) {
  guarded<T> back = wanted;
  got.copy_to(back);
  INFO(what << " differs at" << differences(back, wanted));
  CHECK(differences(back, wanted) == "");
}

// Forward, then backward of what it should have left, through `forward` and `backward`.
template <class Data, class Forward, class Backward>
void check(Data& d, const Forward& forward, const Backward& backward) {
  on_device x(d.x);
  on_device bias(d.bias);
  on_device y(blank(d.y));
  on_device mask(blank(d.mask));
  on_device dy(d.dy);
  on_device dx(blank(d.dx));
  succeed(forward(x.data(), bias.data(), y.data(), mask.data()));
  check_equal("y", y, d.y);
  check_equal("mask", mask, d.mask);
  check_equal("x", x, d.x);
  on_device kept(d.y);
  on_device kept_mask(d.mask);
  succeed(backward(dy.data(), kept.data(), kept_mask.data(), dx.data()));
  check_equal("dx", dx, d.dx);
  check_equal("dy", dy, d.dy);
}

// Around every fragment, warp, block and tile boundary.
const int64 sizes[] = {0, 1, 7, 8, 9, 15, 16, 17, 255, 256, 257, 2047, 2048, 2049, 4095, 4096, 4097, 8191, 8193, 40009};

template <class Op, class X, class D>
void check_run(int64 n, int shift, unsigned seed, int only = -1) {
  CAPTURE(n, shift, only);
  data<Op, X, float, D> d({1, n == 0 ? 0 : 1, n, 0, 0, shift, {}, only}, false, seed);
  check(
      d, [&](auto* x, auto*, auto* y, uint8* mask) { return call_forward(Op{}, n, x, y, mask); },
      [&](auto* dy, auto* y, uint8* mask, auto* dx) { return call_backward(Op{}, n, dy, y, mask, dx); });
}

TEMPLATE_TEST_CASE("a run of elements is the scalar op's" OF_UNIT, SANITIZE, PACKINGS) {
  unsigned seed = 1;
  for (const int64 n : sizes) {
    for (const int shift : {0, 1, 4, 8}) check_run<TestType, storage, storage>(n, shift, ++seed);
  }
  for (int only = 0; only < 6; ++only) check_run<TestType, storage, storage>(4097, 1, ++seed, only);
}

TEMPLATE_TEST_CASE("a run that is long enough for another launch is the scalar op's" OF_UNIT, "", PACKINGS) {
  constexpr int size = invact::detail::fragment_size<storage>;
  const int64 least = invact::detail::forward_policy<size, TestType>.long_elements;
  for (const int64 n : {least - 1, least + 3}) check_run<TestType, storage, storage>(n, 0, 17);
}

TEMPLATE_TEST_CASE("x, dy and dx may be of any storage type" OF_UNIT, "", PACKINGS) {
  for (const int64 n : {int64{9}, int64{4097}, int64{20000}}) {
    check_run<TestType, float, float>(n, 0, 7);
    check_run<TestType, bfloat16, bfloat16>(n, 0, 8);
    check_run<TestType, binary16, float>(n, 3, 9);
  }
}

TEMPLATE_TEST_CASE("random sizes and alignments" OF_UNIT, "", PACKINGS) {
  std::mt19937 random(17);
  for (int i = 0; i < 40; ++i) {
    check_run<TestType, storage, storage>(1 + static_cast<int64>(random() % 70000), static_cast<int>(random() % 16), random());
  }
}

const problem matrices[] = {{1, 1, 1},
                            {1, 3, 7, 2, 8},
                            {1, 5, 8},
                            {1, 2, 9, 1, 16},
                            {1, 130, 64, 8, 8},
                            {1, 130, 65, 3, 8, 1},
                            {1, 67, 300},
                            {1, 5, 2056, 8, 0},
                            {1, 3, 17000, 8, 8},
                            {1, 4200, 3, 1, 8},
                            {1, 70, 768, 0, 8},
                            // Fragments that are aligned and not whole, alone in a warp and not; more rows than
                            // 65535 blocks have.
                            {1, 37, 61, 8, 8, 0, {}, -1, 8},
                            {1, 9, 2045, 8, 0, 0, {}, -1, 8},
                            {1, 140003, 5, 1, 8}};

template <class Op, class X, class B>
void check_matrix(const problem& p, bool with_bias, unsigned seed) {
  CAPTURE(p.groups, p.rows, p.cols, p.pad, p.shift, with_bias);
  data<Op, X, B, storage> d(p, with_bias, seed);
  plain_copy<invact::int32> counts(p.counts);
  const invact::device::ragged_shape ragged{d.shape, p.groups, counts.data()};
  const bool is_ragged = !p.counts.empty();
  check(
      d,
      [&](auto* x, auto* b, auto* y, uint8* mask) {
        if (with_bias) {
          return is_ragged ? call_forward_with_bias(Op{}, ragged, x, b, y, mask)
                           : call_forward_with_bias(Op{}, d.shape, x, b, y, mask);
        }
        return is_ragged ? call_forward(Op{}, ragged, x, y, mask) : call_forward(Op{}, d.shape, x, y, mask);
      },
      [&](auto* dy, auto* y, uint8* mask, auto* dx) {
        return is_ragged ? call_backward(Op{}, ragged, dy, y, mask, dx) : call_backward(Op{}, d.shape, dy, y, mask, dx);
      });
}

TEMPLATE_TEST_CASE("rows with leading dimensions are the scalar op's" OF_UNIT, SANITIZE, PACKINGS) {
  unsigned seed = 100;
  for (const problem& p : matrices) check_matrix<TestType, storage, storage>(p, false, ++seed);
}

TEMPLATE_TEST_CASE("a bias is added before the activation, in float" OF_UNIT, SANITIZE, PACKINGS) {
  unsigned seed = 200;
  for (const problem& p : matrices) check_matrix<TestType, storage, storage>(p, true, ++seed);
  check_matrix<TestType, float, bfloat16>(matrices[4], true, 301);
  for (int only = 0; only < 6; ++only) {
    check_matrix<TestType, storage, storage>({1, 20, 64, 8, 8, 1, {}, only}, true, ++seed);
  }
  // Rows that are aligned, and groups of bias that are not.
  check_matrix<TestType, storage, storage>({3, 5, 36, 4, 0, 0, {5, 5, 5}}, true, ++seed);
}

const problem ragged_problems[] = {{4, 33, 40, 0, 0, 0, {0, 33, 5, 17}},
                                   {3, 16, 13, 3, 8, 1, {-2, 99, 7}},
                                   {1, 9, 2056, 8, 0, 0, {4}},
                                   {3, 700, 136, 8, 8, 0, {700, 0, 65}}};

TEMPLATE_TEST_CASE("of ragged rows only those that are there are read and written" OF_UNIT, SANITIZE, PACKINGS) {
  unsigned seed = 400;
  for (const problem& p : ragged_problems) {
    check_matrix<TestType, storage, storage>(p, false, ++seed);
    check_matrix<TestType, storage, float>(p, true, ++seed);
  }
}

// The bias gradient against float64 sums of the unrounded dx, within the bound that its documentation derives.
// With non_finite, the second column has a NaN, the third infinities of both signs, and the fourth one infinity.
template <class Op>
void check_bias_gradient(const problem& p, unsigned seed, bool non_finite = false) {
  CAPTURE(p.groups, p.rows, p.cols, p.pad, p.shift, non_finite);
  data<Op, storage, float, storage> d(p, false, seed);
  // Infinite and huge dx would make every bound meaningless.
  p.each([&](int64, int64 r, int64 c) {
    storage& v = d.dy[r * d.shape.ld_dy + c];
    const float f = storage_traits<storage>::load(v);
    if (!(std::fabs(f) < 100.0f)) v = storage_traits<storage>::round(1.0f);
  });
  if (non_finite) {
    const float values[][3] = {{1, 17, NAN}, {2, 3, INFINITY}, {2, 40, -INFINITY}, {3, 70, INFINITY}};
    for (const auto& [c, r, v] : values) {
      const int64 row = static_cast<int64>(r), column = static_cast<int64>(c);
      d.dy[row * d.shape.ld_dy + column] = storage_traits<storage>::round(v);
      // Of this y the gradient is neither 0 nor infinite.
      d.y[row * d.shape.ld_y + column] = storage_traits<storage>::round(1.0f);
    }
  }
  std::vector<float> dy;
  std::vector<forward_result<Op>> kept;
  p.each([&](int64, int64 r, int64 c) {
    if (invact::is_nan(storage_traits<storage>::load(d.y[r * d.shape.ld_y + c]))) {
      d.y[r * d.shape.ld_y + c] = storage_traits<storage>::round(1.0f);
    }
    const uint8* const row = d.mask.data() + r * (d.shape.mask_stride_bits / 8);
    kept.push_back({d.y[r * d.shape.ld_y + c],
                    static_cast<uint8>(Op::mask_bits > 0 ? get_piece(row, c, Op::mask_bits) : 0)});
    dy.push_back(storage_traits<storage>::load(d.dy[r * d.shape.ld_dy + c]));
  });
  const std::vector<float> values = reference_backward<Op>(dy, kept);
  const std::size_t sums = static_cast<std::size_t>(p.groups * p.cols);
  std::vector<double> sum(sums), magnitude(sums);
  std::size_t i = 0;
  p.each([&](int64 g, int64 r, int64 c) {
    const std::size_t at = static_cast<std::size_t>(g * p.cols + c);
    sum[at] += static_cast<double>(values[i]);
    magnitude[at] += std::fabs(static_cast<double>(values[i]));
    d.dx[r * d.shape.ld_dx + c] = storage_traits<storage>::round(values[i++]);
  });

  plain_copy<invact::int32> counts(p.counts);
  const invact::device::ragged_shape ragged{d.shape, p.groups, counts.data()};
  const std::size_t bytes = p.counts.empty() ? invact::device::bias_gradient_workspace_bytes(d.shape)
                                             : invact::device::bias_gradient_workspace_bytes(ragged);
  // Partial sums that nobody writes would be NaN.
  guarded<unsigned char> workspace(static_cast<int64>(bytes));
  for (std::size_t b = 0; b < bytes; ++b) workspace[static_cast<int64>(b)] = 0xff;
  // Aligned as a float is, no better.
  guarded<float> gradient(p.groups * p.cols, 1);
  std::vector<float> first;
  for (int repeat = 0; repeat < 2; ++repeat) {
    on_device dy_device(d.dy);
    on_device y(d.y);
    on_device mask(d.mask);
    on_device dx(blank(d.dx));
    on_device space(workspace);
    on_device out(gradient);
    const auto call = [&](const auto& shape) {
      return call_backward_with_bias_gradient(Op{}, shape, dy_device.data(), y.data(), mask.data(), dx.data(), out.data(),
                                         static_cast<void*>(space.data()), bytes);
    };
    succeed(p.counts.empty() ? call(d.shape) : call(ragged));
    check_equal("dx", dx, d.dx);
    guarded<float> got = gradient;
    out.copy_to(got);
    CHECK(got.guards_intact());
    guarded<unsigned char> used = workspace;
    space.copy_to(used);
    CHECK(used.guards_intact());
    // The bound of backward_with_bias_gradient's documentation.
    const invact::detail::row_layout layout =
        p.counts.empty() ? invact::detail::layout_of(d.shape) : invact::detail::layout_of(ragged);
    const auto grid = invact::detail::bias_gradient_grid(layout);
    const double additions = static_cast<double>(invact::detail::ceil_div(grid.band_rows, grid.block.y)) +
                             grid.block.y + static_cast<double>(grid.bands) / 32 + 6;
    bool within = true;
    for (std::size_t k = 0; k < sums; ++k) {
      const double value = static_cast<double>(got[static_cast<int64>(k)]);
      const bool right = std::isfinite(sum[k]) ? std::fabs(value - sum[k]) <= additions * 0x1p-24 * magnitude[k]
                         : std::isnan(sum[k])  ? std::isnan(value)
                                               : value == sum[k];
      within = within && right;
    }
    CHECK(within);
    const std::vector<float> bits(got.data(), got.data() + sums);
    if (repeat == 0) first = bits;
    CHECK(std::memcmp(first.data(), bits.data(), sums * sizeof(float)) == 0);
  }
}

TEMPLATE_TEST_CASE("a bias gradient is the column sums of the unrounded dx, the same bits every time" OF_UNIT, SANITIZE,
                   PACKINGS) {
  unsigned seed = 500;
  for (const problem& p : matrices) check_bias_gradient<TestType>(p, ++seed);
  check_bias_gradient<TestType>({1, 5000, 40, 8, 8}, ++seed);
  check_bias_gradient<TestType>({1, 3000, 129, 1, 0, 1}, ++seed);
  check_bias_gradient<TestType>({1, 300, 61, 1, 8}, ++seed, true);
  check_bias_gradient<TestType>({1, 300, 64}, ++seed, true);
  for (const problem& p : ragged_problems) {
    check_bias_gradient<TestType>(p, ++seed);
  }
}

#if INVACT_TEST_SANITIZE
// An op of a user's own, without fragment calls, with any number of mask bits.
template <int Bits>
struct plain_op {
  using storage_type = storage;
  static constexpr int mask_bits = Bits;
  struct encoded {
    storage y;
    uint32 piece;
  };
  INVACT_FUNCTION encoded forward(float x) const {
    const uint32 bits = invact::float_bits(x);
    return {storage_traits<storage>::round(0.5f * x), (bits ^ bits >> 13) & ((1u << Bits) - 1u)};
  }
  // Of all three, and no larger than a sum can hold.
  INVACT_FUNCTION float backward(float dy, storage y, uint32 piece) const {
    const float sign = invact::is_less(storage_traits<storage>::load(y), 0.0f) ? -1.0f : 1.0f;
    return dy * sign + static_cast<float>(static_cast<int>(piece));
  }
};

TEMPLATE_TEST_CASE("any op runs, with two, three, seven and eight mask bits" OF_UNIT, SANITIZE, plain_op<2>,
                   plain_op<3>, plain_op<7>, plain_op<8>) {
  unsigned seed = 350;
  for (const int64 n : sizes) check_run<TestType, storage, storage>(n, 0, ++seed);
  check_run<TestType, storage, storage>(4099, 1, ++seed);
  for (const problem& p : matrices) {
    for (const bool with_bias : {false, true}) check_matrix<TestType, storage, storage>(p, with_bias, ++seed);
    check_bias_gradient<TestType>(p, ++seed);
  }
  for (const problem& p : ragged_problems) {
    check_matrix<TestType, storage, storage>(p, true, ++seed);
    check_bias_gradient<TestType>(p, ++seed);
  }
}
#endif

TEMPLATE_TEST_CASE("there may be more groups than a grid is deep" OF_UNIT, "", PACKINGS) {
  const problem many{70000, 2, 8, 0, 0, 0, std::vector<invact::int32>(70000, 1)};
  check_matrix<TestType, storage, storage>(many, false, 450);
  check_bias_gradient<TestType>(many, 451);
  check_bias_gradient<TestType>({70000, 0, 3, 0, 0, 0, std::vector<invact::int32>(70000, 1)}, 452);
}

TEMPLATE_TEST_CASE("the bias gradient of no rows is zero" OF_UNIT, "", PACKINGS) {
  guarded<float> gradient(5), zero(5);
  for (int64 c = 0; c < 5; ++c) zero[c] = 0.0f;
  on_device out(gradient);
  const matrix_shape shape = invact::device::dense_shape(TestType{}, 0, 5);
  storage* const none = nullptr;
  CHECK(invact::device::bias_gradient_workspace_bytes(shape) == 0);
  succeed(call_backward_with_bias_gradient(TestType{}, shape, none, none, static_cast<uint8*>(nullptr), none, out.data(),
                                   static_cast<void*>(nullptr), std::size_t{0}));
  check_equal("bias gradient", out, zero);
}

TEMPLATE_TEST_CASE("y may be x, and dx may be dy" OF_UNIT, SANITIZE, PACKINGS) {
  using Op = TestType;
  for (const problem& p : {problem{1, 1, 9001}, problem{1, 37, 130, 0, 8}, problem{1, 9, 13}}) {
    data<Op, storage, storage, storage> d(p, false, 77);
    // One leading dimension for both.
    d.shape.ld_x = d.shape.ld_y;
    d.shape.ld_dy = d.shape.ld_dx;
    on_device x(d.x);
    on_device mask(blank(d.mask));
    on_device dy(d.dy);
    on_device y(d.y);
    on_device kept_mask(d.mask);
    succeed(call_forward(Op{}, d.shape, x.data(), x.data(), mask.data()));
    check_equal("y", x, d.y);
    check_equal("mask", mask, d.mask);
    succeed(call_backward(Op{}, d.shape, dy.data(), y.data(), kept_mask.data(), dy.data()));
    check_equal("dx", dy, d.dx);
    on_device again(d.dy);
    const std::size_t bytes = invact::device::bias_gradient_workspace_bytes(d.shape);
    on_device space(guarded<unsigned char>(static_cast<int64>(bytes)));
    on_device sums(guarded<float>(p.cols));
    succeed(call_backward_with_bias_gradient(Op{}, d.shape, again.data(), y.data(), kept_mask.data(), again.data(),
                                             sums.data(), static_cast<void*>(space.data()), bytes));
    check_equal("dx", again, d.dx);
  }
}

TEMPLATE_TEST_CASE("calls of several streams do not disturb one another" OF_UNIT, "", PACKINGS) {
  using Op = TestType;
  constexpr int streams = 4;
  const int64 n = 300007;
  std::vector<std::unique_ptr<data<Op, storage, storage, storage>>> d;
  struct buffers {
    on_device<storage> x, y;
    on_device<uint8> mask;
    on_device<storage> dy, dx;
  };
  std::vector<std::unique_ptr<buffers>> b;
  cudaStream_t stream[streams];
  for (int s = 0; s < streams; ++s) {
    d.push_back(std::make_unique<data<Op, storage, storage, storage>>(problem{1, 1, n}, false, 900u + s));
    b.emplace_back(new buffers{on_device<storage>(d[s]->x), on_device<storage>(blank(d[s]->y)),
                               on_device<uint8>(blank(d[s]->mask)), on_device<storage>(d[s]->dy),
                               on_device<storage>(blank(d[s]->dx))});
    succeed(cudaStreamCreateWithFlags(&stream[s], cudaStreamNonBlocking));
  }
  for (int s = 0; s < streams; ++s) {
    succeed(call_forward(Op{}, n, b[s]->x.data(), b[s]->y.data(), b[s]->mask.data(), stream[s]));
    succeed(call_backward(Op{}, n, b[s]->dy.data(), b[s]->y.data(), b[s]->mask.data(), b[s]->dx.data(), stream[s]));
  }
  succeed(cudaDeviceSynchronize());
  for (int s = 0; s < streams; ++s) {
    check_equal("y", b[s]->y, d[s]->y);
    check_equal("mask", b[s]->mask, d[s]->mask);
    check_equal("dx", b[s]->dx, d[s]->dx);
    succeed(cudaStreamDestroy(stream[s]));
  }
}

TEMPLATE_TEST_CASE("a captured graph computes what the calls compute, at each replay" OF_UNIT, "", PACKINGS) {
  using Op = TestType;
  const problem p{1, 300, 136, 8, 8};
  data<Op, storage, storage, storage> d(p, true, 31), again(p, true, 32);
  on_device x(d.x);
  on_device bias(d.bias);
  on_device y(blank(d.y));
  on_device mask(blank(d.mask));
  on_device dy(d.dy);
  on_device dx(blank(d.dx));
  const std::size_t bytes = invact::device::bias_gradient_workspace_bytes(d.shape);
  guarded<unsigned char> space_host(static_cast<int64>(bytes));
  guarded<float> gradient_host(p.cols);
  on_device space(space_host);
  on_device gradient(gradient_host);
  cudaStream_t stream;
  succeed(cudaStreamCreate(&stream));
  succeed(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  const cudaError_t forward_status =
      call_forward_with_bias(Op{}, d.shape, x.data(), bias.data(), y.data(), mask.data(), stream);
  const cudaError_t backward_status =
      call_backward_with_bias_gradient(Op{}, d.shape, dy.data(), y.data(), mask.data(), dx.data(), gradient.data(),
                                  static_cast<void*>(space.data()), bytes, stream);
  cudaGraph_t graph;
  succeed(cudaStreamEndCapture(stream, &graph));
  succeed(forward_status);
  succeed(backward_status);
  cudaGraphExec_t executable;
  succeed(cudaGraphInstantiate(&executable, graph, 0));
  for (auto* now : {&d, &again, &d}) {
    // New inputs at the same addresses.
    on_device new_x(now->x);
    on_device new_bias(now->bias);
    on_device new_dy(now->dy);
    const auto put = [](auto& to, auto& from, int64 n) {
      succeed(cudaMemcpy(to.data(), from.data(), static_cast<std::size_t>(n) * sizeof(storage), cudaMemcpyDeviceToDevice));
    };
    put(x, new_x, extent(p, d.shape.ld_x));
    put(bias, new_bias, p.cols);
    put(dy, new_dy, extent(p, d.shape.ld_dy));
    succeed(cudaGraphLaunch(executable, stream));
    succeed(cudaStreamSynchronize(stream));
    check_equal("y", y, now->y);
    check_equal("mask", mask, now->mask);
    check_equal("dx", dx, now->dx);
    // The second kernel's result: that of the same call outside the graph.
    guarded<float> replayed = gradient_host, called = gradient_host;
    gradient.copy_to(replayed);
    on_device expected(gradient_host);
    succeed(call_backward_with_bias_gradient(Op{}, d.shape, dy.data(), y.data(), mask.data(), dx.data(),
                                             expected.data(), static_cast<void*>(space.data()), bytes, stream));
    succeed(cudaStreamSynchronize(stream));
    expected.copy_to(called);
    CHECK(replayed.bytes() == called.bytes());
    CHECK(!called.untouched());
  }
  succeed(cudaGraphExecDestroy(executable));
  succeed(cudaGraphDestroy(graph));
  succeed(cudaStreamDestroy(stream));
}

}  // namespace
