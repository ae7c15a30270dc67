#include <all_headers.hpp>

#include "two_units.hpp"

int main() { return answer_of_first() == answer_of_second() ? 0 : 1; }

INVACT_TEST_ANSWER(answer_of_first)
