// Two translation units with different flags: each must keep its own build of the host executor.
#include "two_builds.hpp"

int main() {
  const two_builds::function here = two_builds::forward();
  const two_builds::function there = forward_of_other_build();
  return here != nullptr && there != nullptr && here != there ? 0 : 1;
}
