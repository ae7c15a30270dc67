// The reference's formats of the library's storage types.
#pragma once

#include <invact/core/traits.hpp>

#include "reference/format.hpp"

template <class Format>
constexpr reference::format reference_format = {Format::mantissa_bits,
                                                Format::mantissa_bits == 23 || Format::mantissa_bits == 7 ? 8
                                                : Format::mantissa_bits == 3                              ? 4
                                                                                                          : 5,
                                                Format::mantissa_bits != 3};

template <class Storage>
constexpr reference::format format_of = reference_format<typename invact::storage_traits<Storage>::format>;
