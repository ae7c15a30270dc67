// The core and the device-wide kernels; needs nvcc and the CUDA runtime.
#pragma once

#include <invact/device/bias_gradient.cuh>
#include <invact/device/elementwise.cuh>
#include <invact/device/gated.cuh>
#include <invact/invact.hpp>
