# cmake -DCOMPILER=g++ -DINCLUDE=folder -DSOURCE=loops.cpp -DACTIVATION=gelu -DSTORAGE=float -DPACKING=bitmask
#       -P check.cmake
#
# Checks, by the compiler's own report at -O2, that the loops of host/block.hpp over a whole block are
# vectorised: the forward with and without a bias, and the backward, each for SSE2 and for AVX2. One
# branch or bool too many in an op, and they silently run ten times slower.
cmake_minimum_required(VERSION 3.25)

# Lines of the loops that call the op: the last `for` before the call.
file(READ ${INCLUDE}/invact/host/block.hpp text)
string(REGEX REPLACE "[][;]" " " text "${text}")
string(REPLACE "\n" ";" lines "${text}")
set(number 0)
foreach(line IN LISTS lines)
  math(EXPR number "${number} + 1")
  if(line MATCHES "^ *for \\(")
    set(loop ${number})
  elseif(line MATCHES "op[.](forward|backward)\\(")
    set(${CMAKE_MATCH_1}_loop ${loop})
  endif()
endforeach()

execute_process(
  COMMAND ${COMPILER} -std=c++17 -O2 -I${INCLUDE} -DACTIVATION=${ACTIVATION} -DSTORAGE=${STORAGE}
          -DPACKING=${PACKING} -c ${SOURCE} -o /dev/null -fopt-info-vec-optimized
  ERROR_VARIABLE report RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "${report}")
endif()

function(expect direction bytes count)
  string(REGEX MATCHALL "block[.]hpp:${${direction}_loop}:[0-9]+: optimized: loop vectorized using ${bytes} byte"
         found "${report}")
  list(LENGTH found found)
  if(found LESS count)
    message(SEND_ERROR "${direction}: ${found} of ${count} loops of host/block.hpp:${${direction}_loop} are "
                       "vectorised with ${bytes} bytes; -fopt-info-vec-missed tells why")
  endif()
endfunction()
foreach(bytes IN ITEMS 16 32)
  expect(forward ${bytes} 2)
  expect(backward ${bytes} 1)
endforeach()
