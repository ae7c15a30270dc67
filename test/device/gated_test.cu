// The device-wide kernels of gated units against the op's scalar calls on the same device: every byte of every tensor,
// mask and guard, over layouts, sizes, alignments, strides, groups and element types.
#include "device_support.cuh"
#include "host/gated_support.hpp"

// One translation unit a storage type, in a namespace of its own: nvcc mistakes Catch2's template tests in an unnamed
// one.
#define INVACT_TEST_NAMES(s) gated_##s
#define INVACT_TEST_NAME(s) INVACT_TEST_NAMES(s)
namespace INVACT_TEST_NAME(INVACT_TEST_STORAGE) {

using namespace device_test;
using invact::bfloat16;
using invact::binary16;
using invact::bitmask;
using invact::mantissa_bit;
using invact::silu;

using storage = INVACT_TEST_STORAGE;
#define INVACT_TEST_TEXTS(s) " (gated, " #s ")"
#define INVACT_TEST_TEXT(s) INVACT_TEST_TEXTS(s)
#define OF_UNIT INVACT_TEST_TEXT(INVACT_TEST_STORAGE)
// compute-sanitizer is slow: it runs the units that differ in their accesses.
#if INVACT_TEST_SANITIZE
#define SANITIZE "[sanitize]"
#else
#define SANITIZE ""
#endif
using recompute = invact::gated_recompute<silu, storage>;
#define PACKINGS (invact::swiglu<storage, bitmask>), (invact::swiglu<storage, mantissa_bit>)

template <class Op>
__global__ void scalar_units(const Op op, int64 n, const unit_in<typename Op::storage_type>* in,
                             unit_out<typename Op::storage_type>* out) {
  const int64 i = blockIdx.x * int64{blockDim.x} + threadIdx.x;
  if (i < n) out[i] = scalar_unit(op, in[i]);
}

struct on_gpu {
  template <class T>
  using buffer = on_device<T>;
  template <class Op>
  static auto scalar(const Op& op, const std::vector<unit_in<typename Op::storage_type>>& in) {
    using out = unit_out<typename Op::storage_type>;
    plain_copy<unit_in<typename Op::storage_type>> units(in);
    return computed<out>(in.size(), [&](unsigned blocks, out* to) {
      scalar_units<Op><<<blocks, 256>>>(op, static_cast<int64>(in.size()), units.data(), to);
    });
  }
#define INVACT_TEST_CALL(name)                             \
  template <class... Arguments>                            \
  static cudaError_t name(const Arguments&... arguments) { \
    return invact::device::name(arguments...);             \
  }
  INVACT_TEST_CALL(forward_gated)
  INVACT_TEST_CALL(forward_interleaved)
  INVACT_TEST_CALL(backward_gated)
  INVACT_TEST_CALL(backward_interleaved)
#undef INVACT_TEST_CALL
  template <class Call>
  static void rows(const gated_problem& p, const gated_shape& shape, const Call& call) {
    if (p.counts.empty()) return succeed(call(shape));
    plain_copy<invact::int32> counts(p.counts);
    succeed(call(invact::device::ragged_gated_shape{shape, p.groups, counts.data()}));
  }
  static void done(cudaError_t status) { succeed(status); }
};

template <class Op, class Types, bool Interleaved>
gated_data<Op, Types, Interleaved> data_of(const gated_problem& p, unsigned seed, const Op& op = {}) {
  return {p, seed, [](const Op& of, const auto& in) { return on_gpu::scalar(of, in); }, op};
}
template <class Op, class Types, bool Interleaved>
void check(const gated_problem& p, unsigned seed, const Op& op = {}) {
  auto d = data_of<Op, Types, Interleaved>(p, seed, op);
  check_calls<on_gpu>(d);
}

// Around every fragment, warp, block and tile boundary.
const int64 sizes[] = {0,   1,    7,    8,    9,    15,   16,   17,   255,  256,
                       257, 1023, 1024, 1025, 2047, 2048, 2049, 4097, 8193, 40009};

TEMPLATE_TEST_CASE("a run of gated units is the scalar op's" OF_UNIT, SANITIZE, PACKINGS, recompute) {
  unsigned seed = 1;
  for (const int64 n : sizes) {
    for (const int shift : {0, 1, 4, 8})
      check<TestType, own_types<TestType>, false>(gated_problem::run(n, shift), ++seed);
  }
  for (int only = 0; only < 7; ++only) {
    check<TestType, own_types<TestType>, false>(gated_problem::run(4097, 1, only), ++seed);
  }
}

TEMPLATE_TEST_CASE("a long run of gated units is the scalar op's" OF_UNIT, "", PACKINGS, recompute) {
  std::mt19937 random(17);
  check<TestType, own_types<TestType>, false>(gated_problem::run(3000007), random());
  for (int i = 0; i < 20; ++i) {
    const int64 n = 1 + static_cast<int64>(random() % 70000);
    check<TestType, own_types<TestType>, false>(gated_problem::run(n, static_cast<int>(random() % 16)),
                                                random());
  }
}

const gated_problem matrices[] = {
    {1, 1, 1},
    {1, 1, 4097},
    {1, 3, 7, 2, 8},
    {1, 5, 8},
    {1, 2, 9, 1, 16},
    {1, 130, 64, 8, 8},
    {1, 130, 65, 3, 8, 1},
    {1, 67, 300},
    {1, 70, 768, 0, 8},
    {1, 5, 2056, 8},
    {1, 3, 17000, 8, 8},
    {1, 4200, 3, 1, 8},
    // Fragments that are aligned and not whole, alone in a warp and not; more rows
    // than 65535 blocks have.
    {1, 37, 61, 8, 8, 0, {}, -1, 8},
    {1, 9, 2045, 8, 0, 0, {}, -1, 8},
    {1, 140003, 5, 1, 8}};

const gated_problem ragged_problems[] = {{4, 33, 40, 0, 0, 0, {0, 33, 5, 17}},
                                         {3, 16, 13, 3, 8, 1, {-2, 99, 7}},
                                         {1, 9, 2056, 8, 0, 0, {4}},
                                         {3, 700, 136, 8, 8, 0, {700, 0, 65}}};

template <class Op, class Types, bool Interleaved>
void check_matrices(unsigned seed, const Op& op = {}) {
  for (const gated_problem& p : matrices) check<Op, Types, Interleaved>(p, ++seed, op);
  for (const gated_problem& p : ragged_problems) check<Op, Types, Interleaved>(p, ++seed, op);
  for (int only = 0; only < 7; ++only) {
    check<Op, Types, Interleaved>({1, 20, 64, 8, 8, 1, {}, only}, ++seed, op);
    check<Op, Types, Interleaved>({1, 20, 64, 0, 0, 1, {}, only}, ++seed, op);
  }
}

TEMPLATE_TEST_CASE(
    "rows of gated units are the scalar op's, and only those that are there are touched" OF_UNIT, SANITIZE,
    PACKINGS, recompute) {
  check_matrices<TestType, own_types<TestType>, false>(100);
}

TEMPLATE_TEST_CASE("rows of interleaved units are the scalar op's of the u that is kept" OF_UNIT, SANITIZE,
                   PACKINGS, recompute) {
  check_matrices<TestType, own_types<TestType>, true>(200);
}

TEMPLATE_TEST_CASE("gated units may be of more groups than a grid is deep" OF_UNIT, "", PACKINGS) {
  const gated_problem many{70000, 2, 8, 0, 0, 0, std::vector<int>(70000, 1)};
  check<TestType, own_types<TestType>, false>(many, 301);
  check<TestType, own_types<TestType>, true>(many, 302);
}

TEMPLATE_TEST_CASE("of gated units an output may overwrite any input that is as large" OF_UNIT, SANITIZE,
                   PACKINGS, recompute) {
  for (gated_problem p :
       {gated_problem::run(9001), gated_problem{1, 37, 130, 0, 8}, gated_problem{1, 37, 136, 8},
        gated_problem{1, 9, 13}, gated_problem{2, 40, 24, 8, 0, 0, {17, 40}}}) {
    p.one_ld = true;
    auto d = data_of<TestType, own_types<TestType>, false>(p, 401);
    check_in_place<on_gpu>(d);
  }
}

TEST_CASE("gradients of interleaved units may overwrite the pairs" OF_UNIT, SANITIZE) {
  for (gated_problem p :
       {gated_problem{1, 1, 9001}, gated_problem{1, 37, 130, 3}, gated_problem{1, 37, 136, 8}}) {
    p.one_ld = true;
    auto d = data_of<recompute, own_types<recompute>, true>(p, 402);
    check_pairs_in_place<on_gpu>(d);
  }
}

TEMPLATE_TEST_CASE("gates and ups in one matrix become h and ups, and their gradients" OF_UNIT, SANITIZE,
                   PACKINGS) {
  for (gated_problem p :
       {gated_problem{1, 9, 13, 13}, gated_problem{1, 21, 64, 64, 8}, gated_problem{1, 300, 136, 144},
        gated_problem{1, 3, 100, 107, 0, 1}, gated_problem{3, 20, 40, 40, 0, 0, {20, 0, 3}}}) {
    p.one_ld = true;
    auto d = data_of<TestType, own_types<TestType>, false>(p, 501);
    check_joined<on_gpu>(d);
  }
}

// All tensors of a type, and each of its own; float's fragments of four share mask bytes, whatever the op's storage.
TEST_CASE("gated units take and give tensors of any storage type" OF_UNIT, SANITIZE) {
  using act = invact::swiglu<storage, bitmask>;
  for (const gated_problem& p :
       {gated_problem::run(9), gated_problem::run(4097), gated_problem::run(20000, 3),
        gated_problem{1, 33, 76, 4, 8}, gated_problem{1, 33, 77, 2, 8}}) {
    check<act, gated_types<float, float, float, float>, false>(p, 601);
  }
  for (const gated_problem& p :
       {gated_problem{1, 1, 20000}, gated_problem{1, 33, 76, 4, 8}, gated_problem{1, 33, 77, 2, 8}}) {
    check<act, gated_types<float, storage, bfloat16, float>, true>(p, 602);
    check<recompute, gated_types<storage, float, bfloat16, storage, float>, false>(p, 603);
  }
}

#if INVACT_FULL_MATRIX
TEST_CASE("gated units take and give bfloat16 and half in one call" OF_UNIT) {
  using act = invact::swiglu<storage, mantissa_bit>;
  for (const gated_problem& p :
       {gated_problem{1, 1, 20000}, gated_problem{1, 33, 80, 8}, gated_problem{1, 33, 77, 2}}) {
    check<act, gated_types<binary16, bfloat16, bfloat16, binary16, bfloat16>, false>(p, 604);
    check<act, gated_types<bfloat16, binary16, binary16, bfloat16>, true>(p, 605);
    // The forward alone of an op that keeps what is stored.
    check<recompute,
          gated_types<std::conditional_t<std::is_same_v<storage, float>, bfloat16, float>, binary16, float,
                      float>,
          false>(p, 606);
  }
}

TEST_CASE("gated units have the parameters of their op, with one piece or more" OF_UNIT) {
  using clamped = invact::clamped_swiglu<storage>;
  const clamped op(invact::clamped_swish{1.25f, 3.0f}, invact::clamped_up{2.0f, 0.5f});
  check_matrices<clamped, own_types<clamped>, false>(701, op);
  check_matrices<clamped, own_types<clamped>, true>(702, op);
  using straight = invact::reglu<storage>;
  check_matrices<straight, own_types<straight>, false>(703);
  check_matrices<straight, own_types<straight>, true>(704);
}

TEMPLATE_TEST_CASE("any op runs over gated units, with two, three, seven and eight mask bits" OF_UNIT,
                   SANITIZE, (plain_gated_op<storage, 2>), (plain_gated_op<storage, 3>),
                   (plain_gated_op<storage, 7>), (plain_gated_op<storage, 8>),
                   plain_recompute_op<storage>) {
  unsigned seed = 800;
  for (const int64 n : sizes) check<TestType, own_types<TestType>, false>(gated_problem::run(n), ++seed);
  check_matrices<TestType, own_types<TestType>, false>(830);
  check_matrices<TestType, own_types<TestType>, true>(860);
}
#else
TEST_CASE("any op runs over gated units, with three mask bits" OF_UNIT) {
  using plain = plain_gated_op<storage, 3>;
  check_matrices<plain, own_types<plain>, false>(830);
}
#endif

// One forward and one backward in a graph, which is replayed with other inputs at the same addresses.
template <class Op, bool Interleaved>
void check_graph() {
  const gated_problem p{1, 300, 136, 8, 8};
  using data = gated_data<Op, own_types<Op>, Interleaved>;
  data d = data_of<Op, own_types<Op>, Interleaved>(p, 901),
       other = data_of<Op, own_types<Op>, Interleaved>(p, 902);
  on_device g(d.g), u(Interleaved ? unwritten(d.u) : d.u), h(unwritten(d.h)), dh(d.dh), dg(unwritten(d.dg)),
      du(unwritten(d.du));
  on_device mask(unwritten(d.mask));
  cudaStream_t stream;
  succeed(cudaStreamCreate(&stream));
  succeed(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  const cudaError_t forward = call_forward_gated<on_gpu, Interleaved>(
      Op{}, d.forward_shape(), g.data(), u.data(), h.data(), mask.data(), stream);
  const cudaError_t backward = call_backward_gated<on_gpu, Interleaved>(
      Op{}, d.backward_shape(true), dh.data(), Op::recomputes ? g.data() : h.data(), u.data(), mask.data(),
      dg.data(), du.data(), h.data(), stream);
  cudaGraph_t graph;
  succeed(cudaStreamEndCapture(stream, &graph));
  succeed(forward);
  succeed(backward);
  cudaGraphExec_t executable;
  succeed(cudaGraphInstantiate(&executable, graph, 0));
  for (data* now : {&d, &other, &d}) {
    const auto put = [](auto& to, auto& from) {
      const std::size_t bytes = from.bytes().size() - from.first_byte();
      succeed(
          cudaMemcpy(to.data(), from.bytes().data() + from.first_byte(), bytes, cudaMemcpyHostToDevice));
    };
    put(g, now->g);
    if (!Interleaved) put(u, now->u);
    put(dh, now->dh);
    succeed(cudaGraphLaunch(executable, stream));
    succeed(cudaStreamSynchronize(stream));
    check_holds("h", h, now->h);
    check_holds("u", u, now->u);
    check_holds("mask", mask, now->mask);
    check_holds("dg", dg, now->dg);
    check_holds("du", du, now->du);
  }
  succeed(cudaGraphExecDestroy(executable));
  succeed(cudaGraphDestroy(graph));
  succeed(cudaStreamDestroy(stream));
}

TEMPLATE_TEST_CASE("a captured graph computes what the gated calls compute, at each replay" OF_UNIT, "",
                   PACKINGS, recompute) {
  check_graph<TestType, false>();
  check_graph<TestType, true>();
}

}  // namespace
