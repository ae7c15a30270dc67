#include "two_builds.hpp"

two_builds::function forward_of_other_build() { return two_builds::forward(); }
