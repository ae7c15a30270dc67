// The kernels of one operation, INVACT_GEMM_OPERATION: a translation unit each, as every kernel takes half a minute.
#include "cutlass_contestant.cuh"
#include "gemm.hpp"

#include <cutlass/epilogue/thread/activation.h>

#include <invact/adapters/cutlass/functor.hpp>
#include <invact/adapters/cutlass/sm90_nodes.hpp>
#include <invact/invact.hpp>

namespace bench {
namespace {

namespace fusion = cutlass::epilogue::fusion;
using cute::_0;
using cute::_1;
using invact::int64;
constexpr auto nearest = cutlass::FloatRoundStyle::round_to_nearest;

// What operations have in common: cutlass_contestant.cuh says what each has besides. Backwards take y, or x, as C.
template <class Source>
struct operation_with {
  using source = Source;
  using destination = bf16;
  using columns_per_n = std::integral_constant<int, 1>;
  static const bf16* c(const gemm_tensors& t) { return of(t.aux); }
  static stride c_stride(const gemm_problem& p, const gemm_tensors&) { return rows_of(p.n); }
};

struct identity_operation : operation_with<void> {
  template <class Schedule>
  using fusion_of = fusion::LinearCombination<bf16, float, void>;
  template <class Arguments>
  static void set(Arguments& to, const gemm_problem&, const gemm_tensors&) {
    to.alpha = 1.0f;
    to.beta = 0.0f;
  }
};

template <template <class> class Activation>
struct forward_stock : operation_with<void> {
  template <class Schedule>
  using fusion_of = fusion::LinCombPerColBiasEltAct<Activation, bf16, float, bf16, void>;
  template <class Arguments>
  static void set(Arguments& to, const gemm_problem&, const gemm_tensors& t) {
    to.alpha = 1.0f;
    to.bias_ptr = of(t.bias);
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

struct forward_gelu_aux_operation : operation_with<void> {
  template <class Schedule>
  using fusion_of = fusion::LinCombPerColBiasEltActAux<row_major, cutlass::epilogue::thread::GELU_taylor,
                                                       bf16, float, bf16, bf16, void>;
  template <class Arguments>
  static void set(Arguments& to, const gemm_problem& p, const gemm_tensors& t) {
    to.alpha = 1.0f;
    to.bias_ptr = of(t.bias);
    to.aux_ptr = of(t.aux);
    to.dAux = rows_of(p.n);
  }
};

template <class Op>
struct forward_with_node : operation_with<void> {
  template <class Tile>
  using with_bias =
      fusion::Sm90EVT<fusion::Sm90Compute<cutlass::plus, float, float, nearest>,
                      fusion::Sm90RowBroadcast<0, Tile, bf16, float, cute::Stride<_0, _1, int64>>,
                      fusion::Sm90AccFetch>;
  template <class Schedule>
  using fusion_of =
      fusion::Sm90EVT<invact::epilogue::sm90_forward<Op, stride>, with_bias<typename Schedule::tile>>;
  template <class Arguments>
  static void set(Arguments& to, const gemm_problem& p, const gemm_tensors& t) {
    to = {{{of(t.bias)}, {}, {}}, {Op{}, t.mask, rows_of(mask_stride(p))}};
  }
};
struct forward_bitmask_operation : forward_with_node<packed_op<bitmask>> {};
struct forward_bitmask_accurate_operation : forward_with_node<accurate_op<bitmask>> {};

template <class Node>
struct backward_of_source : operation_with<bf16> {
  template <class Schedule>
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
    to = {{}, {}, {Op{}, t.mask, rows_of(mask_stride(p))}};
  }
};
struct backward_bitmask_operation : backward_with_node<packed_op<bitmask>> {};
struct backward_bitmask_accurate_operation : backward_with_node<accurate_op<bitmask>> {};
// And the sums of D's rows, the gradient of a bias.
struct backward_mantissa_bit_bias_gradient_operation : operation_with<bf16> {
  using op = packed_op<mantissa_bit>;
  template <class Tile>
  using sums = fusion::Sm90RowReduction<cutlass::plus, cutlass::plus, cutlass::atomic_add, 0, Tile, float,
                                        float, nearest, cute::Stride<_0, _1, int64>>;
  template <class Schedule>
  using fusion_of = fusion::Sm90EVT<sums<typename Schedule::tile>,
                                    fusion::Sm90EVT<invact::epilogue::sm90_backward<op, stride>,
                                                    fusion::Sm90AccFetch, fusion::Sm90SrcFetch<bf16>>>;
  template <class Arguments>
  static void set(Arguments& to, const gemm_problem& p, const gemm_tensors& t) {
    to = {{{}, {}, {op{}, t.mask, rows_of(mask_stride(p))}}, {t.bias_gradient}};
  }
};
struct backward_mantissa_bit_node_operation : backward_with_node<packed_op<mantissa_bit>> {};

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
