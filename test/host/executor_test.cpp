#include "host_support.hpp"

#include "support/catch.hpp"

#include <algorithm>

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace {

using namespace host_test;
using invact::bfloat16;
using invact::binary16;
using invact::bitmask;
using invact::gelu;
using invact::mantissa_bit;
using invact::mask_bytes;
using invact::silu;
using invact::host::matrix_shape;

// Where compiling all takes minutes: both widths of storage, both packings and all numbers of bits.
#if INVACT_TEST_FEW_OPS
#define EVERY_OP (op<gelu, bfloat16, bitmask>), (op<silu, float, mantissa_bit>), two_bit_op, no_bit_op
#else
#define EVERY_OP                                                                                     \
  (op<gelu, float, bitmask>), (op<gelu, bfloat16, bitmask>), (op<gelu, binary16, bitmask>),          \
      (op<gelu, float, mantissa_bit>), (op<gelu, bfloat16, mantissa_bit>),                           \
      (op<gelu, binary16, mantissa_bit>), (op<silu, float, bitmask>), (op<silu, bfloat16, bitmask>), \
      (op<silu, binary16, mantissa_bit>), two_bit_op, no_bit_op
#endif

// Around every block, byte and task boundary.
const int64 sizes[] = {0, 1, 7, 8, 9, 63, 64, 65, 71, 72, 73, 128, 1000, 16384, 16385, 40009};

struct matrix_case {
  int64 rows, cols, pad, pad_mask_bits;
};
const matrix_case matrices[] = {{1, 1, 0, 0},   {3, 7, 2, 8},     {5, 8, 0, 0},    {2, 9, 1, 16},
                                {130, 65, 3, 8}, {65, 300, 0, 0}, {4, 17000, 5, 8}, {4200, 3, 1, 8}};

matrix_shape shape_of(const matrix_case& m, int bits) {
  // A different leading dimension for each tensor, so that a mix-up shows.
  const int64 stride = 8 * mask_bytes(m.cols, bits) + m.pad_mask_bits;
  return {m.rows,          m.cols,           m.cols + m.pad, m.cols + 2 * m.pad,
          m.cols + 3 * m.pad, m.cols + 4 * m.pad, stride};
}

// Checks y and the mask of one row against the scalar op; every byte of the mask row is checked.
template <class Op>
bool row_matches(int64 n, const float* x, guarded<typename Op::storage_type>& y, int64 y_at,
                 guarded<uint8>& mask, int64 mask_at) {
  std::vector<uint8> expected(static_cast<std::size_t>(mask_bytes(n, Op::mask_bits)), uint8{0});
  for (int64 i = 0; i < n; ++i) {
    const auto e = Op{}.forward(x[i]);
    if (!same(e.y, y[y_at + i])) return false;
    set_piece(expected.data(), i, Op::mask_bits, e.piece);
  }
  for (std::size_t b = 0; b < expected.size(); ++b) {
    if (mask[mask_at + static_cast<int64>(b)] != expected[b]) return false;
  }
  return true;
}

// Buffers of a matrix backward: dy and y random, the mask's bits random everywhere, tails and padding
// included, as a decoder must not care.
template <class Op, class Dy, class Dx>
struct backward_case {
  explicit backward_case(const matrix_shape& s, unsigned seed = 1)
      : shape(s),
        dy(s.rows * s.ld_dy),
        y(s.rows * s.ld_y),
        mask(Op::mask_bits > 0 ? s.rows * s.mask_stride_bits / 8 : 0),
        dx(s.rows * s.ld_dx) {
    fill<Dy>(dy, s.rows * s.ld_dy, seed);
    fill<typename Op::storage_type>(y, s.rows * s.ld_y, seed + 1);
    std::mt19937 random(seed + 2);
    if (Op::mask_bits > 0) {
      for (int64 i = 0; i < s.rows * s.mask_stride_bits / 8; ++i) mask[i] = static_cast<uint8>(random());
    }
  }

  float expected(int64 r, int64 c) {
    const uint32 piece = get_piece(mask.data() + r * (shape.mask_stride_bits / 8), c, Op::mask_bits);
    return Op{}.backward(storage_traits<Dy>::load(dy[r * shape.ld_dy + c]), y[r * shape.ld_y + c], piece);
  }
  // Whether dx is what the scalar op gives, and the gaps between its rows are untouched.
  bool matches() {
    for (int64 r = 0; r < shape.rows; ++r) {
      for (int64 c = 0; c < shape.ld_dx; ++c) {
        const int64 at = r * shape.ld_dx + c;
        if (c >= shape.cols ? !dx.untouched(at)
                            : !same(dx[at], storage_traits<Dx>::round(expected(r, c)))) {
          return false;
        }
      }
    }
    return dx.guards_intact();
  }

  matrix_shape shape;
  guarded<Dy> dy;
  guarded<typename Op::storage_type> y;
  guarded<uint8> mask;
  guarded<Dx> dx;
};

}  // namespace

TEMPLATE_TEST_CASE("host forward equals the scalar op bit for bit at every size and alignment", "[host]",
                   EVERY_OP) {
  using storage = typename TestType::storage_type;
  for (const int64 n : sizes) {
    for (int shift = 0; shift < 4; ++shift) {
      guarded<float> x(n, shift);
      guarded<storage> y(n, shift + 1);
      guarded<uint8> mask(mask_bytes(n, TestType::mask_bits), shift);
      fill<float>(x, n, static_cast<unsigned>(n + shift));
      host_test::forward(TestType{}, n, x.data(), y.data(), mask.data());
      INFO("n = " << n << ", shift = " << shift);
      REQUIRE(row_matches<TestType>(n, x.data(), y, 0, mask, 0));
      REQUIRE(y.guards_intact());
      REQUIRE(mask.guards_intact());
    }
  }
}

TEMPLATE_TEST_CASE("host backward equals the scalar op bit for bit and ignores the mask's tail bits",
                   "[host]", EVERY_OP) {
  for (const int64 n : sizes) {
    for (int shift = 0; shift < 3; ++shift) {
      guarded<float> dy(n, shift);
      guarded<float> dx(n, 3 - shift);
      guarded<typename TestType::storage_type> y(n, shift + 1);
      guarded<uint8> mask(mask_bytes(n, TestType::mask_bits), shift);
      fill<float>(dy, n, 3);
      fill<typename TestType::storage_type>(y, n, 4);
      for (int64 i = 0; i < mask_bytes(n, TestType::mask_bits); ++i) {
        mask[i] = static_cast<uint8>(197 * i + 0xe1);
      }
      host_test::backward(TestType{}, n, dy.data(), y.data(), mask.data(), dx.data());
      bool equal = true;
      for (int64 i = 0; i < n; ++i) {
        const uint32 piece = get_piece(mask.data(), i, TestType::mask_bits);
        equal = equal && same(dx[i], TestType{}.backward(dy[i], y[i], piece));
      }
      INFO("n = " << n << ", shift = " << shift);
      REQUIRE(equal);
      REQUIRE(dx.guards_intact());
    }
  }
}

TEST_CASE("the host mask has element i at bit i % 8 of byte i / 8, and zero tail bits", "[host]") {
  const float l = -2.0f;  // left of the stationary point
  const float r = 1.0f;
  const std::vector<float> x = {l, r, r, r, l, r, r, l, /**/ r, l, l, r, r, r, r, r, /**/ l, r, l};
  std::vector<float> y(x.size());
  std::vector<uint8> mask(3, uint8{0xff});
  invact::host::forward(op<gelu, float, bitmask>{}, static_cast<int64>(x.size()), x.data(), y.data(),
                        mask.data());
  REQUIRE(mask == std::vector<uint8>{0x91, 0x06, 0x05});
}

TEST_CASE("two mask bits an element lie at bits 2i and 2i + 1", "[host]") {
  // Pieces 3, 2, 1, 0, and 3 again in the second byte.
  const std::vector<float> x = {-2.0f, -0.5f, 0.5f, 2.0f, -2.0f};
  std::vector<bfloat16> y(x.size());
  std::vector<uint8> mask(2, uint8{0xff});
  invact::host::forward(two_bit_op{}, 5, x.data(), y.data(), mask.data());
  REQUIRE(mask == std::vector<uint8>{0x1b, 0x03});
}

TEMPLATE_TEST_CASE("host matrices equal the scalar op and leave the gaps between rows alone", "[host]",
                   EVERY_OP) {
  using storage = typename TestType::storage_type;
  constexpr int bits = TestType::mask_bits;
  for (const matrix_case& m : matrices) {
    const matrix_shape s = shape_of(m, bits);
    INFO(m.rows << " x " << m.cols);
    guarded<float> x(s.rows * s.ld_x, 1);
    guarded<storage> y(s.rows * s.ld_y, 1);
    guarded<uint8> mask(bits > 0 ? s.rows * s.mask_stride_bits / 8 : 0);
    fill<float>(x, s.rows * s.ld_x, 9);
    host_test::forward(TestType{}, s, x.data(), y.data(), mask.data());
    bool equal = true;
    bool gaps = true;
    for (int64 r = 0; r < s.rows; ++r) {
      equal = equal && row_matches<TestType>(s.cols, x.data() + r * s.ld_x, y, r * s.ld_y, mask,
                                             r * (s.mask_stride_bits / 8));
      for (int64 c = s.cols; c < s.ld_y; ++c) gaps = gaps && y.untouched(r * s.ld_y + c);
      for (int64 b = mask_bytes(s.cols, bits); bits > 0 && b < s.mask_stride_bits / 8; ++b) {
        gaps = gaps && mask.untouched(r * (s.mask_stride_bits / 8) + b);
      }
    }
    REQUIRE(equal);
    REQUIRE(gaps);
    REQUIRE(y.guards_intact());
    REQUIRE(mask.guards_intact());

    backward_case<TestType, float, float> b(s);
    host_test::backward(TestType{}, s, b.dy.data(), b.y.data(), b.mask.data(), b.dx.data());
    REQUIRE(b.matches());
  }
}

TEST_CASE("x, dy and dx may each have a storage type of their own", "[host]") {
  using act = op<gelu, bfloat16, bitmask>;
  const matrix_shape s = shape_of({5, 77, 2, 8}, 1);
  guarded<binary16> x(s.rows * s.ld_x);
  guarded<bfloat16> y(s.rows * s.ld_y);
  guarded<uint8> mask(s.rows * s.mask_stride_bits / 8);
  fill<binary16>(x, s.rows * s.ld_x, 5);
  invact::host::forward(act{}, s, x.data(), y.data(), mask.data());
  bool equal = true;
  for (int64 r = 0; r < s.rows; ++r) {
    std::vector<float> row;
    for (int64 c = 0; c < s.cols; ++c) row.push_back(storage_traits<binary16>::load(x[r * s.ld_x + c]));
    equal = equal &&
            row_matches<act>(s.cols, row.data(), y, r * s.ld_y, mask, r * (s.mask_stride_bits / 8));
  }
  REQUIRE(equal);
  backward_case<act, binary16, bfloat16> b(s);
  invact::host::backward(act{}, s, b.dy.data(), b.y.data(), b.mask.data(), b.dx.data());
  REQUIRE(b.matches());
}

TEMPLATE_TEST_CASE("y may overwrite x, and dx may overwrite dy", "[host]", EVERY_OP) {
  using storage = typename TestType::storage_type;
  const int64 n = 1003;
  guarded<storage> x(n);
  guarded<storage> y(n);
  guarded<uint8> mask(mask_bytes(n, TestType::mask_bits));
  guarded<uint8> mask_again(mask_bytes(n, TestType::mask_bits));
  fill<storage>(x, n, 6);
  host_test::forward(TestType{}, n, x.data(), y.data(), mask.data());
  host_test::forward(TestType{}, n, x.data(), x.data(), mask_again.data());
  REQUIRE(std::memcmp(x.data(), y.data(), sizeof(storage) * static_cast<std::size_t>(n)) == 0);
  REQUIRE(std::memcmp(mask.data(), mask_again.data(),
                      static_cast<std::size_t>(mask_bytes(n, TestType::mask_bits))) == 0);

  guarded<storage> dy(n);
  guarded<storage> dx(n);
  fill<storage>(dy, n, 7);
  host_test::backward(TestType{}, n, dy.data(), y.data(), mask.data(), dx.data());
  host_test::backward(TestType{}, n, dy.data(), y.data(), mask.data(), dy.data());
  REQUIRE(std::memcmp(dx.data(), dy.data(), sizeof(storage) * static_cast<std::size_t>(n)) == 0);
}

TEMPLATE_TEST_CASE("in place, matrices keep the gaps between their rows", "[host]", EVERY_OP) {
  using storage = typename TestType::storage_type;
  for (const matrix_case& m : matrices) {
    matrix_shape s = shape_of(m, TestType::mask_bits);
    s.ld_y = s.ld_x;
    s.ld_dx = s.ld_dy;
    INFO(m.rows << " x " << m.cols);
    guarded<storage> x(s.rows * s.ld_x);
    fill<storage>(x, s.rows * s.ld_x, 12);
    guarded<storage> y(s.rows * s.ld_y);
    for (int64 i = 0; i < s.rows * s.ld_y; ++i) y[i] = x[i];
    guarded<storage> apart(s.rows * s.ld_y);
    for (int64 i = 0; i < s.rows * s.ld_y; ++i) apart[i] = x[i];
    guarded<uint8> mask(TestType::mask_bits > 0 ? s.rows * s.mask_stride_bits / 8 : 0);
    host_test::forward(TestType{}, s, x.data(), apart.data(), mask.data());
    host_test::forward(TestType{}, s, y.data(), y.data(), mask.data());
    const auto bytes = [](int64 n, std::size_t size) { return static_cast<std::size_t>(n) * size; };
    REQUIRE(std::memcmp(y.data(), apart.data(), bytes(s.rows * s.ld_y, sizeof(storage))) == 0);

    backward_case<TestType, storage, storage> b(s);
    std::vector<float> gradient(static_cast<std::size_t>(s.cols)), again(gradient);
    for (int64 i = 0; i < s.rows * s.ld_dx; ++i) b.dx[i] = b.dy[i];
    host_test::backward_with_bias_gradient(TestType{}, s, b.dy.data(), b.y.data(), b.mask.data(), b.dx.data(),
                                           gradient.data());
    host_test::backward_with_bias_gradient(TestType{}, s, b.dy.data(), b.y.data(), b.mask.data(), b.dy.data(),
                                           again.data());
    REQUIRE(std::memcmp(b.dy.data(), b.dx.data(), bytes(s.rows * s.ld_dx, sizeof(storage))) == 0);
    REQUIRE(std::memcmp(gradient.data(), again.data(), bytes(s.cols, sizeof(float))) == 0);
  }
}

TEMPLATE_TEST_CASE("the bias is added in float before the piece is decided", "[host]", EVERY_OP) {
  using storage = typename TestType::storage_type;
  constexpr int bits = TestType::mask_bits;
  for (const matrix_case& m : matrices) {
    const matrix_shape s = shape_of(m, bits);
    INFO(m.rows << " x " << m.cols);
    guarded<storage> x(s.rows * s.ld_x);
    guarded<bfloat16> bias(s.cols, 1);
    guarded<storage> y(s.rows * s.ld_y);
    guarded<uint8> mask(bits > 0 ? s.rows * s.mask_stride_bits / 8 : 0);
    fill<storage>(x, s.rows * s.ld_x, 10);
    fill<bfloat16>(bias, s.cols, 11);
    host_test::forward_with_bias(TestType{}, s, x.data(), bias.data(), y.data(), mask.data());
    bool equal = true;
    for (int64 r = 0; r < s.rows; ++r) {
      std::vector<float> row;
      for (int64 c = 0; c < s.cols; ++c) {
        row.push_back(storage_traits<storage>::load(x[r * s.ld_x + c]) +
                      storage_traits<bfloat16>::load(bias[c]));
      }
      equal = equal && row_matches<TestType>(s.cols, row.data(), y, r * s.ld_y, mask,
                                             r * (s.mask_stride_bits / 8));
    }
    REQUIRE(equal);
    REQUIRE(y.guards_intact());
    REQUIRE(mask.guards_intact());
  }
}

TEMPLATE_TEST_CASE("the bias gradient sums the unrounded dx within its documented bound", "[host]",
                   (op<gelu, bfloat16, bitmask>), (op<silu, float, mantissa_bit>), two_bit_op) {
  for (const matrix_case m : {matrix_case{1, 1, 0, 0}, matrix_case{63, 9, 1, 8}, matrix_case{64, 256, 0, 0},
                              matrix_case{65, 257, 2, 8}, matrix_case{129, 64, 0, 0},
                              matrix_case{4097, 70, 1, 8}, matrix_case{12345, 5, 0, 0}}) {
    backward_case<TestType, bfloat16, bfloat16> b(shape_of(m, TestType::mask_bits));
    // Finite values only, as a sum of anything else has no error.
    std::mt19937 random(12);
    std::normal_distribution<float> normal;
    for (int64 i = 0; i < b.shape.rows * b.shape.ld_dy; ++i) {
      b.dy[i] = storage_traits<bfloat16>::round(normal(random));
    }
    for (int64 i = 0; i < b.shape.rows * b.shape.ld_y; ++i) {
      b.y[i] = storage_traits<typename TestType::storage_type>::round(normal(random) * 0.2f);
    }
    guarded<float> gradient(m.cols, 1);
    host_test::backward_with_bias_gradient(TestType{}, b.shape, b.dy.data(), b.y.data(), b.mask.data(), b.dx.data(),
                                gradient.data());
    INFO(m.rows << " x " << m.cols);
    REQUIRE(b.matches());
    REQUIRE(gradient.guards_intact());

    // Additions on the longest path of a term: rows of a block, blocks of a band, bands. Each rounds by
    // at most 2^-24 of a partial sum, itself at most the sum of magnitudes.
    const int64 blocks = (m.rows + 63) / 64;
    const int64 band_blocks = (blocks + 63) / 64;
    const int64 bands = (blocks + band_blocks - 1) / band_blocks;
    const double additions = static_cast<double>(64 + band_blocks + bands);
    bool within = true;
    for (int64 c = 0; c < m.cols; ++c) {
      double sum = 0;
      double magnitude = 0;
      for (int64 r = 0; r < m.rows; ++r) {
        const double v = static_cast<double>(b.expected(r, c));
        sum += v;
        magnitude += std::fabs(v);
      }
      within = within && std::fabs(static_cast<double>(gradient[c]) - sum) <=
                             additions * 0x1p-24 * 1.0001 * magnitude;
    }
    REQUIRE(within);
  }
}

#if !defined(__FAST_MATH__)
TEST_CASE("the bias gradient is summed in the documented order", "[host]") {
  using act = op<gelu, float, bitmask>;
  const matrix_case m{12345, 3, 0, 0};
  backward_case<act, float, float> b(shape_of(m, 1));
  std::mt19937 random(13);
  std::normal_distribution<float> normal;
  for (int64 i = 0; i < m.rows * m.cols; ++i) b.dy[i] = normal(random);
  for (int64 i = 0; i < m.rows * m.cols; ++i) b.y[i] = 1.0f + normal(random) * 0.1f;
  std::vector<float> gradient(3);
  invact::host::backward_with_bias_gradient(act{}, b.shape, b.dy.data(), b.y.data(), b.mask.data(),
                                            b.dx.data(), gradient.data());
  const int64 band_rows = 64 * 4;  // 193 blocks in at most 64 bands
  for (int64 c = 0; c < m.cols; ++c) {
    float total = 0.0f;
    for (int64 band = 0; band < m.rows; band += band_rows) {
      float band_sum = 0.0f;
      for (int64 block = band; block < std::min(m.rows, band + band_rows); block += 64) {
        float block_sum = 0.0f;
        for (int64 r = block; r < std::min(m.rows, block + 64); ++r) block_sum += b.expected(r, c);
        band_sum += block_sum;
      }
      total = band == 0 ? band_sum : total + band_sum;
    }
    REQUIRE(code(gradient[static_cast<std::size_t>(c)]) == code(total));
  }
}
#endif

TEST_CASE("the bias gradient of no rows is zero", "[host]") {
  using act = op<gelu, float, mantissa_bit>;
  std::vector<float> gradient = {1.0f, 2.0f};
  float* const none = nullptr;
  const float* const nothing = nullptr;
  invact::host::backward_with_bias_gradient(act{}, invact::host::dense_shape(act{}, 0, 2), nothing, none,
                                            none, gradient.data());
  REQUIRE(gradient == std::vector<float>{0.0f, 0.0f});
}

#if defined(_OPENMP)
TEST_CASE("no host result depends on the number of threads", "[host]") {
  using act = op<gelu, bfloat16, bitmask>;
  const matrix_shape s = shape_of({4133, 301, 1, 8}, 1);
  const int threads_before = omp_get_max_threads();
  std::vector<std::vector<unsigned char>> results;
  for (int threads = 1; threads <= 3; ++threads) {
    omp_set_num_threads(threads);
    guarded<float> x(s.rows * s.ld_x);
    fill<float>(x, s.rows * s.ld_x, 14);
    backward_case<act, float, bfloat16> b(s);
    std::vector<float> gradient(static_cast<std::size_t>(s.cols));
    invact::host::forward(act{}, s, x.data(), b.y.data(), b.mask.data());
    for (int64 i = 0; i < s.rows * s.ld_dy; ++i) {
      if (!(std::fabs(b.dy[i]) < 1e3f)) b.dy[i] = 1.0f;
    }
    invact::host::backward_with_bias_gradient(act{}, s, b.dy.data(), b.y.data(), b.mask.data(),
                                              b.dx.data(), gradient.data());
    std::vector<unsigned char> bytes;
    const auto append = [&](const void* p, int64 n) {
      const auto* from = static_cast<const unsigned char*>(p);
      bytes.insert(bytes.end(), from, from + n);
    };
    append(b.y.data(), s.rows * s.ld_y * 2);
    append(b.mask.data(), s.rows * s.mask_stride_bits / 8);
    append(b.dx.data(), s.rows * s.ld_dx * 2);
    append(gradient.data(), s.cols * 4);
    results.push_back(bytes);
  }
  omp_set_num_threads(threads_before);
  REQUIRE(results[0] == results[1]);
  REQUIRE(results[0] == results[2]);
}
#endif
