// Compiler abstraction: where a function runs, how it is inlined, and the versioned namespace.
//
// Everything public lives in `invact`; the inline namespace below carries the version, so that two
// shared objects built against different versions do not share symbols.
#pragma once

#include <invact/version.hpp>

#if defined(__CUDACC_RTC__)
// NVRTC has no host standard library: fixed-width types come from the compiler's own macros.
namespace invact_rtc {
using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using i32 = int;
using u64 = unsigned long long;
using i64 = long long;
}  // namespace invact_rtc
#define INVACT_RTC 1
#else
#include <cstddef>
#include <cstdint>
#include <cstring>
#define INVACT_RTC 0
#endif

#if defined(__CUDACC__)
#define INVACT_HOST_DEVICE __host__ __device__
#define INVACT_DEVICE_CODE_POSSIBLE 1
#else
#define INVACT_HOST_DEVICE
#define INVACT_DEVICE_CODE_POSSIBLE 0
#endif

// True while the compiler generates device code: the only places that differ between host and
// device are the hardware's conversions and its approximate sqrt, ex2, lg2 and rcp.
#if defined(__CUDA_ARCH__)
#define INVACT_DEVICE_CODE 1
#else
#define INVACT_DEVICE_CODE 0
#endif

#if defined(__CUDACC__)
#define INVACT_INLINE __forceinline__
#elif defined(__GNUC__) || defined(__clang__)
#define INVACT_INLINE inline __attribute__((always_inline))
#elif defined(_MSC_VER)
#define INVACT_INLINE __forceinline
#else
#define INVACT_INLINE inline
#endif

// What nearly every function of the core is.
#define INVACT_FUNCTION INVACT_HOST_DEVICE INVACT_INLINE

#define INVACT_CONCAT_(a, b, c) v##a##_##b##_##c
#define INVACT_CONCAT(a, b, c) INVACT_CONCAT_(a, b, c)
#define INVACT_ABI INVACT_CONCAT(INVACT_VERSION_MAJOR, INVACT_VERSION_MINOR, INVACT_VERSION_PATCH)

#define INVACT_NAMESPACE_BEGIN \
  namespace invact {           \
  inline namespace INVACT_ABI {
#define INVACT_NAMESPACE_END \
  }                          \
  }

INVACT_NAMESPACE_BEGIN

#if INVACT_RTC
using uint8 = invact_rtc::u8;
using uint16 = invact_rtc::u16;
using uint32 = invact_rtc::u32;
using int32 = invact_rtc::i32;
using uint64 = invact_rtc::u64;
using int64 = invact_rtc::i64;
#else
using uint8 = std::uint8_t;
using uint16 = std::uint16_t;
using uint32 = std::uint32_t;
using int32 = std::int32_t;
using uint64 = std::uint64_t;
using int64 = std::int64_t;
#endif

INVACT_NAMESPACE_END
