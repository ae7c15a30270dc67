// The reference's names of the library's types.
#pragma once

#include <invact/invact.hpp>

#include "support/reference.hpp"

template <class Activation>
constexpr reference::function function_of = invact::detail::is_same_v<Activation, invact::gelu>
                                                ? reference::function::gelu
                                                : reference::function::silu;

template <class Storage>
constexpr reference::format format_of = sizeof(Storage) == 4 ? reference::binary32
                                        : invact::detail::is_same_v<Storage, invact::bfloat16>
                                            ? reference::bfloat16
                                            : reference::binary16;
