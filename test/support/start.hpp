// Called before the first test: sets the floating-point environment of a variant of the tests.
#pragma once

void invact_test_start();
