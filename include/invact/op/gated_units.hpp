// The gated units that have names, as ops: of Shazeer's "GLU variants improve transformer" (arXiv 2002.05202), and others'.
// An op of any other activation is gated<Activation, Storage, Packing>.
#pragma once

#include <invact/op/gated.hpp>
#include <invact/op/gated_recompute.hpp>

INVACT_NAMESPACE_BEGIN

struct silu;
struct gelu;
struct gelu_tanh;
struct quick_gelu;
struct relu;
struct squared_relu;
struct sigmoid;
struct tanh;
struct mish;
class clamped_swish;

template <class Storage, class Packing = bitmask>
using swiglu = gated<silu, Storage, Packing>;
template <class Storage, class Packing = bitmask>
using geglu = gated<gelu, Storage, Packing>;
template <class Storage, class Packing = bitmask>
using geglu_tanh = gated<gelu_tanh, Storage, Packing>;
template <class Storage, class Packing = bitmask>
using quick_geglu = gated<quick_gelu, Storage, Packing>;
template <class Storage, class Packing = bitmask>
using reglu = gated<relu, Storage, Packing>;
template <class Storage, class Packing = bitmask>
using squared_reglu = gated<squared_relu, Storage, Packing>;
template <class Storage, class Packing = bitmask>
using glu = gated<sigmoid, Storage, Packing>;
template <class Storage, class Packing = bitmask>
using tanhglu = gated<tanh, Storage, Packing>;
template <class Storage, class Packing = bitmask>
using mishglu = gated<mish, Storage, Packing>;

// h = swish(min(g, limit)) * (clamp(u, -limit, limit) + offset), with the parameters of gpt-oss unless it is given
// others: clamped_swiglu<bfloat16>(clamped_swish{beta, limit}, clamped_up{limit, offset}).
template <class Storage, class Packing = bitmask>
using clamped_swiglu = gated<clamped_swish, Storage, Packing, accurate, default_evaluator, clamped_up>;

INVACT_NAMESPACE_END
