// Every activation of the library, and the one list of them that the tests, the accuracy report and the
// benchmarks go through. A new activation is a header here, a line in the list, and the independent
// reference test/reference/NAME.cpp.
#pragma once

#include <invact/activation/gelu.hpp>
#include <invact/activation/silu.hpp>

#define INVACT_CATALOGUE(X) \
  X(gelu)                   \
  X(silu)
