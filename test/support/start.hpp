// Called before the first test: sets the floating-point environment of a variant of the tests, and returns whether it
// flushes subnormals to zero.
#pragma once

bool invact_test_start();
