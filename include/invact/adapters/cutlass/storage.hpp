// CUTLASS's element types as storage types: the op of an epilogue is inverted<gelu, cutlass::bfloat16_t, mantissa_bit>.
#pragma once

#include <cutlass/numeric_types.h>

#include <invact/core/float8.hpp>
#include <invact/core/storage.hpp>

INVACT_NAMESPACE_BEGIN

template <>
struct storage_traits<::cutlass::half_t> : binary16_storage<::cutlass::half_t> {};
template <>
struct storage_traits<::cutlass::bfloat16_t> : bfloat16_storage<::cutlass::bfloat16_t> {};
template <>
struct storage_traits<::cutlass::float_e4m3_t> : e4m3_storage<::cutlass::float_e4m3_t> {};
template <>
struct storage_traits<::cutlass::float_e5m2_t> : e5m2_storage<::cutlass::float_e5m2_t> {};

INVACT_NAMESPACE_END
