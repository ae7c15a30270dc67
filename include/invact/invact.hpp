// The core: activations, approximants, packings and the op that composes them. Plain C++17; compiles
// as host code, as CUDA device code and under NVRTC. The host executor is <invact/host/executor.hpp>.
#pragma once

#include <invact/activation/catalogue.hpp>
#include <invact/activation/clamped_swish.hpp>
#include <invact/approx/polynomial.hpp>
#include <invact/approx/rational.hpp>
#include <invact/core/float8.hpp>
#include <invact/core/fragment.hpp>
#include <invact/core/storage.hpp>
#include <invact/op/gated_units.hpp>
#include <invact/op/gradient_table.hpp>
#include <invact/op/inverted.hpp>
#include <invact/op/refined.hpp>
#include <invact/op/scaled.hpp>
#include <invact/packing/bitmask.hpp>
#include <invact/packing/mantissa_bit.hpp>
#include <invact/packing/refined_bitmask.hpp>
