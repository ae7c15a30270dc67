// SM80's epilogues, against the elementwise kernels, bit for bit: sums of small integers are exact.
#include <cutlass/cutlass.h>

#include <cutlass/epilogue/thread/linear_combination_generic.h>
#include <cutlass/gemm/device/gemm.h>
#include <cutlass/gemm/device/gemm_universal_adapter.h>
#include <cutlass/gemm/kernel/default_gemm_universal_with_visitor.h>
// Needs the others before it.
#include <cutlass/epilogue/threadblock/fusion/visitors.hpp>

#include <invact/adapters/cutlass/functor.hpp>
#include <invact/adapters/cutlass/linear_combination_backward.hpp>
#include <invact/invact.cuh>

#include <cstring>
#include <vector>

#include "support/catch.hpp"
#include "support/device_array.cuh"

namespace {

using namespace invact;
using bf16 = cutlass::bfloat16_t;
using row_major = cutlass::layout::RowMajor;
using column_major = cutlass::layout::ColumnMajor;

std::vector<bf16> small_integers(int n, unsigned state) {
  std::vector<bf16> v;
  for (int i = 0; i < n; ++i) {
    state = state * 1664525u + 1013904223u;
    v.push_back(bf16(static_cast<float>(static_cast<int>((state >> 16) % 7) - 3)));
  }
  return v;
}

using block_tile = cutlass::gemm::GemmShape<128, 128, 32>;
using warp_tile = cutlass::gemm::GemmShape<64, 64, 32>;
using instruction = cutlass::gemm::GemmShape<16, 8, 16>;

template <class OutputOp>
using gemm = cutlass::gemm::device::Gemm<bf16, row_major, bf16, column_major, bf16, row_major, float,
                                         cutlass::arch::OpClassTensorOp, cutlass::arch::Sm80, block_tile,
                                         warp_tile, instruction, OutputOp,
                                         cutlass::gemm::threadblock::GemmIdentityThreadblockSwizzle<>, 3>;

// Visitor trees: D is what the tree stores.
namespace visitor = cutlass::epilogue::threadblock;
using threads = visitor::OutputTileThreadLayout<block_tile, warp_tile, bf16, 8, 1>;
using matrix_stride = cute::Stride<int64_t, cute::_1, int64_t>;
constexpr auto nearest = cutlass::FloatRoundStyle::round_to_nearest;

template <class Tree>
using visitor_gemm =
    cutlass::gemm::device::GemmUniversalAdapter<typename cutlass::gemm::kernel::DefaultGemmWithVisitor<
        bf16, row_major, cutlass::ComplexTransform::kNone, 8, bf16, column_major,
        cutlass::ComplexTransform::kNone, 8, bf16, row_major, 8, float, float,
        cutlass::arch::OpClassTensorOp, cutlass::arch::Sm80, block_tile, warp_tile, instruction, Tree,
        cutlass::gemm::threadblock::ThreadblockSwizzleStreamK, 3, cutlass::arch::OpMultiplyAdd,
        1>::GemmKernel>;
template <class Result>
using stored_tree =
    visitor::Sm80EVT<visitor::VisitorAuxStore<threads, bf16, nearest, matrix_stride>, Result>;

template <class T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

using op = inverted<gelu, bf16, mantissa_bit>;
constexpr int m = 200, n = 136, k = 64;

// x = a b^T / 16 and dy = a b^T, exactly; and what the elementwise kernels make of them.
struct problem {
  problem()
      : host_a(small_integers(m * k, 1)),
        host_b(small_integers(n * k, 2)),
        sums(product()),
        a(host_a),
        b(host_b),
        y(std::vector<bf16>(sums.size())),
        wanted_y(std::vector<bf16>(sums.size())),
        dx(std::vector<bf16>(sums.size())),
        wanted_dx(std::vector<bf16>(sums.size())) {
    std::vector<float> x(sums);
    for (float& e : x) e *= 0.0625f;
    const device_array<float> on_x(x), on_dy(sums);
    REQUIRE(device::forward(op{}, m * n, on_x.data(), wanted_y.data(), nullptr) == cudaSuccess);
    REQUIRE(device::backward(op{}, m * n, on_dy.data(), wanted_y.data(), wanted_dx.data(), nullptr) ==
            cudaSuccess);
    REQUIRE(cudaDeviceSynchronize() == cudaSuccess);
  }
  std::vector<float> product() const {
    std::vector<float> c(static_cast<std::size_t>(m) * n);
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < n; ++j)
        for (int l = 0; l < k; ++l)
          c[static_cast<std::size_t>(i) * n + j] +=
              static_cast<float>(host_a[i * k + l]) * static_cast<float>(host_b[j * k + l]);
    return c;
  }

  std::vector<bf16> host_a, host_b;
  std::vector<float> sums;
  device_array<bf16> a, b, y, wanted_y, dx, wanted_dx;
};

template <class Gemm, class Callbacks>
void run_visitor(const problem& p, const Callbacks& callbacks) {
  typename Gemm::Arguments arguments(cutlass::gemm::GemmUniversalMode::kGemm, {m, n, k}, 1, callbacks,
                                     p.a.data(), p.b.data(), nullptr, nullptr, m * k, n * k, 0, 0, k, k, 0,
                                     0);
  Gemm gemm;
  REQUIRE(Gemm::can_implement(arguments) == cutlass::Status::kSuccess);
  const device_array<char> workspace(std::vector<char>(Gemm::get_workspace_size(arguments)));
  REQUIRE(gemm.initialize(arguments, workspace.data()) == cutlass::Status::kSuccess);
  REQUIRE(gemm.run() == cutlass::Status::kSuccess);
  REQUIRE(cudaDeviceSynchronize() == cudaSuccess);
}

}  // namespace

TEST_CASE("SM80: LinearCombinationGeneric and its backward write what the elementwise kernels do") {
  const problem p;
  using forward = gemm<cutlass::epilogue::thread::LinearCombinationGeneric<epilogue::forward<op>::functor,
                                                                           bf16, 8, float, float>>;
  forward first;
  typename forward::EpilogueOutputOp::Params sixteenth(0.0625f, 0.0f);
  REQUIRE(
      first({{m, n, k}, {p.a.data(), k}, {p.b.data(), k}, {p.y.data(), n}, {p.y.data(), n}, sixteenth}) ==
      cutlass::Status::kSuccess);
  CHECK(same(p.y.host(), p.wanted_y.host()));

  using backward = gemm<epilogue::linear_combination_backward<op, bf16, 8>>;
  backward second;
  REQUIRE(second({{m, n, k}, {p.a.data(), k}, {p.b.data(), k}, {p.y.data(), n}, {p.dx.data(), n}, {}}) ==
          cutlass::Status::kSuccess);
  CHECK(same(p.dx.host(), p.wanted_dx.host()));
}

TEST_CASE("SM80: a visitor tree with the functors writes what the elementwise kernels do") {
  const problem p;
  const matrix_stride rows{n, cute::_1{}, m * n};
  using sixteenth = visitor::Sm80EVT<visitor::VisitorCompute<cutlass::multiplies, float, float, nearest>,
                                     visitor::VisitorAccFetch, visitor::VisitorScalarBroadcast<float>>;
  using forward = stored_tree<visitor::Sm80EVT<
      visitor::VisitorCompute<epilogue::forward<op>::functor, bf16, float, nearest>, sixteenth>>;
  run_visitor<visitor_gemm<forward>>(
      p, typename forward::Arguments{{{{}, {{0.0625f}}, {}}, {}}, {p.y.data(), rows}});
  CHECK(same(p.y.host(), p.wanted_y.host()));

  using backward = stored_tree<
      visitor::Sm80EVT<visitor::VisitorCompute<epilogue::backward<op>::functor, bf16, float, nearest>,
                       visitor::VisitorAccFetch, visitor::VisitorAuxLoad<threads, bf16, matrix_stride>>>;
  run_visitor<visitor_gemm<backward>>(
      p, typename backward::Arguments{{{}, {p.y.data(), bf16(0.0f), rows}, {}}, {p.dx.data(), rows}});
  CHECK(same(p.dx.host(), p.wanted_dx.host()));
}
