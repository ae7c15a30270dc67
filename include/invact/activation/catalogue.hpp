// Every activation of the library, and the one list of them that the tests, the accuracy report and the
// benchmarks go through. A new activation is a header here, a line in the list, and the independent
// reference test/reference/NAME.cpp.
#pragma once

#include <invact/activation/celu.hpp>
#include <invact/activation/elu.hpp>
#include <invact/activation/gelu.hpp>
#include <invact/activation/gelu_tanh.hpp>
#include <invact/activation/hardshrink.hpp>
#include <invact/activation/hardsigmoid.hpp>
#include <invact/activation/hardswish.hpp>
#include <invact/activation/hardtanh.hpp>
#include <invact/activation/leaky_relu.hpp>
#include <invact/activation/lisht.hpp>
#include <invact/activation/logsigmoid.hpp>
#include <invact/activation/mish.hpp>
#include <invact/activation/prelu.hpp>
#include <invact/activation/quick_gelu.hpp>
#include <invact/activation/relu.hpp>
#include <invact/activation/relu6.hpp>
#include <invact/activation/selu.hpp>
#include <invact/activation/sigmoid.hpp>
#include <invact/activation/silu.hpp>
#include <invact/activation/softplus.hpp>
#include <invact/activation/softshrink.hpp>
#include <invact/activation/softsign.hpp>
#include <invact/activation/squared_relu.hpp>
#include <invact/activation/swish.hpp>
#include <invact/activation/tanh.hpp>
#include <invact/activation/tanhshrink.hpp>
#include <invact/activation/threshold.hpp>

#define INVACT_CATALOGUE(X) \
  X(gelu)                   \
  X(gelu_tanh)              \
  X(silu)                   \
  X(swish)                  \
  X(quick_gelu)             \
  X(mish)                   \
  X(lisht)                  \
  X(hardswish)              \
  X(relu)                   \
  X(relu6)                  \
  X(squared_relu)           \
  X(threshold)              \
  X(leaky_relu)             \
  X(prelu)                  \
  X(elu)                    \
  X(selu)                   \
  X(celu)                   \
  X(softplus)               \
  X(softsign)               \
  X(sigmoid)                \
  X(logsigmoid)             \
  X(hardsigmoid)            \
  X(tanh)                   \
  X(hardtanh)               \
  X(tanhshrink)             \
  X(softshrink)             \
  X(hardshrink)
