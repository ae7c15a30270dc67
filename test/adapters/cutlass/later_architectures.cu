// SM90's stock operations with the functors on SM100 and SM120, from the same source: that their kernels compile.
// INVACT_TEST_ARCH is one of the two; SM120's products are of FP8.
#include <cutlass/cutlass.h>

#include <cutlass/epilogue/collective/collective_builder.hpp>
#include <cutlass/gemm/collective/collective_builder.hpp>
#include <cutlass/gemm/device/gemm_universal_adapter.h>
#include <cutlass/gemm/kernel/gemm_universal.hpp>

#include <invact/adapters/cutlass/functor.hpp>
#include <invact/invact.hpp>

namespace {

namespace fusion = cutlass::epilogue::fusion;
using arch = cutlass::arch::INVACT_TEST_ARCH;
using bf16 = cutlass::bfloat16_t;
constexpr bool is_sm120 = std::is_same<arch, cutlass::arch::Sm120>::value;
using factor = std::conditional_t<is_sm120, cutlass::float_e4m3_t, bf16>;
constexpr int factor_alignment = 128 / cutlass::sizeof_bits<factor>::value;
using row_major = cutlass::layout::RowMajor;
using tile = cute::Shape<cute::_128, cute::_128, cute::_64>;
using cluster = cute::Shape<cute::_1, cute::_1, cute::_1>;

template <class Fusion>
struct gemm {
  using epilogue = typename cutlass::epilogue::collective::CollectiveBuilder<
      arch, cutlass::arch::OpClassTensorOp, tile, cluster, cutlass::epilogue::collective::EpilogueTileAuto,
      float, float, void, row_major, 8, bf16, row_major, 8,
      cutlass::epilogue::collective::EpilogueScheduleAuto, Fusion>::CollectiveOp;
  using mainloop = typename cutlass::gemm::collective::CollectiveBuilder<
      arch, cutlass::arch::OpClassTensorOp, factor, row_major, factor_alignment, factor,
      cutlass::layout::ColumnMajor, factor_alignment, float, tile, cluster,
      cutlass::gemm::collective::StageCountAutoCarveout<static_cast<int>(
          sizeof(typename epilogue::SharedStorage))>,
      cutlass::gemm::collective::KernelScheduleAuto>::CollectiveOp;
  using kernel = cutlass::gemm::kernel::GemmUniversal<cute::Shape<int, int, int, int>, mainloop, epilogue>;
};

using op = invact::inverted<invact::gelu, bf16, invact::mantissa_bit>;
using forward =
    gemm<fusion::LinCombPerColBiasEltAct<invact::epilogue::forward<op>::functor, bf16, float, bf16, void>>;
using backward = gemm<
    fusion::LinCombDeEltAct<row_major, invact::epilogue::backward<op>::functor, bf16, float, bf16, void>>;

}  // namespace

[[maybe_unused]] const void* const kernels[] = {
    reinterpret_cast<const void*>(&cutlass::device_kernel<forward::kernel>),
#if INVACT_FULL_MATRIX
    reinterpret_cast<const void*>(&cutlass::device_kernel<backward::kernel>),
#endif
};
