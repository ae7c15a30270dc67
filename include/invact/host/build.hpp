// The namespace of the host executor, which tells builds apart.
//
// Its functions are templates, of which a linker keeps one copy by name: of two translation units with
// different flags, one would run the other's code, with instructions that its processor may not have, or
// threads it did not ask for. So the name has the flags in it. Types that callers pass around are outside.
#pragma once

#include <invact/config.hpp>

#if defined(__AVX512F__)
#define INVACT_DETAIL_VECTORS avx512
#elif defined(__AVX2__)
#define INVACT_DETAIL_VECTORS avx2
#elif defined(__AVX__)
#define INVACT_DETAIL_VECTORS avx
#else
#define INVACT_DETAIL_VECTORS baseline
#endif

#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define INVACT_DETAIL_FUSED _fma
#else
#define INVACT_DETAIL_FUSED
#endif

#if defined(__FAST_MATH__)
#define INVACT_DETAIL_ROUNDING _fast_math
#else
#define INVACT_DETAIL_ROUNDING
#endif

#if defined(_OPENMP)
#define INVACT_DETAIL_THREADS _openmp
#else
#define INVACT_DETAIL_THREADS
#endif

#if defined(__CUDACC__)
#define INVACT_DETAIL_COMPILER _nvcc
#else
#define INVACT_DETAIL_COMPILER
#endif

#define INVACT_DETAIL_BUILD_NAME(vectors, fused, rounding, threads, compiler) \
  vectors##fused##rounding##threads##compiler
#define INVACT_DETAIL_BUILD(vectors, fused, rounding, threads, compiler) \
  INVACT_DETAIL_BUILD_NAME(vectors, fused, rounding, threads, compiler)
#define INVACT_HOST_BUILD                                                                 \
  INVACT_DETAIL_BUILD(INVACT_DETAIL_VECTORS, INVACT_DETAIL_FUSED, INVACT_DETAIL_ROUNDING, \
                      INVACT_DETAIL_THREADS, INVACT_DETAIL_COMPILER)

#define INVACT_HOST_NAMESPACE_BEGIN \
  namespace host {                  \
  inline namespace INVACT_HOST_BUILD {
#define INVACT_HOST_NAMESPACE_END \
  }                               \
  }
