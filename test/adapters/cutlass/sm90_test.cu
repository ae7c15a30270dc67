// SM90 GEMMs with their epilogues, against the elementwise kernels: y, mask, dx and the bias's gradient, bit for bit where
// no sum depends on its order. All sums of the GEMMs are exact: small integers, scaled by powers of two.
//
// INVACT_TEST_STORAGE is y's type, float_e4m3_t with factors of that type too; INVACT_TEST_PART one of
//   0  stock operations with the functors    1  the nodes, row-major    2  the nodes, column-major    3  and refined masks
//   4  what can_implement() refuses, with a node
#include <cutlass/cutlass.h>

#include <invact/adapters/cutlass/functor.hpp>
#include <invact/adapters/cutlass/sm90_nodes.hpp>
#include <invact/invact.cuh>

#include <algorithm>
#include <cmath>
#include <vector>

#include "adapters/cutlass/sm90_gemm.cuh"

namespace {

template <class Storage>
constexpr bool is_bfloat16 = std::is_same<Storage, cutlass::bfloat16_t>::value;
// Of dx.
using gradient = std::conditional_t<is_float8, cutlass::bfloat16_t, storage>;

// As the benchmark found best.
struct large_epilogue : ping_pong {
  using epilogue_tile = cute::Shape<cute::_64, cute::_128>;
};

// Elements from one row of D, or column, to the next: with a gap.
template <class LayoutD>
int leading(const problem& p) {
  return (std::is_same<LayoutD, row_major>::value ? p.n : p.m) + 2 * alignment<storage>;
}
template <class LayoutD>
auto stride_of_d(const problem& p) {
  using stride = cutlass::gemm::TagToStrideC_t<LayoutD>;
  const int64 ld = leading<LayoutD>(p);
  if constexpr (std::is_same<LayoutD, row_major>::value) {
    return stride{ld, _1{}, ld * p.m};
  } else {
    return stride{_1{}, ld, ld * p.n};
  }
}

// The factors, and what they make: x, laid out as D.
template <class LayoutD>
struct data {
  explicit data(const problem& p)
      : of(p),
        a(small_integers(int64{p.m} * p.k * p.batches, 7)),
        b(small_integers(int64{p.n} * p.k * p.batches, 5)) {}

  std::size_t size() const {
    return static_cast<std::size_t>(std::is_same<LayoutD, row_major>::value ? of.m : of.n) *
           leading<LayoutD>(of) * of.batches;
  }
  // alpha * acc + bias[column], or 0 in the gaps.
  std::vector<float> result(float alpha, const std::vector<storage>& bias) const {
    std::vector<float> x(size());
    const int ld = leading<LayoutD>(of);
    for (int l = 0; l < of.batches; ++l) {
      for (int i = 0; i < of.m; ++i) {
        for (int j = 0; j < of.n; ++j) {
          float sum = 0;
          for (int k = 0; k < of.k; ++k)
            sum += static_cast<float>(a[(static_cast<std::size_t>(l) * of.m + i) * of.k + k]) *
                   static_cast<float>(b[(static_cast<std::size_t>(l) * of.n + j) * of.k + k]);
          const std::size_t at = std::is_same<LayoutD, row_major>::value
                                     ? (static_cast<std::size_t>(l) * of.m + i) * ld + j
                                     : (static_cast<std::size_t>(l) * of.n + j) * ld + i;
          x[at] = alpha * sum + (bias.empty() ? 0.0f : static_cast<float>(bias[j]));
        }
      }
    }
    return x;
  }
  // What the elementwise kernels take: all batches as rows of one matrix.
  matrix_shape shape(int mask_bits) const {
    matrix_shape s;
    s.rows = static_cast<int64>(std::is_same<LayoutD, row_major>::value ? of.m : of.n) * of.batches;
    s.cols = std::is_same<LayoutD, row_major>::value ? of.n : of.m;
    s.ld_x = s.ld_y = s.ld_dy = s.ld_dx = leading<LayoutD>(of);
    s.mask_stride_bits = (s.cols * mask_bits + 127) / 128 * 128 + 128;
    return s;
  }

  problem of;
  std::vector<factor> a, b;
};

template <class Gemm, class LayoutD, class C, class D, class Fusion>
void run(const data<LayoutD>& of, const C* c, D* d, const Fusion& fusion_arguments) {
  const auto stride = stride_of_d<LayoutD>(of.of);
  typename Gemm::epilogue::Arguments to{{}, c, stride, d, stride};
  to.thread = fusion_arguments;
  run_gemm<Gemm>(of.of, of.a, of.b, to);
}

// An op, with a scale of 16 and a record where it has those.
template <class Op>
struct op_with_memory {
  Op op() const {
    if constexpr (is_float8) {
      return Op(scale.data(), amax.data());
    } else {
      return Op{};
    }
  }
  device_array<float> scale{std::vector<float>(1, 16.0f)}, amax{std::vector<float>(1, 0.0f)};
};

template <class Op>
void forward_elementwise(const Op& op, const matrix_shape& s, const float* x, storage* y, uint8* mask) {
  if constexpr (Op::mask_bits > 0) {
    succeed(device::forward(op, s, x, y, mask, nullptr));
  } else {
    succeed(device::forward(op, s, x, y, nullptr));
  }
}
template <class Op>
void backward_elementwise(const Op& op, const matrix_shape& s, const float* dy, const storage* y,
                          const uint8* mask, gradient* dx) {
  if constexpr (Op::mask_bits > 0) {
    succeed(device::backward(op, s, dy, y, mask, dx, nullptr));
  } else {
    succeed(device::backward(op, s, dy, y, dx, nullptr));
  }
}

template <class T>
int differences(const std::vector<T>& a, const std::vector<T>& b) {
  REQUIRE(a.size() == b.size());
  int count = 0;
  for (std::size_t i = 0; i < a.size(); ++i) count += std::memcmp(&a[i], &b[i], sizeof(T)) != 0;
  return count;
}

[[maybe_unused]] std::vector<storage> biases(int n) {
  std::vector<storage> bias;
  for (int j = 0; j < n; ++j) bias.push_back(storage(static_cast<float>(j % 9 - 4) / 16));
  return bias;
}

// Whole tiles and parts of them, one and two batches, K short enough for exact sums.
const std::vector<problem> problems =
    is_float8
        ? std::vector<problem>{{128, 256, 64, 1}, {272, 208, 64, 1}, {80, 144, 32, 2}, {16, 16, 64, 1}}
        : std::vector<problem>{
              {128, 256, 64, 1}, {256, 512, 128, 1}, {264, 200, 64, 1}, {72, 136, 32, 2}, {8, 8, 64, 1}};

// y and the mask, of a GEMM's forward, and what they should be.
template <class Op, class LayoutD>
struct forward_result {
  forward_result(const Op& op, const data<LayoutD>& of, const std::vector<float>& x)
      : shape(of.shape(Op::mask_bits)),
        mask_bytes(
            static_cast<std::size_t>(Op::mask_bits > 0 ? shape.rows * shape.mask_stride_bits / 8 : 16)),
        y(std::vector<storage>(of.size(), storage(7.0f))),
        mask(std::vector<uint8>(mask_bytes, 0xa5)),
        wanted_y(std::vector<storage>(of.size(), storage(7.0f))),
        wanted_mask(std::vector<uint8>(mask_bytes, 0xa5)) {
    const device_array<float> on_device(x);
    forward_elementwise(op, shape, on_device.data(), wanted_y.data(), wanted_mask.data());
    succeed(cudaDeviceSynchronize());
  }
  void check() const {
    CHECK(differences(y.host(), wanted_y.host()) == 0);
    CHECK(differences(mask.host(), wanted_mask.host()) == 0);
  }

  matrix_shape shape;
  std::size_t mask_bytes;
  device_array<storage> y;
  device_array<uint8> mask;
  device_array<storage> wanted_y;
  device_array<uint8> wanted_mask;
};

template <class LayoutD>
auto mask_stride(const problem& p, const matrix_shape& s) {
  using stride = cutlass::gemm::TagToStrideC_t<LayoutD>;
  if constexpr (std::is_same<LayoutD, row_major>::value) {
    return stride{s.mask_stride_bits, _1{}, s.mask_stride_bits * p.m};
  } else {
    return stride{_1{}, s.mask_stride_bits, s.mask_stride_bits * p.n};
  }
}

// The sums of dx over the rows of a row-major D, over the columns of a column-major one, in double.
template <class LayoutD>
std::vector<double> bias_sums(const data<LayoutD>& of, const std::vector<double>& dx) {
  constexpr bool is_row_major = std::is_same<LayoutD, row_major>::value;
  std::vector<double> sums(static_cast<std::size_t>(is_row_major ? of.of.n : of.of.m));
  const int ld = leading<LayoutD>(of.of);
  for (int i = 0; i < of.of.m; ++i)
    for (int j = 0; j < of.of.n; ++j)
      sums[is_row_major ? j : i] +=
          dx[std::is_same<LayoutD, row_major>::value ? static_cast<std::size_t>(i) * ld + j
                                                     : static_cast<std::size_t>(j) * ld + i];
  return sums;
}

template <class Op, class LayoutD, class Schedule>
void check_nodes(const problem& p) {
  INFO(p.m << " x " << p.n << " x " << p.k << ", " << p.batches);
  using stride = cutlass::gemm::TagToStrideC_t<LayoutD>;
  using tile = typename Schedule::tile;
  const data<LayoutD> of(p);
  const op_with_memory<Op> fused, elementwise;

  // x = acc / 16 + bias
  using with_bias =
      fusion::Sm90EVT<fusion::Sm90Compute<cutlass::homogeneous_multiply_add, float, float, nearest>,
                      fusion::Sm90ScalarBroadcast<float>, fusion::Sm90AccFetch,
                      fusion::Sm90RowBroadcast<0, tile, storage, float, cute::Stride<_0, _1, int64_t>>>;
  using forward_gemm = gemm<fusion::Sm90EVT<epilogue::sm90_forward<Op, stride>, with_bias>, LayoutD, void,
                            storage, Schedule>;
  const std::vector<storage> bias = biases(p.n);
  const device_array<storage> bias_on_device(bias);
  forward_result<Op, LayoutD> forward(elementwise.op(), of, of.result(0.0625f, bias));
  run<forward_gemm>(of, static_cast<const void*>(nullptr), forward.y.data(),
                    typename forward_gemm::epilogue::FusionCallbacks::Arguments{
                        {{{0.0625f}}, {}, {bias_on_device.data()}, {}},
                        {fused.op(), forward.mask.data(), mask_stride<LayoutD>(p, forward.shape)}});
  forward.check();
  CHECK(differences(fused.amax.host(), elementwise.amax.host()) == 0);
  if constexpr (Op::mask_bits == 1 && piece_bits_v<typename Op::activation_type> == 1) {
    // As a host reads it, without any kernel.
    const std::vector<float> x = of.result(0.0625f, bias);
    const std::vector<uint8> bits = forward.mask.host();
    const matrix_shape& s = forward.shape;
    int wrong = 0;
    for (int64 row = 0; row < s.rows; ++row)
      for (int64 column = 0; column < s.cols; ++column) {
        const int64 bit = row * s.mask_stride_bits + column;
        const uint32 piece = bits[static_cast<std::size_t>(bit / 8)] >> (bit % 8) & 1u;
        wrong += piece != elementwise.op().activation().piece_index(
                              x[static_cast<std::size_t>(row * s.ld_x + column)]);
      }
    CHECK(wrong == 0);
  }

  // dy = acc, y is C; and the sums of dx.
  using row_sums = fusion::Sm90RowReduction<cutlass::plus, cutlass::plus, cutlass::atomic_add, 0, tile,
                                            float, float, nearest, cute::Stride<_0, _1, int64_t>>;
  using column_sums = fusion::Sm90ColReduction<cutlass::plus, cutlass::plus, cutlass::plus, 0, tile, float,
                                               float, nearest, cute::Stride<_1, _0, int64_t>>;
  using sums_node = std::conditional_t<std::is_same<LayoutD, row_major>::value, row_sums, column_sums>;
  using backward_tree = fusion::Sm90EVT<epilogue::sm90_backward<Op, stride>, fusion::Sm90AccFetch,
                                        fusion::Sm90SrcFetch<storage>>;
  using backward_gemm =
      gemm<fusion::Sm90EVT<sums_node, backward_tree>, LayoutD, storage, gradient, Schedule>;
  const std::vector<float> dy = of.result(1, {});
  const device_array<float> dy_on_device(dy);
  const std::vector<gradient> sevens(of.size(), gradient(7.0f));
  const device_array<gradient> dx(sevens), wanted_dx(sevens);
  const device_array<float> sums(std::vector<float>(static_cast<std::size_t>(std::max(p.m, p.n))));
  backward_elementwise(elementwise.op(), forward.shape, dy_on_device.data(), forward.wanted_y.data(),
                       forward.wanted_mask.data(), wanted_dx.data());
  run<backward_gemm>(
      of, forward.wanted_y.data(), dx.data(),
      typename backward_gemm::epilogue::FusionCallbacks::Arguments{
          {{}, {}, {fused.op(), forward.wanted_mask.data(), mask_stride<LayoutD>(p, forward.shape)}},
          {sums.data()}});
  CHECK(differences(dx.host(), wanted_dx.host()) == 0);
  if (p.batches > 1) return;
  // dx before rounding, on the host: |dx| <= 2 |dy|, and what the host's arithmetic differs by.
  std::vector<double> exact(of.size());
  const std::vector<gradient> rounded = wanted_dx.host();
  for (std::size_t i = 0; i < exact.size(); ++i) exact[i] = static_cast<float>(rounded[i]);
  const std::vector<double> want = bias_sums(of, exact);
  std::vector<double> magnitude(exact);
  for (double& e : magnitude) e = std::fabs(e);
  const std::vector<double> bound = bias_sums(of, magnitude);
  const std::vector<float> got = sums.host();
  const double ulp = std::pow(2.0, -storage_traits<gradient>::format::mantissa_bits);
  // What rounding dx and adding it up in float may change.
  const double rounding = ulp + (p.m + p.n) * 0x1p-24;
  for (std::size_t j = 0; j < want.size(); ++j)
    CHECK(std::fabs(got[j] - want[j]) <= rounding * bound[j] + 1e-6);
}

template <class Op, class LayoutD, class Schedule>
void check_all() {
  for (const problem& p : problems) check_nodes<Op, LayoutD, Schedule>(p);
}

template <class Activation, class Storage, class Packing>
using packed_op = inverted<Activation, Storage, Packing, packed, packed>;

// Templates, so that what a type has not is not looked at.
#if INVACT_TEST_PART == 1
template <class Storage>
void check_part() {
  if constexpr (is_float8) {
    check_all<scaled<gelu, Storage>, row_major, ping_pong>();
  } else {
    check_all<inverted<gelu, Storage>, row_major, ping_pong>();
    check_all<inverted<silu, Storage>, row_major, cooperative>();
  }
  if constexpr (is_bfloat16<Storage>) {
    check_all<packed_op<gelu, Storage, bitmask>, row_major, large_epilogue>();
    check_all<packed_op<silu, Storage, mantissa_bit>, row_major, ping_pong>();
  }
}
#elif INVACT_TEST_PART == 2
template <class Storage>
void check_part() {
  if constexpr (is_float8) {
    check_all<scaled<silu, Storage>, column_major, ping_pong>();
  } else {
    check_all<inverted<gelu, Storage>, column_major, ping_pong>();
    check_all<inverted<mish, Storage>, column_major, cooperative>();
  }
  if constexpr (is_bfloat16<Storage>)
    check_all<packed_op<gelu, Storage, bitmask>, column_major, ping_pong>();
}
#elif INVACT_TEST_PART == 3
template <class Storage>
void check_part() {
  if constexpr (is_float8) {
    check_all<scaled<gelu, Storage, refined_bitmask<4>>, row_major, ping_pong>();
  } else {
    check_all<inverted<gelu, Storage, refined_bitmask<2>>, row_major, ping_pong>();
    check_all<inverted<gelu, Storage, refined_bitmask<4>>, column_major, ping_pong>();
  }
}
#endif

}  // namespace

#if INVACT_TEST_PART == 1
TEST_CASE(INVACT_TEST_STORAGE_NAME
          ": row-major D: the nodes write and read what the elementwise kernels do") {
  check_part<storage>();
}
#elif INVACT_TEST_PART == 2
TEST_CASE(INVACT_TEST_STORAGE_NAME
          ": column-major D: the nodes write and read what the elementwise kernels do") {
  check_part<storage>();
}
#elif INVACT_TEST_PART == 3
TEST_CASE(INVACT_TEST_STORAGE_NAME
          ": refined masks: the nodes write and read what the elementwise kernels do") {
  check_part<storage>();
}
#elif INVACT_TEST_PART == 4
TEST_CASE(INVACT_TEST_STORAGE_NAME
          ": a node's misuse is Status::kInvalid, and can_implement() of its adapter says so") {
  using op = inverted<swish, storage>;
  using stride = cutlass::gemm::TagToStrideC_t<row_major>;
  using tree = fusion::Sm90EVT<epilogue::sm90_forward<op, stride>, fusion::Sm90AccFetch>;
  using device_gemm = typename gemm<tree, row_major, void, storage, ping_pong>::device;
  const problem p{128, 256, 64, 1};
  const device_array<factor> a(std::vector<factor>(128 * 64)), b(std::vector<factor>(256 * 64));
  const device_array<storage> d(std::vector<storage>(128 * 272));
  const device_array<uint8> mask(std::vector<uint8>(128 * 32 + 16));
  const auto status = [&](const op& o, uint8* bits, int64 row, int64 batch) {
    typename device_gemm::Arguments arguments{
        cutlass::gemm::GemmUniversalMode::kGemm,
        {p.m, p.n, p.k, 1},
        {a.data(), {int64{p.k}, _1{}, 0}, b.data(), {int64{p.k}, _1{}, 0}},
        {{{}, {o, bits, stride{row, _1{}, batch}}},
         nullptr,
         stride_of_d<row_major>(p),
         d.data(),
         stride_of_d<row_major>(p)}};
    return device_gemm::can_implement(arguments);
  };
  CHECK(status(op{}, mask.data(), 256, 0) == cutlass::Status::kSuccess);
  CHECK(status(op{}, nullptr, 256, 0) == cutlass::Status::kInvalid);
  CHECK(status(op{}, mask.data() + 8, 256, 0) == cutlass::Status::kInvalid);  // not aligned to 16 bytes
  CHECK(status(op{}, mask.data(), 264, 0) == cutlass::Status::kInvalid);      // not a multiple of 128
  CHECK(status(op{}, mask.data(), 128, 0) == cutlass::Status::kInvalid);      // shorter than a row
  CHECK(status(op{}, mask.data(), 256, 64) == cutlass::Status::kInvalid);
  CHECK(status(op{swish{-1.0f}}, mask.data(), 256, 0) == cutlass::Status::kInvalid);

  // The rules alone.
  using forward = epilogue::sm90_forward<op, stride>;
  using backward = epilogue::sm90_backward<op, stride>;
  const auto can = [&](auto node, int m, int l, int64 row, int64 batch) {
    using node_type = decltype(node);
    return node_type::can_implement(cute::make_shape(m, 256, 64, l),
                                    {op{}, mask.data(), stride{row, _1{}, batch}});
  };
  CHECK(can(forward{}, 128, 2, 256, 128 * 256));
  CHECK(!can(forward{}, 128, 2, 256, 0));  // batches over each other
  CHECK(!can(forward{}, 128, 2, 256, 256));
  CHECK(can(backward{}, 128, 2, 256, 0));  // one mask for all
  CHECK(!can(backward{}, 128, 2, 256, 256));
  CHECK(!can(backward{}, 1, 1, 0, 0));
  CHECK(!can(forward{}, 1, 1, -256, 0));
}
#elif INVACT_TEST_PART == 0
// An activation's parameters go through the functor's arguments.
template <class Arguments, class Op>
void set_activation(Arguments& to, const Op& op) {
  if constexpr (!std::is_empty<typename Op::activation_type>::value) to.activation = {op.activation()};
}

template <class Op>
void check_stock(const Op& op) {
  for (const problem& p : problems) {
    INFO(p.m << " x " << p.n << " x " << p.k << ", " << p.batches);
    const data<row_major> of(p);
    using forward_gemm = gemm<fusion::LinCombPerColBiasEltAct<epilogue::forward<Op>::template functor,
                                                              storage, float, storage, void>,
                              row_major, void, storage, ping_pong>;
    const std::vector<storage> bias = biases(p.n);
    const device_array<storage> bias_on_device(bias);
    forward_result<Op, row_major> forward(op, of, of.result(0.0625f, bias));
    typename forward_gemm::epilogue::FusionCallbacks::Arguments with_bias;
    with_bias.alpha = 0.0625f;
    with_bias.bias_ptr = bias_on_device.data();
    set_activation(with_bias, op);
    run<forward_gemm>(of, static_cast<const void*>(nullptr), forward.y.data(), with_bias);
    forward.check();

    using backward_gemm =
        gemm<fusion::LinCombDeEltActDePerRowBias<row_major, epilogue::backward<Op>::template functor,
                                                 storage, float, storage, float, void>,
             row_major, void, storage, ping_pong>;
    const std::vector<float> dy = of.result(1, {});
    const device_array<float> dy_on_device(dy);
    const device_array<storage> dx(std::vector<storage>(of.size(), storage(7.0f))),
        wanted_dx(std::vector<storage>(of.size(), storage(7.0f)));
    const device_array<float> sums(std::vector<float>(static_cast<std::size_t>(p.m)));
    backward_elementwise(op, forward.shape, dy_on_device.data(), forward.wanted_y.data(), nullptr,
                         wanted_dx.data());
    typename backward_gemm::epilogue::FusionCallbacks::Arguments with_y;
    with_y.aux_ptr = forward.wanted_y.data();
    with_y.dAux = stride_of_d<row_major>(p);
    with_y.dbias_ptr = sums.data();
    set_activation(with_y, op);
    run<backward_gemm>(of, static_cast<const void*>(nullptr), dx.data(), with_y);
    CHECK(differences(dx.host(), wanted_dx.host()) == 0);
    if (p.batches > 1) continue;
    // The sums of D's rows.
    const std::vector<storage> rounded = wanted_dx.host();
    const std::vector<float> got = sums.host();
    const double ulp =
        std::pow(2.0, -storage_traits<storage>::format::mantissa_bits) + (p.m + p.n) * 0x1p-24;
    for (int i = 0; i < p.m; ++i) {
      double want = 0, bound = 0;
      for (int j = 0; j < p.n; ++j) {
        const double e = static_cast<double>(
            static_cast<float>(rounded[static_cast<std::size_t>(i) * leading<row_major>(p) + j]));
        want += e;
        bound += std::fabs(e);
      }
      CHECK(std::fabs(static_cast<double>(got[i]) - want) <= ulp * bound + 1e-6);
    }
  }
}
template <class Storage>
void check_stock_of() {
  check_stock(inverted<gelu, Storage, mantissa_bit>{});
  if constexpr (is_bfloat16<Storage>) {
    check_stock(packed_op<gelu, Storage, mantissa_bit>{});
    check_stock(inverted<swish, Storage, mantissa_bit>(swish{1.75f}));
  }
}
TEST_CASE(INVACT_TEST_STORAGE_NAME
          ": stock operations with the functors write and read what the elementwise kernels do") {
  check_stock_of<storage>();
}
#endif
