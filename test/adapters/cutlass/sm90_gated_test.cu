// Gated units in the epilogues of SM90 GEMMs, against a kernel that calls the op's scalar functions: h, u, mask, dg
// and du, bit for bit. All sums of the GEMMs are exact: small integers, scaled by powers of two.
//
// INVACT_TEST_STORAGE is h's type; INVACT_TEST_PART one of
//   0  bitmask, ping-pong, dg and du with columns in turn    1  mantissa bit, cooperative and stream-K, dg and du apart
//   2  the packed evaluator, a large epilogue tile    3  parameters    4  what can_implement() refuses
#include <cutlass/cutlass.h>

#include <invact/adapters/cutlass/sm90_gated.hpp>

#include <cstring>
#include <vector>

#include "adapters/cutlass/sm90_gemm.cuh"

namespace {

using traits = storage_traits<storage>;
using stride = cutlass::gemm::TagToStrideC_t<row_major>;

// Several steps of the nodes in one visit.
struct large_epilogue : ping_pong {
  using epilogue_tile = cute::Shape<cute::_64, cute::_64>;
};

#if INVACT_TEST_PART < 4
// x = acc / 16 + bias
template <class Op, class Schedule>
using forward_gemm =
    gemm<fusion::Sm90EVT<
             epilogue::sm90_gated_forward<Op, stride>,
             fusion::Sm90EVT<fusion::Sm90Compute<cutlass::homogeneous_multiply_add, float, float, nearest>,
                             fusion::Sm90ScalarBroadcast<float>, fusion::Sm90AccFetch,
                             fusion::Sm90RowBroadcast<0, typename Schedule::tile, storage, float,
                                                      cute::Stride<_0, _1, int64_t>>>>,
         row_major, void, void, Schedule>;

// As many stages as the collective has, which takes a void D for the node's ElementAux.
template <class Schedule>
struct u_of {
  using epilogue =
      cutlass::epilogue::collective::detail::EpilogueDescriptor<typename Schedule::tile,
                                                                typename Schedule::epilogue_tile, storage,
                                                                storage, typename Schedule::epilogue>;
  using aux = cutlass::epilogue::collective::detail::AuxLoadDescriptor<epilogue, row_major, storage>;
  using load = fusion::Sm90AuxLoad<aux::Stages, typename epilogue::EpilogueTile, storage, stride,
                                   typename aux::SmemLayoutAtom, typename aux::CopyOpS2R>;
};
// dh = acc
template <class Op, class Layout, class Schedule>
using backward_gemm =
    gemm<fusion::Sm90EVT<epilogue::sm90_gated_backward<Op, stride, Layout>, fusion::Sm90AccFetch,
                         fusion::Sm90SrcFetch<storage>, typename u_of<Schedule>::load>,
         row_major, storage, void, Schedule>;

// The factors, and alpha * acc + bias[column], columns beside each other without gaps.
struct product {
  product(int m_, int n_, int k_, int batches_)
      : m(m_),
        n(n_),
        k(k_),
        batches(batches_),
        a(small_integers(int64{m} * k * batches, 7)),
        b(small_integers(int64{n} * k * batches, 5)) {}

  std::vector<float> result(float alpha, const std::vector<storage>& bias) const {
    std::vector<float> x;
    for (int l = 0; l < batches; ++l) {
      for (int i = 0; i < m; ++i) {
        for (int j = 0; j < n; ++j) {
          float sum = 0;
          for (int e = 0; e < k; ++e)
            sum += static_cast<float>(a[(static_cast<std::size_t>(l) * m + i) * k + e]) *
                   static_cast<float>(b[(static_cast<std::size_t>(l) * n + j) * k + e]);
          x.push_back(alpha * sum + (bias.empty() ? 0.0f : static_cast<float>(bias[j])));
        }
      }
    }
    return x;
  }

  int m, n, k, batches;
  std::vector<factor> a, b;
};

template <class Gemm, class Fusion>
void run(const product& p, const storage* c, const stride& stride_c, const Fusion& fusion_arguments) {
  typename Gemm::epilogue::Arguments to{{}, c, stride_c, nullptr, {}};
  to.thread = fusion_arguments;
  run_gemm<Gemm>({p.m, p.n, p.k, p.batches}, p.a, p.b, to);
}

// Element by element, as the op says it: what one thread of a plain kernel computes.
template <class Op>
__global__ void forward_kernel(Op op, int64 n, const float* gu, storage* h, storage* u, uint8* piece) {
  const int64 i = int64{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= n) return;
  u[i] = traits::round(gu[2 * i + 1]);
  const auto kept = op.forward(gu[2 * i], traits::load(u[i]));
  h[i] = kept.h;
  piece[i] = static_cast<uint8>(kept.piece);
}
template <class Op>
__global__ void backward_kernel(Op op, int64 n, const float* dh, const storage* h, const storage* u,
                                const uint8* piece, storage* dg, storage* du) {
  const int64 i = int64{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= n) return;
  const auto d = op.backward(dh[i], h[i], traits::load(u[i]), piece[i]);
  dg[i] = traits::round(d.dg);
  du[i] = traits::round(d.du);
}

template <class T>
int differences(const std::vector<T>& a, const std::vector<T>& b) {
  REQUIRE(a.size() == b.size());
  int count = 0;
  for (std::size_t i = 0; i < a.size(); ++i) count += std::memcmp(&a[i], &b[i], sizeof(T)) != 0;
  return count;
}

// Whole tiles and parts of them, one and two batches, K short enough for exact sums.
const std::vector<problem> problems = {{128, 128, 64, 1}, {256, 256, 128, 1}, {264, 104, 64, 1},
                                       {72, 72, 32, 2},   {200, 328, 64, 1},  {8, 8, 64, 1}};

// Where elements of a problem are: rows of one tensor with others between them, and poison elsewhere.
struct placed {
  placed(const problem& p_, int per_unit, int gap_)
      : p(p_), columns(p_.n * per_unit), ld(columns + gap_), batch(int64{ld} * p_.m + 16) {}
  std::vector<storage> poisoned() const {
    return std::vector<storage>(static_cast<std::size_t>(batch) * p.batches, storage(7.0f));
  }
  std::size_t at(int64 row, int column) const {
    return static_cast<std::size_t>(row / p.m * batch + row % p.m * ld + column);
  }
  // Every element (row, unit) of v to column first + step * unit.
  void put(std::vector<storage>& to, const std::vector<storage>& v, int first, int step = 1) const {
    for (int64 row = 0; row < int64{p.m} * p.batches; ++row)
      for (int unit = 0; unit < p.n; ++unit)
        to[at(row, first + step * unit)] = v[static_cast<std::size_t>(row * p.n + unit)];
  }
  stride strides() const { return {ld, _1{}, batch}; }

  problem p;
  int columns, ld;
  int64 batch;
};

// What the op makes of it, all units without gaps; and the mask, with poison behind its rows.
template <class Op>
struct wanted_forward {
  wanted_forward(const Op& op, const problem& p, const std::vector<float>& gu)
      : units(int64{p.m} * p.n * p.batches),
        h(static_cast<std::size_t>(units)),
        u(static_cast<std::size_t>(units)),
        piece(static_cast<std::size_t>(units)),
        stride_bits((p.n + 127) / 128 * 128 + 128),
        batch_bits(stride_bits * p.m + 128) {
    const device_array<float> x(gu);
    forward_kernel<<<static_cast<unsigned>((units + 255) / 256), 256>>>(op, units, x.data(), h.data(),
                                                                        u.data(), piece.data());
    succeed(cudaDeviceSynchronize());
    const std::vector<uint8> pieces = piece.host();
    mask.assign(static_cast<std::size_t>(batch_bits * p.batches / 8), 0xa5);
    if constexpr (Op::mask_bits == 1) {
      for (int64 i = 0; i < units; ++i) {
        const int64 row = i / p.n, bit = row / p.m * batch_bits + row % p.m * stride_bits + i % p.n;
        uint8& byte = mask[static_cast<std::size_t>(bit / 8)];
        if (bit % 8 == 0) byte = 0;
        byte = static_cast<uint8>(byte | pieces[static_cast<std::size_t>(i)] << (bit % 8));
      }
    }
  }

  int64 units;
  device_array<storage> h, u;
  device_array<uint8> piece;
  int64 stride_bits, batch_bits;
  std::vector<uint8> mask;
};

template <class Op, class Layout, class Schedule>
void check(const Op& op, const problem& p) {
  INFO(p.m << " x " << p.n << " units, K " << p.k << ", " << p.batches);
  std::vector<storage> bias;
  for (int j = 0; j < 2 * p.n; ++j) bias.push_back(storage(static_cast<float>(j % 9 - 4) / 16));
  const device_array<storage> bias_on_device(bias);
  const product gu(p.m, 2 * p.n, p.k, p.batches);
  const wanted_forward<Op> wanted(op, p, gu.result(0.0625f, bias));
  const std::vector<storage> wanted_h = wanted.h.host(), wanted_u = wanted.u.host();

  // [h | u] in one tensor.
  const placed both(p, 2, 24);
  std::vector<storage> wanted_hu = both.poisoned();
  const device_array<storage> hu(wanted_hu);
  both.put(wanted_hu, wanted_h, 0);
  both.put(wanted_hu, wanted_u, p.n);
  const device_array<uint8> mask(std::vector<uint8>(wanted.mask.size(), 0xa5));
  const stride mask_stride{wanted.stride_bits, _1{}, wanted.batch_bits};
  using forward = forward_gemm<Op, Schedule>;
  run<forward>(
      gu, nullptr, {},
      typename forward::epilogue::FusionCallbacks::Arguments{
          {{{0.0625f}}, {}, {bias_on_device.data()}, {}},
          {op, hu.data(), both.strides(), hu.data() + p.n, both.strides(), mask.data(), mask_stride}});
  CHECK(differences(hu.host(), wanted_hu) == 0);
  CHECK(differences(mask.host(), wanted.mask) == 0);
  if constexpr (Op::mask_bits == 1) {
    int negative = 0;
    for (const uint8 piece : wanted.piece.host()) negative += piece;
    CHECK(negative > 0);
  }

  const product dh(p.m, p.n, p.k, p.batches);
  const device_array<float> dh_on_device(dh.result(1, {}));
  const device_array<storage> dg(wanted_h.size()), du(wanted_h.size());
  backward_kernel<<<static_cast<unsigned>((wanted.units + 255) / 256), 256>>>(
      op, wanted.units, dh_on_device.data(), wanted.h.data(), wanted.u.data(), wanted.piece.data(),
      dg.data(), du.data());
  succeed(cudaDeviceSynchronize());
  const device_array<storage> kept(wanted_hu);
  const device_array<uint8> kept_mask(wanted.mask);
  std::vector<storage> wanted_gradients = both.poisoned();
  const device_array<storage> gradients(wanted_gradients);
  using backward = backward_gemm<Op, Layout, Schedule>;
  using arguments = typename backward::epilogue::FusionCallbacks::Arguments;
  const auto to = [&](storage* at) {
    if constexpr (std::is_same<Layout, epilogue::interleaved_columns>::value) {
      return typename Layout::template arguments<storage, stride>{at, both.strides()};
    } else {
      return typename Layout::template arguments<storage, stride>{at, both.strides(), at + p.n,
                                                                  both.strides()};
    }
  };
  const auto run_backward = [&](storage* at) {
    run<backward>(dh, kept.data(), both.strides(),
                  arguments{{},
                            {},
                            {kept.data() + p.n, storage(0.0f), both.strides()},
                            {op, kept_mask.data(), mask_stride, to(at)}});
  };
  run_backward(gradients.data());
  if constexpr (std::is_same<Layout, epilogue::interleaved_columns>::value) {
    both.put(wanted_gradients, dg.host(), 0, 2);
    both.put(wanted_gradients, du.host(), 1, 2);
    CHECK(differences(gradients.host(), wanted_gradients) == 0);
  } else {
    both.put(wanted_gradients, dg.host(), 0);
    both.put(wanted_gradients, du.host(), p.n);
    CHECK(differences(gradients.host(), wanted_gradients) == 0);
    // In place of h and u.
    run_backward(kept.data());
    CHECK(differences(kept.host(), wanted_gradients) == 0);
  }
}

template <class Layout, class Schedule, class Op>
void check_all(const Op& op) {
  for (const problem& p : problems) check<Op, Layout, Schedule>(op, p);
}
#endif

// Templates, so that what a type has not is not looked at.
#if INVACT_TEST_PART == 0
template <class Storage>
void check_part() {
  check_all<epilogue::interleaved_columns, ping_pong>(gated<silu, Storage>{});
}
#elif INVACT_TEST_PART == 1
template <class Storage>
void check_part() {
  check_all<epilogue::separate_tensors, cooperative>(gated<gelu, Storage, mantissa_bit>{});
}
#elif INVACT_TEST_PART == 2
template <class Storage>
void check_part() {
  check_all<epilogue::separate_tensors, large_epilogue>(gated<gelu, Storage, bitmask, fast, packed>{});
}
#elif INVACT_TEST_PART == 3
template <class Storage>
void check_part() {
  check_all<epilogue::interleaved_columns, cooperative>(
      clamped_swiglu<Storage>(clamped_swish{1.5f, 2.0f}, clamped_up{2.0f, 0.5f}));
}
#endif

}  // namespace

#if INVACT_TEST_PART == 0
TEST_CASE(INVACT_TEST_STORAGE_NAME
          ": gated units with a bitmask in the epilogues of ping-pong GEMMs are the op's, and so are "
          "interleaved gradients") {
  check_part<storage>();
}
#elif INVACT_TEST_PART == 1
TEST_CASE(INVACT_TEST_STORAGE_NAME
          ": gated units with the mantissa bit in the epilogues of cooperative GEMMs are the op's, and so "
          "are separate "
          "gradients") {
  check_part<storage>();
}
#elif INVACT_TEST_PART == 2
TEST_CASE(INVACT_TEST_STORAGE_NAME
          ": gated units computed in pairs in the epilogues of GEMMs are the op's, and so are gradients") {
  check_part<storage>();
}
#elif INVACT_TEST_PART == 3
TEST_CASE(INVACT_TEST_STORAGE_NAME
          ": gated units with parameters in the epilogues of GEMMs are the op's, and so are gradients") {
  check_part<storage>();
}
#elif INVACT_TEST_PART == 4
TEST_CASE(INVACT_TEST_STORAGE_NAME
          ": a gated node's misuse is Status::kInvalid, and can_implement() of its adapter says so") {
  using op = clamped_swiglu<storage>;
  using node = epilogue::sm90_gated_forward<op, stride>;
  using device_gemm =
      typename gemm<fusion::Sm90EVT<node, fusion::Sm90AccFetch>, row_major, void, void, ping_pong>::device;
  const device_array<factor> a(std::vector<factor>(128 * 64)), b(std::vector<factor>(256 * 64));
  const device_array<storage> hu(std::vector<storage>(128 * 272));
  const device_array<uint8> mask(std::vector<uint8>(128 * 32 + 16));
  const stride ld{272, _1{}, 0}, bits{128, _1{}, 0};
  const node::Arguments good{op{}, hu.data(), ld, hu.data() + 128, ld, mask.data(), bits};
  const auto status = [&](const node::Arguments& of_node, int n = 256) {
    typename device_gemm::Arguments arguments{
        cutlass::gemm::GemmUniversalMode::kGemm,
        {128, n, 64, 1},
        {a.data(), {int64{64}, _1{}, 0}, b.data(), {int64{64}, _1{}, 0}},
        {{{}, of_node}, nullptr, {}, nullptr, {}}};
    return device_gemm::can_implement(arguments);
  };
  CHECK(status(good) == cutlass::Status::kSuccess);
  const auto refuses = [&](auto change, int n = 256) {
    node::Arguments bad = good;
    change(bad);
    return status(bad, n) == cutlass::Status::kInvalid;
  };
  CHECK(refuses([](auto& it) { it.ptr_h = nullptr; }));
  CHECK(refuses([](auto& it) { it.ptr_u = nullptr; }));
  CHECK(refuses([](auto& it) { it.ptr_mask = nullptr; }));
  CHECK(refuses([](auto& it) { it.ptr_h += 4; }));  // not aligned to 16 bytes
  CHECK(refuses([](auto& it) { it.ptr_u += 4; }));
  CHECK(refuses([](auto& it) { it.ptr_mask += 8; }));
  CHECK(refuses([](auto& it) { cute::get<0>(it.stride_h) = 276; }));  // not a multiple of 8
  CHECK(refuses([](auto& it) { cute::get<0>(it.stride_u) = 120; }));  // shorter than a row
  CHECK(refuses([](auto& it) { cute::get<0>(it.stride_mask) = 136; }));
  CHECK(refuses([](auto& it) { cute::get<0>(it.stride_mask) = 0; }));
  CHECK(refuses([](auto& it) { it.op = op{clamped_swish{}, clamped_up{-1.0f, 1.0f}}; }));
  CHECK(refuses([](auto&) {}, 248));  // 124 units

  // The rules alone.
  using backward = epilogue::sm90_gated_backward<op, stride, epilogue::interleaved_columns>;
  using apart = epilogue::sm90_gated_backward<op, stride, epilogue::separate_tensors>;
  const auto can = [&](int l, const stride& of_mask, const stride& of_gradients) {
    return backward::can_implement(cute::make_shape(64, 128, 64, l),
                                   {op{}, mask.data(), of_mask, {hu.data(), of_gradients}});
  };
  CHECK(can(1, bits, ld));
  CHECK(!can(1, bits, {248, _1{}, 0}));        // rows of 2N elements
  CHECK(!can(2, bits, ld));                    // batches over each other
  CHECK(can(2, bits, {272, _1{}, 272 * 64}));  // one mask for all
  CHECK(!can(2, {128, _1{}, 128}, {272, _1{}, 272 * 64}));
  CHECK(!can(1, {64, _1{}, 0}, ld));
  const auto can_apart = [&](storage* dg, storage* du, int64 row) {
    return apart::can_implement(cute::make_shape(64, 128, 64),
                                {op{}, mask.data(), bits, {dg, {row, _1{}, 0}, du, ld}});
  };
  CHECK(can_apart(hu.data(), hu.data() + 128, 128));
  CHECK(!can_apart(hu.data(), nullptr, 128));
  CHECK(!can_apart(hu.data() + 1, hu.data() + 128, 128));
  CHECK(!can_apart(hu.data(), hu.data() + 128, 120));
  // Without mask bits no mask is looked at.
  using marked = epilogue::sm90_gated_forward<gated<silu, storage, mantissa_bit>, stride>;
  CHECK(marked::can_implement(cute::make_shape(64, 256, 64),
                              {{}, hu.data(), ld, hu.data() + 128, ld, nullptr, {}}));
}
#endif
