// Compiler abstraction: where a function runs, how it is inlined, and the versioned namespace.
//
// Everything public lives in `invact`; the inline namespace below carries the version, so that two
// shared objects built against different versions do not share symbols.
#pragma once

#include <invact/version.hpp>

#if !defined(__CUDACC_RTC__)
#include <cstring>
#endif

#if defined(__CUDACC__)
#define INVACT_HOST_DEVICE __host__ __device__
#else
#define INVACT_HOST_DEVICE
#endif

// True while the compiler generates device code. Only the hardware's conversions, its packed integers, its
// approximate sqrt, ex2, lg2 and rcp, how core's bit tests, selections and clamps are spelled, and what
// Math::fuses() chooses differ between host and device; core/ and this file alone test this macro.
#if defined(__CUDA_ARCH__)
#define INVACT_DEVICE_CODE 1
#else
#define INVACT_DEVICE_CODE 0
#endif

#if defined(__CUDACC__)
#define INVACT_INLINE __forceinline__
#elif defined(_MSC_VER)
#define INVACT_INLINE __forceinline
#else
#define INVACT_INLINE inline __attribute__((always_inline))
#endif

// What nearly every function of the core is.
#define INVACT_FUNCTION INVACT_HOST_DEVICE INVACT_INLINE

// Before a loop that indexes registers. nvcc's host pass hands pragmas to the host compiler, and g++ warns
// of this one.
#if INVACT_DEVICE_CODE
#define INVACT_UNROLL _Pragma("unroll")
#else
#define INVACT_UNROLL
#endif

#define INVACT_DETAIL_ABI_NAME(major, minor, patch) v##major##_##minor##_##patch
#define INVACT_DETAIL_ABI(major, minor, patch) INVACT_DETAIL_ABI_NAME(major, minor, patch)
#define INVACT_ABI \
  INVACT_DETAIL_ABI(INVACT_VERSION_MAJOR, INVACT_VERSION_MINOR, INVACT_VERSION_PATCH)

#define INVACT_NAMESPACE_BEGIN \
  namespace invact {           \
  inline namespace INVACT_ABI {
#define INVACT_NAMESPACE_END \
  }                          \
  }

INVACT_NAMESPACE_BEGIN

// Spelled without <cstdint>, which NVRTC lacks.
using uint8 = unsigned char;
using uint16 = unsigned short;
using uint32 = unsigned int;
using int32 = int;
using uint64 = unsigned long long;
using int64 = long long;
static_assert(sizeof(uint16) == 2 && sizeof(uint32) == 4 && sizeof(uint64) == 8,
              "invact needs 16-bit short, 32-bit int and 64-bit long long");

INVACT_NAMESPACE_END
