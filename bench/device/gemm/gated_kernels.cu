// The kernels of one operation, INVACT_GATED_OPERATION: a translation unit each, as every kernel takes half a minute.
#include "gated.hpp"

#include <cutlass/cutlass.h>

#include <cutlass/epilogue/collective/collective_builder.hpp>
#include <cutlass/gemm/collective/collective_builder.hpp>
#include <cutlass/gemm/device/gemm_universal_adapter.h>
#include <cutlass/gemm/kernel/gemm_universal.hpp>

#include <invact/adapters/cutlass/sm90_gated.hpp>
#include <invact/invact.hpp>

#include <stdexcept>
#include <type_traits>

namespace bench {
namespace {

namespace fusion = cutlass::epilogue::fusion;
using cute::_1;
using invact::int64;
using bf16 = cutlass::bfloat16_t;
using row_major = cutlass::layout::RowMajor;
using stride = cutlass::gemm::TagToStrideC_t<row_major>;
using invact::bitmask;
using invact::mantissa_bit;

std::string shape(int m, int n) { return std::to_string(m) + "x" + std::to_string(n); }

template <class Tile, class Cluster, bool Cooperative, class EpilogueTile>
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
           shape(cute::size<0>(Cluster{}), cute::size<1>(Cluster{})) + ", epilogue " +
           shape(cute::size<0>(EpilogueTile{}), cute::size<1>(EpilogueTile{}));
  }
};

[[maybe_unused]] bf16* of(__nv_bfloat16* p) { return reinterpret_cast<bf16*>(p); }
[[maybe_unused]] stride kept_stride(const gated_tensors& t) { return {t.hu_stride, _1{}, 0}; }
[[maybe_unused]] stride mask_stride(const gated_problem& p) {
  return {(int64{p.n} + 127) / 128 * 128, _1{}, 0};
}

// An operation has the GEMM's columns of a unit, C's type and D's (void: none), for a schedule the fusion, and the
// fusion's arguments.
template <int ColumnsOfUnit>
struct plain_operation {
  using columns_of_unit = std::integral_constant<int, ColumnsOfUnit>;
  using source = void;
  using destination = bf16;
  template <class Schedule>
  using fusion_of = fusion::LinearCombination<bf16, float, void>;
  template <class Arguments>
  static void set(Arguments& to, const gated_problem&, const gated_tensors&) {
    to.alpha = 1.0f;
    to.beta = 0.0f;
  }
};

template <class Op>
struct forward_operation {
  using columns_of_unit = std::integral_constant<int, 2>;
  using source = void;
  using destination = void;
  template <class Schedule>
  using fusion_of = fusion::Sm90EVT<invact::epilogue::sm90_gated_forward<Op, stride>, fusion::Sm90AccFetch>;
  template <class Arguments>
  static void set(Arguments& to, const gated_problem& p, const gated_tensors& t) {
    to = {{}, {Op{}, of(t.h), kept_stride(t), of(t.u), kept_stride(t), t.mask, mask_stride(p)}};
  }
};

template <class Op, class Layout = invact::epilogue::interleaved_columns>
struct backward_operation {
  using columns_of_unit = std::integral_constant<int, 1>;
  using source = bf16;
  using destination = void;
  template <class Schedule>
  struct u_of {
    using epilogue = cutlass::epilogue::collective::detail::EpilogueDescriptor<
        typename Schedule::tile, typename Schedule::epilogue_tile, bf16, bf16, typename Schedule::epilogue>;
    using aux = cutlass::epilogue::collective::detail::AuxLoadDescriptor<epilogue, row_major, bf16>;
    using load = fusion::Sm90AuxLoad<aux::Stages, typename epilogue::EpilogueTile, bf16, stride,
                                     typename aux::SmemLayoutAtom, typename aux::CopyOpS2R>;
  };
  template <class Schedule>
  using fusion_of =
      fusion::Sm90EVT<invact::epilogue::sm90_gated_backward<Op, stride, Layout>, fusion::Sm90AccFetch,
                      fusion::Sm90SrcFetch<bf16>, typename u_of<Schedule>::load>;
  template <class Arguments>
  static void set(Arguments& to, const gated_problem& p, const gated_tensors& t) {
    const stride of_d{2 * int64{p.n}, _1{}, 0};
    typename Layout::template arguments<bf16, stride> gradients;
    if constexpr (std::is_same<Layout, invact::epilogue::interleaved_columns>::value) {
      gradients = {of(t.d), of_d};
    } else {
      gradients = {of(t.d), of_d, of(t.d) + p.n, of_d};
    }
    to = {{}, {}, {of(t.u), bf16(0.0f), kept_stride(t)}, {Op{}, t.mask, mask_stride(p), gradients}};
  }
};

template <class Packing, class... Parts>
using op = invact::gated<invact::silu, bf16, Packing, Parts...>;
template <class Packing>
using packed_op = op<Packing, invact::fast, invact::packed>;

struct plain_forward_operation : plain_operation<2> {};
struct plain_backward_operation : plain_operation<1> {};
struct forward_bitmask_operation : forward_operation<op<bitmask>> {};
struct forward_mantissa_bit_operation : forward_operation<op<mantissa_bit>> {};
struct forward_bitmask_packed_operation : forward_operation<packed_op<bitmask>> {};
struct forward_mantissa_bit_packed_operation : forward_operation<packed_op<mantissa_bit>> {};
struct backward_bitmask_operation : backward_operation<op<bitmask>> {};
struct backward_mantissa_bit_operation : backward_operation<op<mantissa_bit>> {};
struct backward_bitmask_fast_operation : backward_operation<packed_op<bitmask>> {};
struct backward_mantissa_bit_fast_operation : backward_operation<packed_op<mantissa_bit>> {};
struct backward_mantissa_bit_separate_operation
    : backward_operation<op<mantissa_bit>, invact::epilogue::separate_tensors> {};

template <class Operation, class Schedule>
class kernel final : public gated_kernel {
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

  std::string prepare(const gated_problem& p, const gated_tensors& t, int setting) override {
    const int columns = Operation::columns_of_unit::value * p.n;
    typename device::Arguments arguments{
        cutlass::gemm::GemmUniversalMode::kGemm,
        {p.m, columns, p.k, 1},
        {reinterpret_cast<const bf16*>(t.a),
         {int64{p.k}, _1{}, 0},
         reinterpret_cast<const bf16*>(t.b),
         {int64{p.k}, _1{}, 0}},
        {{}, nullptr, kept_stride(t), nullptr, stride{int64{columns}, _1{}, 0}}};
    if constexpr (!std::is_void<source>::value) arguments.epilogue.ptr_C = of(t.h);
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

template <class Operation, class Tile, class Cluster, bool Cooperative, class EpilogueTile>
void add(gated_kernels& all) {
  all.emplace_back(new kernel<Operation, schedule<Tile, Cluster, Cooperative, EpilogueTile>>);
}

}  // namespace

#define INVACT_JOIN_(a, b, c) a##b##c
#define INVACT_JOIN(a, b, c) INVACT_JOIN_(a, b, c)

gated_kernels INVACT_JOIN(gated_, INVACT_GATED_OPERATION, )() {
  using namespace cute;
  using operation = INVACT_JOIN(, INVACT_GATED_OPERATION, _operation);
  gated_kernels all;
  add<operation, Shape<_128, _128, _64>, Shape<_2, _1, _1>, false, Shape<_64, _32>>(all);
  add<operation, Shape<_128, _128, _64>, Shape<_2, _1, _1>, false, Shape<_64, _64>>(all);
  add<operation, Shape<_128, _256, _64>, Shape<_2, _1, _1>, true, Shape<_128, _32>>(all);
  add<operation, Shape<_256, _128, _64>, Shape<_1, _2, _1>, true, Shape<_128, _32>>(all);
  // C and an aux tensor take too much shared memory for a larger epilogue tile.
  if constexpr (std::is_void<typename operation::source>::value)
    add<operation, Shape<_128, _256, _64>, Shape<_2, _1, _1>, true, Shape<_128, _64>>(all);
  return all;
}

}  // namespace bench
