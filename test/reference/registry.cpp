#include <cstdio>
#include <cstdlib>
#include <map>

#include "reference/activation.hpp"

namespace reference {

namespace {

std::map<std::string, definition>& registry() {
  static std::map<std::string, definition> all;
  return all;
}

}  // namespace

registered::registered(const char* name, definition d) { registry()[name] = std::move(d); }

function find(const std::string& name) {
  const auto it = registry().find(name);
  if (it == registry().end()) {
    std::fprintf(stderr, "no reference for %s: add test/reference/%s.cpp\n", name.c_str(), name.c_str());
    std::abort();
  }
  return {&it->second, it->second.defaults, 1};
}

function find(const std::string& name, const parameters& p) {
  function f = find(name);
  f.p = p;
  return f;
}

}  // namespace reference
