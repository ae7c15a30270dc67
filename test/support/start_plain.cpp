#include "support/start.hpp"

void invact_test_start() {}
