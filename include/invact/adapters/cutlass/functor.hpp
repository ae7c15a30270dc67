// Ops without mask bits as the one-parameter functors that CUTLASS's own epilogues take.
//
//   using act = invact::inverted<invact::gelu, cutlass::bfloat16_t, invact::mantissa_bit>;
//   template <class T> using gelu_forward = invact::epilogue::forward<act>::functor<T>;   // or named in place:
//   cutlass::epilogue::fusion::LinCombPerColBiasEltAct<invact::epilogue::forward<act>::functor,
//                                                      cutlass::bfloat16_t, float>
//   cutlass::epilogue::fusion::LinCombDeEltAct<LayoutY, invact::epilogue::backward<act>::functor,
//                                              cutlass::bfloat16_t, float, cutlass::bfloat16_t>
//
// forward   D = f(what the epilogue computed), as the op keeps it: LinCombEltAct and its forms with a bias (SM90, and
//           where they are aliased SM100 and SM120), LinearCombinationGeneric and VisitorCompute (SM80).
// backward  D = (what the epilogue computed) * f'(x), decoded from the aux tensor, which is the forward's D:
//           LinCombDeEltAct, LinCombDeEltActDePerRowBias, VisitorCompute.
//
// Op        one with mask_bits == 0: inverted<Activation, Storage, mantissa_bit>, or any packing where the activation
//           needs no bit. ElementOutput of a forward and ElementAux of a backward must be Op's storage type (another
//           type with as many bits converts y and breaks its piece), ElementCompute must be float.
//           Where the epilogue is exposed (K below some thousands), the fastest by far is
//           inverted<invact::gelu, cutlass::bfloat16_t, invact::mantissa_bit, invact::packed, invact::packed>.
//           Nothing may flush the subnormals of its y: see mantissa_bit::encode_packed.
// Arguments where the activation has parameters: {activation}, as CUTLASS passes it on, LinearCombinationGeneric in
//           its Params. VisitorCompute passes none: then the parameters are the defaults.
//
// Values, NaN and infinities are those of Op. Nothing is read or written besides D, and y in the backward.
#pragma once

#include <cutlass/array.h>

#include <invact/adapters/cutlass/storage.hpp>
#include <invact/op/inverted.hpp>

INVACT_NAMESPACE_BEGIN

namespace epilogue {
namespace detail {

template <class Op>
struct check_functor {
  static_assert(Op::mask_bits == 0,
                "invact::epilogue: Op keeps mask bits beside y, and a functor can return y alone: use "
                "invact::mantissa_bit, or for invact::bitmask the visitor nodes of "
                "<invact/adapters/cutlass/sm90_nodes.hpp>");
  using storage = typename Op::storage_type;
  using activation = typename Op::activation_type;
};

// The parameters that CUTLASS passes on; without any there must be no such member.
template <class Activation, bool = __is_empty(Activation)>
struct functor_arguments {
  struct Arguments {
    Activation activation{};
  };
};
template <class Activation>
struct functor_arguments<Activation, true> {};

// What a forward returns: y as stored, which CUTLASS then need not convert, and which turns into the computing type
// where it insists on that.
template <class Storage, int N>
struct stored : ::cutlass::Array<Storage, N> {
  INVACT_FUNCTION operator ::cutlass::Array<float, N>() const {
    ::cutlass::Array<float, N> y;
    INVACT_UNROLL
    for (int i = 0; i < N; ++i) y[i] = storage_traits<Storage>::load((*this)[i]);
    return y;
  }
};

template <class Storage, int N>
using stored_array =
    typename invact::detail::conditional<invact::detail::is_same_v<Storage, float>,
                                         ::cutlass::Array<float, N>, stored<Storage, N>>::type;

// Whether two elements are computed at once: of ops with packed parts.
template <class Op, class = void>
inline constexpr bool encodes_pairs = false;
template <class Op>
inline constexpr bool encodes_pairs<Op, invact::detail::void_t<decltype(Op::encodes_pairs)>> =
    Op::encodes_pairs;
template <class Op, class = void>
inline constexpr bool decodes_pairs = false;
template <class Op>
inline constexpr bool decodes_pairs<Op, invact::detail::void_t<decltype(Op::decodes_pairs)>> =
    Op::decodes_pairs;

// Of two floats that are bfloat16 numbers. Left to the compiler, which knows how CUTLASS made them of such a word.
INVACT_FUNCTION uint32 bfloat16_codes(float first, float second) {
  return float_bits(first) >> 16 | (float_bits(second) & 0xffff0000u);
}

// The code of a float that is a number of the format: what CUTLASS makes of an aux tensor's elements.
template <class Storage>
INVACT_FUNCTION Storage exactly(float y) {
  using traits = storage_traits<Storage>;
  using format = typename traits::format;
  if constexpr (invact::detail::is_same_v<format, bfloat16_format>) {
    return traits::from_code(static_cast<typename format::code>(float_bits(y) >> 16));
  } else {
    return traits::round(y);
  }
}

template <class Op, class T>
struct forward_functor {
  static_assert(invact::detail::is_same_v<T, float>,
                "invact::epilogue::forward: ElementCompute must be float");
  INVACT_FUNCTION float operator()(float x) const { return apply(x, Op{}); }
  template <class Arguments>
  INVACT_FUNCTION float operator()(float x, const Arguments& arguments) const {
    return apply(x, Op(arguments.activation));
  }

 private:
  INVACT_FUNCTION static float apply(float x, const Op& op) {
    return storage_traits<typename Op::storage_type>::load(op.forward(x).y);
  }
};
template <class Op, int N>
struct forward_functor<Op, ::cutlass::Array<float, N>> {
  using storage = typename Op::storage_type;

  INVACT_FUNCTION stored_array<storage, N> operator()(const ::cutlass::Array<float, N>& x) const {
    return apply(x, Op{});
  }
  template <class Arguments>
  INVACT_FUNCTION stored_array<storage, N> operator()(const ::cutlass::Array<float, N>& x,
                                                      const Arguments& arguments) const {
    return apply(x, Op(arguments.activation));
  }

 private:
  INVACT_FUNCTION static stored_array<storage, N> apply(const ::cutlass::Array<float, N>& x, const Op& op) {
    if constexpr (encodes_pairs<Op> && N % 2 == 0) {
      fragment<uint32, N / 2> words;
      INVACT_UNROLL
      for (int i = 0; i < N; i += 2) words[i / 2] = op.forward_pair(x[i], x[i + 1]).codes;
      return invact::bit_cast<stored_array<storage, N>>(words);
    } else {
      fragment<float, N> in;
      INVACT_UNROLL
      for (int i = 0; i < N; ++i) in[i] = x[i];
      typename Op::template pieces<N> none;
      const fragment<storage, N> out = op.forward(in, none);
      stored_array<storage, N> y;
      INVACT_UNROLL
      for (int i = 0; i < N; ++i) y[i] = out[i];
      return y;
    }
  }
};

template <class Op, class T>
struct backward_functor {
  static_assert(invact::detail::is_same_v<T, float>,
                "invact::epilogue::backward: ElementCompute must be float");
  INVACT_FUNCTION float operator()(float dy, float y) const { return apply(dy, y, Op{}); }
  template <class Arguments>
  INVACT_FUNCTION float operator()(float dy, float y, const Arguments& arguments) const {
    return apply(dy, y, Op(arguments.activation));
  }

 private:
  INVACT_FUNCTION static float apply(float dy, float y, const Op& op) {
    return op.backward(dy, exactly<typename Op::storage_type>(y));
  }
};
template <class Op, int N>
struct backward_functor<Op, ::cutlass::Array<float, N>> {
  using array = ::cutlass::Array<float, N>;

  INVACT_FUNCTION array operator()(const array& dy, const array& y) const { return apply(dy, y, Op{}); }
  template <class Arguments>
  INVACT_FUNCTION array operator()(const array& dy, const array& y, const Arguments& arguments) const {
    return apply(dy, y, Op(arguments.activation));
  }

 private:
  INVACT_FUNCTION static array apply(const array& dy, const array& y, const Op& op) {
    array dx;
    if constexpr (decodes_pairs<Op> && N % 2 == 0) {
      // As many at a time as there are registers for.
      constexpr int group = N % 16 == 0 ? 16 : 2;
      INVACT_UNROLL
      for (int from = 0; from < N; from += group) {
        fragment<float, group> of_group;
        fragment<uint32, group / 2> codes;
        INVACT_UNROLL
        for (int i = 0; i < group; ++i) {
          of_group[i] = dy[from + i];
          if (i % 2 == 0) codes[i / 2] = bfloat16_codes(y[from + i], y[from + i + 1]);
        }
        of_group = op.backward_pairs(of_group, codes);
        INVACT_UNROLL
        for (int i = 0; i < group; ++i) dx[from + i] = of_group[i];
      }
    } else {
      INVACT_UNROLL
      for (int i = 0; i < N; ++i) dx[i] = op.backward(dy[i], exactly<typename Op::storage_type>(y[i]));
    }
    return dx;
  }
};

}  // namespace detail

template <class Op>
struct forward {
  using checked = detail::check_functor<Op>;
  template <class T>
  struct functor : detail::forward_functor<Op, T>, detail::functor_arguments<typename checked::activation> {
    static const bool kIsHeavy = true;
  };
};

template <class Op>
struct backward {
  using checked = detail::check_functor<Op>;
  template <class T>
  struct functor : detail::backward_functor<Op, T>,
                   detail::functor_arguments<typename checked::activation> {
    static const bool kIsHeavy = true;
  };
};

}  // namespace epilogue

INVACT_NAMESPACE_END
