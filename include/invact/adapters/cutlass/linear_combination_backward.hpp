// The backward counterpart of CUTLASS's LinearCombinationGeneric, for SM80's epilogues: D = (alpha * accumulator) *
// f'(x), decoded from the forward's output, which is the source C.
//
//   using act = invact::inverted<invact::gelu, cutlass::bfloat16_t, invact::mantissa_bit>;
//   cutlass::gemm::device::Gemm<..., invact::epilogue::linear_combination_backward<act, cutlass::bfloat16_t, 8>>   // C = y
//
// The forward's is LinearCombinationGeneric<invact::epilogue::forward<act>::functor, ...>.
#pragma once

#include <cutlass/epilogue/thread/scale_type.h>
#include <cutlass/numeric_conversion.h>

#include <invact/adapters/cutlass/functor.hpp>

INVACT_NAMESPACE_BEGIN

namespace epilogue {

// For cutlass::gemm::device::Gemm and GemmUniversal, with y as the source C.
//
// Op                  one without mask bits, of the type that C has.
// ElementOutput       of D and, as CUTLASS has it, of C: Op's storage type.
// Count               elements of an access.
// Params              {alpha, alpha_ptr, activation}; alpha_ptr is device memory, read in place of alpha unless null.
//
// Split-K is impossible, as partial sums would take the place of y or be multiplied one by one: a serial one traps, before
// it stores anything. Use device::GemmSplitKParallel, which applies the operator to the sum, or SM90's stream-K.
template <class Op, class ElementOutput_, int Count, class ElementAccumulator_ = float>
class linear_combination_backward {
  using checked = detail::check_functor<Op>;
  static_assert(
      invact::detail::is_same_v<typename checked::storage, ElementOutput_>,
      "invact::epilogue::linear_combination_backward: CUTLASS reads C in ElementOutput: it must be "
      "Op's storage type");

 public:
  // What CUTLASS reads of an output operator.
  using ElementOutput = ElementOutput_;
  using ElementAccumulator = ElementAccumulator_;
  using ElementCompute = float;
  using ElementSource = ElementOutput;
  static bool const kIsHeavy = true;
  static int const kCount = Count;
  static ::cutlass::epilogue::thread::ScaleType::Kind const kScale =
      ::cutlass::epilogue::thread::ScaleType::NoBetaScaling;
  using FragmentOutput = ::cutlass::Array<ElementOutput, Count>;
  using FragmentSource = FragmentOutput;
  using FragmentAccumulator = ::cutlass::Array<ElementAccumulator, Count>;
  using FragmentCompute = ::cutlass::Array<float, Count>;

  struct Params {
    float alpha = 1.0f;
    const float* alpha_ptr = nullptr;
    typename Op::activation_type activation{};
  };

  CUTLASS_HOST_DEVICE explicit linear_combination_backward(const Params& params)
      : op_(params.activation), alpha_(params.alpha_ptr ? *params.alpha_ptr : params.alpha) {}

  CUTLASS_HOST_DEVICE bool is_source_needed() const { return true; }
  CUTLASS_DEVICE void set_k_partition(int /*k_partition*/, int /*k_partition_count*/) { __trap(); }

  CUTLASS_HOST_DEVICE FragmentOutput operator()(const FragmentAccumulator& accumulator,
                                                const FragmentSource& y) const {
    const FragmentCompute sums =
        ::cutlass::NumericArrayConverter<float, ElementAccumulator, Count>{}(accumulator);
    fragment<float, Count> dy;
    fragment<ElementOutput, Count> codes;
    CUTLASS_PRAGMA_UNROLL
    for (int i = 0; i < Count; ++i) {
      dy[i] = alpha_ * sums[i];
      codes[i] = y[i];
    }
    const fragment<float, Count> product = op_.backward(dy, codes, typename Op::template pieces<Count>{});
    FragmentCompute dx;
    CUTLASS_PRAGMA_UNROLL
    for (int i = 0; i < Count; ++i) dx[i] = product[i];
    return ::cutlass::NumericArrayConverter<ElementOutput, float, Count>{}(dx);
  }
  // CUTLASS instantiates it, and calls it where no source is needed: never.
  CUTLASS_HOST_DEVICE FragmentOutput operator()(const FragmentAccumulator& accumulator) const {
    return ::cutlass::NumericArrayConverter<ElementOutput, ElementAccumulator, Count>{}(accumulator);
  }

 private:
  Op op_;
  float alpha_;
};

}  // namespace epilogue

INVACT_NAMESPACE_END
