// two_versions THIS THIS_AGAIN LATER: loads three shared objects with global symbols. Objects of one version
// share its functions (or the test would prove nothing), those of different versions do not, and all work.
#include <dlfcn.h>

#include <cmath>
#include <cstdio>

struct plugin {
  int version;
  const void* symbol;
  float gradient;
};

template <class Function>
Function* look_up(void* library, const char* name) {
  void* const found = dlsym(library, name);
  if (found == nullptr) std::printf("no symbol %s\n", name);
  return reinterpret_cast<Function*>(found);
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  plugin plugins[3];
  for (int i = 0; i < 3; ++i) {
    void* const library = dlopen(argv[i + 1], RTLD_NOW | RTLD_GLOBAL);
    if (library == nullptr) {
      std::printf("%s\n", dlerror());
      return 2;
    }
    plugins[i] = {look_up<int()>(library, "plugin_version")(), look_up<const void*()>(library, "plugin_symbol")(),
                  look_up<float(float)>(library, "plugin_gradient")(-1.0f)};
    std::printf("version %d, function at %p, gelu'(-1) = %.9g\n", plugins[i].version, plugins[i].symbol,
                static_cast<double>(plugins[i].gradient));
    if (!(std::fabs(plugins[i].gradient + 0.0833155f) < 1e-4f)) return 1;
  }
  if (plugins[0].version != plugins[1].version || plugins[0].version == plugins[2].version) return 1;
  if (plugins[0].symbol != plugins[1].symbol) {
    std::printf("objects of one version do not share symbols: this test can show nothing\n");
    return 1;
  }
  if (plugins[0].symbol == plugins[2].symbol) {
    std::printf("objects of two versions share a function\n");
    return 1;
  }
  return 0;
}
