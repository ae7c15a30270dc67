// gated_recompute: the plain alternative to gated, behind the same interface. It keeps g and u, both as the tensors they
// are, and computes f(g), f'(g) and h from them again in the backward.
//
//   using act = invact::gated_recompute<invact::silu, invact::bfloat16>;
//   act::encoded e = act{}.forward(g, u);                                 // e.h
//   act::gradients d = act{}.backward(dh, g, u);                          // d.dg, d.du, d.h
//
// It keeps as many bytes as gated with the mantissa bit, if the next layer does not keep h, for which its backward must
// then compute h before (or with) the gradients. dg is exact but for its rounding and that of g. Of a smooth f (SiLU,
// GELU, Mish) that is a quarter of gated's error in bfloat16; where f' is steep or jumps (ReLU^2, hardswish) rounding g
// costs more than rounding h, and gated is the more accurate one too. So of a smooth f, where the next layer can be made
// to wait for h, and reading g costs no more than reading h, this is the better choice; where h is kept anyway, gated is.
//
// h and du have the error of the format's own evaluator of f, which inverted's y has too.
//
// g is the stored value in the forward too: the backward computes the same h only from the same g.
#pragma once

#include <invact/op/gated_parts.hpp>

INVACT_NAMESPACE_BEGIN

namespace detail {

// f'(x) by a member `template <class Math> float derivative(float x) const`.
template <class T, class = void>
inline constexpr bool has_derivative = false;
template <class T>
inline constexpr bool has_derivative<
    T, void_t<decltype(static_cast<float>(declval<const T&>().template derivative<native_math>(0.0f)))>> = true;

}  // namespace detail

// Activation, Storage (of g and h), Evaluator and Up as of gated. In 16-bit storage f' is the activation's own
// `derivative`, where it has one; else it is what float's approximant makes of an f(g) that is not rounded.
template <class Activation, class Storage, class Evaluator = default_evaluator, class Up = plain_up>
class gated_recompute : public detail::gated_parameters<Activation, Up> {
  using base = detail::gated_parameters<Activation, Up>;
  static_assert(is_activation_v<Activation>,
                "invact::gated_recompute: Activation is not an activation: it needs `pieces`, `ambiguous` and "
                "`piece_index(float) const`, as invact::silu has");
  static_assert(is_storage_v<Storage> && !detail::is_float8<Storage>,
                "invact::gated_recompute: Storage must have 16 or 32 bits: use float, __half, __nv_bfloat16, "
                "invact::binary16 or invact::bfloat16, or specialise invact::storage_traits for it");
  static_assert(is_up_v<Up>, "invact::gated_recompute: Up needs `multiplier` and `is_clamped`, as invact::plain_up has");
  using traits = storage_traits<Storage>;
  using format = typename traits::format;
  using exact = typename detail::inverted_parts<true, Activation, float, bitmask, accurate, default_evaluator>;

 public:
  using activation_type = Activation;
  using storage_type = Storage;
  using evaluator_type = typename select_evaluator<Evaluator, Activation, format>::type;
  using up_type = Up;
  static_assert(is_evaluator_v<evaluator_type, Activation>,
                "invact::gated_recompute: Evaluator is not a forward evaluator for this activation: it needs `static "
                "float evaluate(const Activation&, float x)`");

  static constexpr int mask_bits = 0;
  // What the backward takes beside u and dh is g, not h.
  static constexpr bool recomputes = true;

  struct encoded {
    Storage h;
    uint32 piece;  // 0
  };
  struct gradients {
    float dg, du;
    Storage h;
  };

  using base::activation;
  using base::up;

  constexpr gated_recompute() = default;
  INVACT_HOST_DEVICE constexpr explicit gated_recompute(const Activation& a, const Up& u = Up{}) : base(a, u) {}

  INVACT_FUNCTION encoded forward(float g, float u) const {
    return {traits::round(evaluator_type::evaluate(activation(), g) * up().multiplier(u)), 0u};
  }

  INVACT_FUNCTION gradients backward(float dh, Storage g, float u, uint32 /*piece*/ = 0) const {
    const float x = traits::load(g), m = up().multiplier(u);
    float y, factor;
    if constexpr (detail::has_derivative<Activation> && sizeof(Storage) == 2) {
      y = evaluator_type::evaluate(activation(), x);
      factor = activation().template derivative<native_math>(x);
    } else {
      y = exact::evaluator::evaluate(activation(), x);
      factor = exact::approximant::evaluate(activation(), y, activation().piece_index(x));
      if constexpr (sizeof(Storage) == 2) y = evaluator_type::evaluate(activation(), x);
    }
    return {dh * m * factor, select(up().is_clamped(u), 0.0f, dh * y), traits::round(y * m)};
  }

  template <int N>
  using pieces = piece_fragment<N, 0>;

  template <int N>
  INVACT_FUNCTION fragment<Storage, N> forward(fragment<float, N> g, fragment<float, N> u, pieces<N>& kept) const {
    kept = pieces<N>{};
    fragment<Storage, N> h;
    INVACT_UNROLL
    for (int i = 0; i < N; ++i) h[i] = forward(g[i], u[i]).h;
    return h;
  }
  template <int N>
  INVACT_FUNCTION void backward(fragment<float, N> dh, fragment<Storage, N> g, fragment<float, N> u, const pieces<N>&,
                                fragment<float, N>& dg, fragment<float, N>& du, fragment<Storage, N>& h) const {
    INVACT_UNROLL
    for (int i = 0; i < N; ++i) {
      const gradients d = backward(dh[i], g[i], u[i]);
      dg[i] = d.dg;
      du[i] = d.du;
      h[i] = d.h;
    }
  }
};

INVACT_NAMESPACE_END
