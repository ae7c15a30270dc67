#include "support/start.hpp"

bool invact_test_start() { return false; }
