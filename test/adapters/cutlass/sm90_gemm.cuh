// What the tests of SM90 epilogues share: schedules, a GEMM of factors whose sums are exact, and a run of it.
// INVACT_TEST_STORAGE is the type of what the epilogue keeps.
#pragma once

#include <cutlass/epilogue/collective/collective_builder.hpp>
#include <cutlass/gemm/collective/collective_builder.hpp>
#include <cutlass/gemm/device/gemm_universal_adapter.h>
#include <cutlass/gemm/kernel/gemm_universal.hpp>

#include <invact/invact.hpp>

#include <vector>

#include "support/catch.hpp"
#include "support/device_array.cuh"

// One test program has several types.
#define INVACT_TEST_STRING_(text) #text
#define INVACT_TEST_STRING(text) INVACT_TEST_STRING_(text)
#define INVACT_TEST_STORAGE_NAME INVACT_TEST_STRING(INVACT_TEST_STORAGE)

namespace {

using namespace invact;
namespace fusion = cutlass::epilogue::fusion;
using cute::_0;
using cute::_1;
using storage = INVACT_TEST_STORAGE;
constexpr bool is_float8 = sizeof(storage) == 1;
// Of A and B, which hold small integers.
using factor = std::conditional_t<is_float8, storage, cutlass::half_t>;
template <class T>
constexpr int alignment = 128 / cutlass::sizeof_bits<T>::value;
using row_major = cutlass::layout::RowMajor;
using column_major = cutlass::layout::ColumnMajor;
[[maybe_unused]] constexpr auto nearest = cutlass::FloatRoundStyle::round_to_nearest;

[[maybe_unused]] void succeed(cudaError_t status) {
  INFO(cudaGetErrorString(status));
  REQUIRE(status == cudaSuccess);
}
[[maybe_unused]] void succeed(cutlass::Status status) {
  INFO(cutlass::cutlassGetStatusString(status));
  REQUIRE(status == cutlass::Status::kSuccess);
}

struct ping_pong {
  using tile = cute::Shape<cute::_128, cute::_128, cute::_64>;
  using cluster = cute::Shape<_1, _1, _1>;
  using epilogue_tile = cutlass::epilogue::collective::EpilogueTileAuto;
  using mainloop = cutlass::gemm::KernelTmaWarpSpecializedPingpong;
  using epilogue = cutlass::epilogue::TmaWarpSpecialized;
  using scheduler = void;
};
// Tiles in clusters, and split along K.
struct cooperative {
  using tile = cute::Shape<cute::_128, cute::_256, cute::_64>;
  using cluster = cute::Shape<cute::_2, _1, _1>;
  using epilogue_tile = cutlass::epilogue::collective::EpilogueTileAuto;
  using mainloop = cutlass::gemm::KernelTmaWarpSpecializedCooperative;
  using epilogue = cutlass::epilogue::TmaWarpSpecializedCooperative;
  using scheduler = cutlass::gemm::StreamKScheduler;
};

// D = epilogue(A * B^T): A is M x K and B is N x K, both row-major. C and D may be void.
template <class Fusion, class LayoutD, class ElementC, class ElementD, class Schedule>
struct gemm {
  using cluster = typename Schedule::cluster;
  [[maybe_unused]] static constexpr bool splits_k =
      std::is_same<typename Schedule::scheduler, cutlass::gemm::StreamKScheduler>::value;
  static constexpr int alignment_d =
      alignment<std::conditional_t<std::is_void<ElementD>::value, storage, ElementD>>;
  static constexpr int alignment_c = std::is_void<ElementC>::value ? alignment_d : alignment<storage>;
  using epilogue = typename cutlass::epilogue::collective::CollectiveBuilder<
      cutlass::arch::Sm90, cutlass::arch::OpClassTensorOp, typename Schedule::tile, cluster,
      typename Schedule::epilogue_tile, float, float, ElementC, LayoutD, alignment_c, ElementD, LayoutD,
      alignment_d, typename Schedule::epilogue, Fusion>::CollectiveOp;
  using mainloop = typename cutlass::gemm::collective::CollectiveBuilder<
      cutlass::arch::Sm90, cutlass::arch::OpClassTensorOp, factor, row_major, alignment<factor>, factor,
      column_major, alignment<factor>, float, typename Schedule::tile, cluster,
      cutlass::gemm::collective::StageCountAutoCarveout<static_cast<int>(
          sizeof(typename epilogue::SharedStorage))>,
      typename Schedule::mainloop>::CollectiveOp;
  using kernel = cutlass::gemm::kernel::GemmUniversal<cute::Shape<int, int, int, int>, mainloop, epilogue,
                                                      typename Schedule::scheduler>;
  using device = cutlass::gemm::device::GemmUniversalAdapter<kernel>;
};

struct problem {
  int m, n, k, batches;
};

[[maybe_unused]] std::vector<factor> small_integers(int64 count, int modulus) {
  std::vector<factor> v(static_cast<std::size_t>(count));
  unsigned state = 1;
  for (factor& e : v) {
    state = state * 1664525u + 1013904223u;
    e = factor(static_cast<float>(static_cast<int>((state >> 16) % modulus) - modulus / 2));
  }
  return v;
}

// a and b are the factors of all batches, one behind the other.
template <class Gemm>
void run_gemm(const problem& p, const std::vector<factor>& a_on_host, const std::vector<factor>& b_on_host,
              const typename Gemm::epilogue::Arguments& to) {
  const device_array<factor> a(a_on_host), b(b_on_host);
  typename Gemm::device::Arguments arguments{
      cutlass::gemm::GemmUniversalMode::kGemm,
      {p.m, p.n, p.k, p.batches},
      {a.data(), {int64{p.k}, _1{}, int64{p.m} * p.k}, b.data(), {int64{p.k}, _1{}, int64{p.n} * p.k}},
      to};
  if constexpr (Gemm::splits_k) {
    using mode = std::decay_t<decltype(arguments.scheduler.decomposition_mode)>;
    arguments.scheduler.decomposition_mode = mode::StreamK;
  }
  typename Gemm::device device;
  succeed(Gemm::device::can_implement(arguments));
  const device_array<uint8> workspace(std::vector<uint8>(Gemm::device::get_workspace_size(arguments)));
  succeed(device.initialize(arguments, workspace.data()));
  succeed(device.run());
  succeed(cudaDeviceSynchronize());
}

}  // namespace
