// The kernels of one operation, INVACT_GEMM_OPERATION: a translation unit each, as every kernel takes half a minute.
#include "gemm.hpp"

#include <cutlass/cutlass.h>

#include <cutlass/epilogue/collective/collective_builder.hpp>
#include <cutlass/epilogue/thread/activation.h>
#include <cutlass/gemm/collective/collective_builder.hpp>
#include <cutlass/gemm/device/gemm_universal_adapter.h>
#include <cutlass/gemm/kernel/gemm_universal.hpp>

#include <invact/adapters/cutlass/functor.hpp>
#include <invact/adapters/cutlass/sm90_nodes.hpp>
#include <invact/invact.hpp>

#include <stdexcept>

namespace bench {
namespace {

namespace fusion = cutlass::epilogue::fusion;
using cute::_0;
using cute::_1;
using invact::int64;
using bf16 = cutlass::bfloat16_t;
using row_major = cutlass::layout::RowMajor;
using stride = cutlass::gemm::TagToStrideC_t<row_major>;
constexpr auto nearest = cutlass::FloatRoundStyle::round_to_nearest;

std::string shape(int m, int n) { return std::to_string(m) + "x" + std::to_string(n); }
std::string epilogue_tile_name(cutlass::epilogue::collective::EpilogueTileAuto) { return ""; }
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

// An operation has C's type (void: no C), for a tile the fusion, and the fusion's arguments.
struct identity_operation {
  using source = void;
  template <class Tile>
  using fusion_of = fusion::LinearCombination<bf16, float, void>;
  template <class Arguments>
  static void set(Arguments& to, const gemm_problem&, const gemm_tensors&) {
    to.alpha = 1.0f;
    to.beta = 0.0f;
  }
};

template <template <class> class Activation>
struct forward_stock {
  using source = void;
  template <class Tile>
  using fusion_of = fusion::LinCombPerColBiasEltAct<Activation, bf16, float, bf16, void>;
  template <class Arguments>
  static void set(Arguments& to, const gemm_problem&, const gemm_tensors& t) {
    to.alpha = 1.0f;
    to.bias_ptr = reinterpret_cast<const bf16*>(t.bias);
  }
};
template <class Packing>
using packed_op = invact::inverted<invact::gelu, bf16, Packing, invact::packed, invact::packed>;
template <class Packing>
using accurate_op = invact::inverted<invact::gelu, bf16, Packing>;
using invact::bitmask;
using invact::mantissa_bit;

struct forward_gelu_taylor_operation : forward_stock<cutlass::epilogue::thread::GELU_taylor> {};
template <class Op>
struct forward_with_functor : forward_stock<invact::epilogue::forward<Op>::template functor> {};
struct forward_mantissa_bit_operation : forward_with_functor<packed_op<mantissa_bit>> {};
struct forward_mantissa_bit_accurate_operation : forward_with_functor<accurate_op<mantissa_bit>> {};

struct forward_gelu_aux_operation {
  using source = void;
  template <class Tile>
  using fusion_of = fusion::LinCombPerColBiasEltActAux<row_major, cutlass::epilogue::thread::GELU_taylor,
                                                       bf16, float, bf16, bf16, void>;
  template <class Arguments>
  static void set(Arguments& to, const gemm_problem& p, const gemm_tensors& t) {
    to.alpha = 1.0f;
    to.bias_ptr = reinterpret_cast<const bf16*>(t.bias);
    to.aux_ptr = reinterpret_cast<bf16*>(t.aux);
    to.dAux = stride{int64{p.n}, _1{}, 0};
  }
};

[[maybe_unused]] stride mask_stride(const gemm_problem& p) {
  return {(int64{p.n} + 127) / 128 * 128, _1{}, 0};
}

template <class Op>
struct forward_with_node {
  using source = void;
  template <class Tile>
  using with_bias =
      fusion::Sm90EVT<fusion::Sm90Compute<cutlass::plus, float, float, nearest>,
                      fusion::Sm90RowBroadcast<0, Tile, bf16, float, cute::Stride<_0, _1, int64>>,
                      fusion::Sm90AccFetch>;
  template <class Tile>
  using fusion_of = fusion::Sm90EVT<invact::epilogue::sm90_forward<Op, stride>, with_bias<Tile>>;
  template <class Arguments>
  static void set(Arguments& to, const gemm_problem& p, const gemm_tensors& t) {
    to = {{{reinterpret_cast<const bf16*>(t.bias)}, {}, {}}, {Op{}, t.mask, mask_stride(p)}};
  }
};
struct forward_bitmask_operation : forward_with_node<packed_op<bitmask>> {};
struct forward_bitmask_accurate_operation : forward_with_node<accurate_op<bitmask>> {};

// Backwards take y, or x, as C: the epilogue's own source.
template <class Node>
struct backward_of_source {
  using source = bf16;
  template <class Tile>
  using fusion_of = fusion::Sm90EVT<Node, fusion::Sm90AccFetch, fusion::Sm90SrcFetch<bf16>>;
  template <class Arguments>
  static void set(Arguments&, const gemm_problem&, const gemm_tensors&) {}
};
struct backward_multiply_operation
    : backward_of_source<fusion::Sm90Compute<cutlass::multiplies, bf16, float, nearest>> {};
struct backward_dgelu_operation
    : backward_of_source<fusion::Sm90Compute<cutlass::epilogue::thread::dGELU, bf16, float, nearest>> {};
template <class Op>
using backward_functor =
    fusion::Sm90Compute<invact::epilogue::backward<Op>::template functor, bf16, float, nearest>;
struct backward_mantissa_bit_operation : backward_of_source<backward_functor<packed_op<mantissa_bit>>> {};
struct backward_mantissa_bit_accurate_operation
    : backward_of_source<backward_functor<accurate_op<mantissa_bit>>> {};
template <class Op>
struct backward_with_node : backward_of_source<invact::epilogue::sm90_backward<Op, stride>> {
  template <class Arguments>
  static void set(Arguments& to, const gemm_problem& p, const gemm_tensors& t) {
    to = {{}, {}, {Op{}, t.mask, mask_stride(p)}};
  }
};
struct backward_bitmask_operation : backward_with_node<packed_op<bitmask>> {};
struct backward_bitmask_accurate_operation : backward_with_node<accurate_op<bitmask>> {};
// And the sums of D's rows, the gradient of a bias.
struct backward_mantissa_bit_bias_gradient_operation {
  using source = bf16;
  using op = packed_op<mantissa_bit>;
  template <class Tile>
  using sums = fusion::Sm90RowReduction<cutlass::plus, cutlass::plus, cutlass::atomic_add, 0, Tile, float,
                                        float, nearest, cute::Stride<_0, _1, int64>>;
  template <class Tile>
  using fusion_of =
      fusion::Sm90EVT<sums<Tile>, fusion::Sm90EVT<invact::epilogue::sm90_backward<op, stride>,
                                                  fusion::Sm90AccFetch, fusion::Sm90SrcFetch<bf16>>>;
  template <class Arguments>
  static void set(Arguments& to, const gemm_problem& p, const gemm_tensors& t) {
    to = {{{}, {}, {op{}, t.mask, mask_stride(p)}}, {t.bias_gradient}};
  }
};
struct backward_mantissa_bit_node_operation : backward_with_node<packed_op<mantissa_bit>> {};

template <class Operation, class Schedule>
class kernel final : public gemm_kernel {
  using source = typename Operation::source;
  using fusion_type = typename Operation::template fusion_of<typename Schedule::tile>;
  using epilogue = typename cutlass::epilogue::collective::CollectiveBuilder<
      cutlass::arch::Sm90, cutlass::arch::OpClassTensorOp, typename Schedule::tile,
      typename Schedule::cluster, typename Schedule::epilogue_tile, float, float, source, row_major, 8,
      bf16, row_major, 8, typename Schedule::epilogue, fusion_type>::CollectiveOp;
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

  std::string prepare(const gemm_problem& p, const gemm_tensors& t, int setting) override {
    typename device::Arguments arguments{cutlass::gemm::GemmUniversalMode::kGemm,
                                         {p.m, p.n, p.k, 1},
                                         {reinterpret_cast<const bf16*>(t.a),
                                          {int64{p.k}, _1{}, 0},
                                          reinterpret_cast<const bf16*>(t.b),
                                          {int64{p.k}, _1{}, 0}},
                                         {{},
                                          nullptr,
                                          stride{int64{p.n}, _1{}, 0},
                                          reinterpret_cast<bf16*>(t.d),
                                          stride{int64{p.n}, _1{}, 0}}};
    if constexpr (!std::is_void<source>::value)
      arguments.epilogue.ptr_C = reinterpret_cast<const bf16*>(t.aux);
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
          class EpilogueTile = cutlass::epilogue::collective::EpilogueTileAuto>
void add(gemm_kernels& all) {
  all.emplace_back(new kernel<Operation, schedule<Tile, Cluster, Cooperative, EpilogueTile>>);
}

}  // namespace

#define INVACT_JOIN_(a, b) a##b
#define INVACT_JOIN(a, b) INVACT_JOIN_(a, b)

gemm_kernels INVACT_GEMM_OPERATION() {
  using namespace cute;
  using operation = INVACT_JOIN(INVACT_GEMM_OPERATION, _operation);
  gemm_kernels all;
  add<operation, Shape<_128, _128, _64>, Shape<_1, _1, _1>, false>(all);
  add<operation, Shape<_128, _128, _64>, Shape<_2, _1, _1>, false>(all);
  add<operation, Shape<_128, _128, _64>, Shape<_1, _1, _1>, false, Shape<_64, _64>>(all);
  add<operation, Shape<_128, _128, _64>, Shape<_2, _1, _1>, false, Shape<_64, _64>>(all);
  add<operation, Shape<_128, _128, _64>, Shape<_1, _1, _1>, false, Shape<_64, _128>>(all);
  add<operation, Shape<_128, _128, _64>, Shape<_2, _1, _1>, false, Shape<_64, _128>>(all);
  add<operation, Shape<_128, _256, _64>, Shape<_2, _1, _1>, true>(all);
  add<operation, Shape<_256, _128, _64>, Shape<_1, _2, _1>, true>(all);
  return all;
}

}  // namespace bench
