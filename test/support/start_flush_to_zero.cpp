#include <xmmintrin.h>

#include "support/start.hpp"

// Flush-to-zero and denormals-are-zero; threads started later inherit both.
bool invact_test_start() {
  _mm_setcsr(_mm_getcsr() | 0x8040u);
  return true;
}
