// The kernels of one operation, INVACT_GATED_OPERATION: a translation unit each, as every kernel takes half a minute.
#include "cutlass_contestant.cuh"
#include "gated.hpp"

#include <invact/adapters/cutlass/sm90_gated.hpp>
#include <invact/invact.hpp>

namespace bench {
namespace {

namespace fusion = cutlass::epilogue::fusion;
using invact::bitmask;
using invact::mantissa_bit;

[[maybe_unused]] stride kept_stride(const gated_tensors& t) { return rows_of(t.hu_stride); }

// What operations have in common: cutlass_contestant.cuh says what each has besides. Backwards take h as C.
template <int Columns, class Source, class Destination>
struct operation_with {
  using source = Source;
  using destination = Destination;
  using columns_per_n = std::integral_constant<int, Columns>;
  static const bf16* c(const gated_tensors& t) { return of(t.h); }
  static stride c_stride(const gemm_problem&, const gated_tensors& t) { return kept_stride(t); }
};

template <int Columns>
struct plain_operation : operation_with<Columns, void, bf16> {
  template <class Schedule>
  using fusion_of = fusion::LinearCombination<bf16, float, void>;
  template <class Arguments>
  static void set(Arguments& to, const gemm_problem&, const gated_tensors&) {
    to.alpha = 1.0f;
    to.beta = 0.0f;
  }
};

template <class Op>
struct forward_operation : operation_with<2, void, void> {
  template <class Schedule>
  using fusion_of = fusion::Sm90EVT<invact::epilogue::sm90_gated_forward<Op, stride>, fusion::Sm90AccFetch>;
  template <class Arguments>
  static void set(Arguments& to, const gemm_problem& p, const gated_tensors& t) {
    to = {{}, {Op{}, of(t.h), kept_stride(t), of(t.u), kept_stride(t), t.mask, rows_of(mask_stride(p))}};
  }
};

template <class Op, class Layout = invact::epilogue::interleaved_columns>
struct backward_operation : operation_with<1, bf16, void> {
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
  static void set(Arguments& to, const gemm_problem& p, const gated_tensors& t) {
    const stride of_d = rows_of(2 * std::int64_t{p.n});
    typename Layout::template arguments<bf16, stride> gradients;
    if constexpr (std::is_same<Layout, invact::epilogue::interleaved_columns>::value) {
      gradients = {of(t.d), of_d};
    } else {
      gradients = {of(t.d), of_d, of(t.d) + p.n, of_d};
    }
    to = {
        {}, {}, {of(t.u), bf16(0.0f), kept_stride(t)}, {Op{}, t.mask, rows_of(mask_stride(p)), gradients}};
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
