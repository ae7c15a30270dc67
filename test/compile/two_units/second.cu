#include <all_headers.hpp>

#include "two_units.hpp"

INVACT_TEST_ANSWER(answer_of_second)
