// CUTLASS's kernels for compute capability 9.0 as contestants: a GEMM with an operation's fusion as its epilogue.
#pragma once

#include "contestant.hpp"

#include <cuda_bf16.h>

#include <cutlass/cutlass.h>

#include <cutlass/epilogue/collective/collective_builder.hpp>
#include <cutlass/gemm/collective/collective_builder.hpp>
#include <cutlass/gemm/device/gemm_universal_adapter.h>
#include <cutlass/gemm/kernel/gemm_universal.hpp>

#include <stdexcept>
#include <type_traits>

namespace bench {

using bf16 = cutlass::bfloat16_t;
using row_major = cutlass::layout::RowMajor;
using stride = cutlass::gemm::TagToStrideC_t<row_major>;

inline bf16* of(__nv_bfloat16* p) { return reinterpret_cast<bf16*>(p); }
inline const bf16* of(const __nv_bfloat16* p) { return reinterpret_cast<const bf16*>(p); }
inline stride rows_of(std::int64_t elements) { return {elements, cute::_1{}, 0}; }

inline std::string shape(int m, int n) { return std::to_string(m) + "x" + std::to_string(n); }
inline std::string epilogue_tile_name(cutlass::epilogue::collective::EpilogueTileAuto) { return ""; }
template <class Tile>
std::string epilogue_tile_name(Tile) {
  return ", epilogue " + shape(cute::size<0>(Tile{}), cute::size<1>(Tile{}));
}

// EpilogueTile: what the epilogue works on at a time; auto is 64 x 32, or 128 x 32 where two warp groups share a tile.
template <class Tile, class Cluster, bool Cooperative,
          class EpilogueTile = cutlass::epilogue::collective::EpilogueTileAuto>
struct schedule {
  using tile = Tile;
  using cluster = Cluster;
  using epilogue_tile = EpilogueTile;
  using mainloop = std::conditional_t<Cooperative, cutlass::gemm::KernelTmaWarpSpecializedCooperative,
                                      cutlass::gemm::KernelTmaWarpSpecializedPingpong>;
  using epilogue = std::conditional_t<Cooperative, cutlass::epilogue::TmaWarpSpecializedCooperative,
                                      cutlass::epilogue::TmaWarpSpecialized>;
  static std::string name() {
    return shape(cute::size<0>(Tile{}), cute::size<1>(Tile{})) +
           (Cooperative ? " cooperative, " : " ping-pong, ") + "cluster " +
           shape(cute::size<0>(Cluster{}), cute::size<1>(Cluster{})) + epilogue_tile_name(EpilogueTile{});
  }
};

// An Operation over Tensors has
//   columns_per_n       the GEMM's columns for each of the problem's N, as an integral_constant
//   source, destination the types of C and D; void: none
//   fusion_of<Schedule> the epilogue's fusion
//   c, c_stride         where C is, and its stride
//   set                 the fusion's arguments
template <class Tensors, class Operation, class Schedule>
class cutlass_contestant final : public contestant<Tensors> {
  using source = typename Operation::source;
  using destination = typename Operation::destination;
  using epilogue = typename cutlass::epilogue::collective::CollectiveBuilder<
      cutlass::arch::Sm90, cutlass::arch::OpClassTensorOp, typename Schedule::tile,
      typename Schedule::cluster, typename Schedule::epilogue_tile, float, float, source, row_major, 8,
      destination, row_major, 8, typename Schedule::epilogue,
      typename Operation::template fusion_of<Schedule>>::CollectiveOp;
  using mainloop = typename cutlass::gemm::collective::CollectiveBuilder<
      cutlass::arch::Sm90, cutlass::arch::OpClassTensorOp, bf16, row_major, 8, bf16,
      cutlass::layout::ColumnMajor, 8, float, typename Schedule::tile, typename Schedule::cluster,
      cutlass::gemm::collective::StageCountAutoCarveout<static_cast<int>(
          sizeof(typename epilogue::SharedStorage))>,
      typename Schedule::mainloop>::CollectiveOp;
  using device = cutlass::gemm::device::GemmUniversalAdapter<
      cutlass::gemm::kernel::GemmUniversal<cute::Shape<int, int, int, int>, mainloop, epilogue>>;

 public:
  // Rasters along either dimension, with and without swizzled tiles.
  int settings() const override { return 4; }
  std::string name(int setting) const override {
    return Schedule::name() + (setting % 2 == 0 ? ", raster M" : ", raster N") +
           (setting / 2 == 0 ? "" : ", swizzle 8");
  }

  std::string prepare(const gemm_problem& p, const Tensors& t, int setting) override {
    const int columns = Operation::columns_per_n::value * p.n;
    typename device::Arguments arguments{
        cutlass::gemm::GemmUniversalMode::kGemm,
        {p.m, columns, p.k, 1},
        {of(t.a), rows_of(p.k), of(t.b), rows_of(p.k)},
        {{}, nullptr, Operation::c_stride(p, t), nullptr, rows_of(columns)}};
    if constexpr (!std::is_void<source>::value) arguments.epilogue.ptr_C = Operation::c(t);
    if constexpr (!std::is_void<destination>::value) arguments.epilogue.ptr_D = of(t.d);
    Operation::set(arguments.epilogue.thread, p, t);
    using options = typename std::decay_t<decltype(arguments.scheduler.raster_order)>;
    arguments.scheduler.raster_order = setting % 2 == 0 ? options::AlongM : options::AlongN;
    arguments.scheduler.max_swizzle_size = setting / 2 == 0 ? 1 : 8;
    if (device::get_workspace_size(arguments) > t.workspace_bytes) return "workspace";
    for (const cutlass::Status status :
         {device::can_implement(arguments), device_.initialize(arguments, t.workspace)})
      if (status != cutlass::Status::kSuccess) return cutlass::cutlassGetStatusString(status);
    return "";
  }
  void run(cudaStream_t stream) override {
    const cutlass::Status status = device_.run(stream);
    if (status != cutlass::Status::kSuccess)
      throw std::runtime_error(cutlass::cutlassGetStatusString(status));
  }

 private:
  device device_;
};

template <class Operation, class Tile, class Cluster, bool Cooperative,
          class EpilogueTile = cutlass::epilogue::collective::EpilogueTileAuto, class Tensors>
void add(contestants<Tensors>& all) {
  all.emplace_back(
      new cutlass_contestant<Tensors, Operation, schedule<Tile, Cluster, Cooperative, EpilogueTile>>);
}

}  // namespace bench
