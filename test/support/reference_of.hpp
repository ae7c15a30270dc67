// The reference of the library's activations and storage types.
#pragma once

#include <invact/invact.hpp>

#include "reference/cells.hpp"
#include "support/formats.hpp"

// The name of an activation of the catalogue, with which the reference knows it.
template <class Activation>
const char* name_of() {
#define INVACT_NAME(name) \
  if (invact::detail::is_same_v<Activation, invact::name>) return #name;
  INVACT_CATALOGUE(INVACT_NAME)
#undef INVACT_NAME
  return "";
}

template <class Activation>
reference::function function_of() {
  return reference::find(name_of<Activation>());
}

// Where the pieces of an activation with two of them meet.
template <class Activation>
double stationary_point_of() {
  const reference::function f = function_of<Activation>();
  for (const reference::segment& s : f.of->segments(f.p))
    if (s.piece == 0) return s.from;
  return 0;
}

// The x on a piece with f(x) = y.
template <class Activation>
double inverse_of(double y, int piece) {
  const reference::function f = function_of<Activation>();
  for (const reference::segment& s : f.of->segments(f.p)) {
    if (s.piece != piece) continue;
    reference::segment clipped = s;
    clipped.from = std::fmax(s.from, -reference::largest_x);
    clipped.to = std::fmin(s.to, reference::largest_x);
    return reference::inverse(f, clipped, y);
  }
  return 0;
}

// In ULP, results below this are exempt.
inline double smallest_result(reference::format f) {
#if defined(__FAST_MATH__)
  return reference::smallest_result(f, true);
#else
  return reference::smallest_result(f, false);
#endif
}
