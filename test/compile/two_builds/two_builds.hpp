#pragma once

#include <invact/host/executor.hpp>
#include <invact/invact.hpp>

namespace two_builds {

using op = invact::inverted<invact::gelu, float>;
using function = void (*)(const op&, invact::int64, const float*, float*, invact::uint8*);

// Of the executor as the including translation unit is compiled.
static inline function forward() { return &invact::host::forward<op, float>; }

}  // namespace two_builds

two_builds::function forward_of_other_build();
