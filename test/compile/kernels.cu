// With the toolkit's half types after the library in one build, and without them in the other.
#include <invact/invact.hpp>

#if INVACT_TEST_TOOLKIT_HEADERS
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

#include "kernels.hpp"
