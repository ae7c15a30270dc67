# cmake -DCOMPILER=c++ -DINCLUDE=include -DSOURCE=snippet.cpp -P expect_failure.cmake
#
# A snippet.cu is for nvcc, whose error about a kernel need not wait for its code.
# A snippet's first line is `// expect: TEXT`, a literal part of a static_assert's message. It must not
# compile, with a failed assertion of that message as the compiler's first error; with
# -DINVACT_TEST_CORRECTED, which mends only the mistake, it must compile.
cmake_minimum_required(VERSION 3.25)
file(STRINGS ${SOURCE} first LIMIT_COUNT 1)
if(NOT first MATCHES "^// expect: (.+)$")
  message(FATAL_ERROR "${SOURCE}: the first line is not `// expect: TEXT`")
endif()
set(expected "${CMAKE_MATCH_1}")
if(SOURCE MATCHES "[.]cu$")
  set(flags --ptx -arch=sm_80)
else()
  set(flags -Wall -Wextra -Wpedantic -Werror -c)
endif()
set(command ${CMAKE_COMMAND} -E env LC_ALL=C ${COMPILER} -std=c++17 ${flags} -I${INCLUDE} -o /dev/null)

execute_process(COMMAND ${command} -DINVACT_TEST_CORRECTED ${SOURCE}
                RESULT_VARIABLE failed ERROR_VARIABLE output OUTPUT_VARIABLE output)
if(failed)
  message(FATAL_ERROR "the corrected snippet does not compile either:\n${output}")
endif()

execute_process(COMMAND ${command} ${SOURCE} RESULT_VARIABLE failed ERROR_VARIABLE output OUTPUT_VARIABLE output)
if(NOT failed)
  message(FATAL_ERROR "it compiles, but should be refused with: ${expected}")
endif()
string(REGEX MATCH "[^\n]*error: [^\n]*" first_error "${output}")
string(FIND "${first_error}" "${expected}" found)
if(found EQUAL -1 OR NOT first_error MATCHES "error: static.assert(ion)? failed")
  message(FATAL_ERROR "refused, but not at once with: ${expected}\n${output}")
endif()
message(STATUS "refused as it should be: ${first_error}")
