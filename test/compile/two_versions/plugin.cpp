// A shared object that uses the library: three of them, of two versions, are loaded into one process.
#include <invact/host/executor.hpp>
#include <invact/invact.hpp>

using op = invact::inverted<invact::gelu, float>;

extern "C" int plugin_version() { return INVACT_VERSION_MAJOR * 10000 + INVACT_VERSION_MINOR * 100; }

// A function of the library that is emitted with a weak symbol: shared objects of one version share it.
extern "C" const void* plugin_symbol() {
  void (*forward)(const op&, invact::int64, const float*, float*, invact::uint8*) = invact::host::forward;
  return reinterpret_cast<const void*>(forward);
}

extern "C" float plugin_gradient(float x) {
  float y, dx;
  const float one = 1.0f;
  invact::uint8 mask;
  invact::host::forward(op{}, 1, &x, &y, &mask);
  invact::host::backward(op{}, 1, &one, &y, &mask, &dx);
  return dx;
}
