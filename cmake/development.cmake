# What the project's own tests, examples and benchmarks are compiled with; no consumer sees it.

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()

option(INVACT_WARNINGS_AS_ERRORS "Stop at a warning in the project's own code" OFF)

set(INVACT_WARNING_FLAGS -Wall -Wextra -Wpedantic)
if(INVACT_WARNINGS_AS_ERRORS)
  list(APPEND INVACT_WARNING_FLAGS -Werror)
endif()

add_library(invact_development INTERFACE)
target_link_libraries(invact_development INTERFACE invact::invact)
target_compile_options(invact_development INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${INVACT_WARNING_FLAGS}>")

set(INVACT_SANITIZER_FLAGS "")
if(INVACT_ENABLE_SANITIZERS)
  set(INVACT_SANITIZER_FLAGS -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_compile_options(invact_development INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${INVACT_SANITIZER_FLAGS}>")
  target_link_options(invact_development INTERFACE ${INVACT_SANITIZER_FLAGS})
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # Instrumented code hides from g++ what is initialised: it warns of its own <functional>.
    target_compile_options(invact_development INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized>")
  endif()
endif()

# The host executor uses OpenMP where the calling code is compiled with it.
find_package(OpenMP COMPONENTS CXX)
if(OpenMP_CXX_FOUND)
  target_link_libraries(invact_development INTERFACE OpenMP::OpenMP_CXX)
else()
  message(STATUS "invact: no OpenMP: tests, examples and benchmarks run on one thread")
endif()

# Whether compiler and processor both have AVX2 and FMA: then tests run a build of them as well.
include(CheckCXXSourceRuns)
set(CMAKE_REQUIRED_FLAGS "-mavx2 -mfma")
check_cxx_source_runs("int main() { return __builtin_cpu_supports(\"avx2\") && __builtin_cpu_supports(\"fma\") ? 0 : 1; }"
                      INVACT_RUNS_AVX2)
unset(CMAKE_REQUIRED_FLAGS)

# The second host compiler that tests are built with.
if(NOT CMAKE_CXX_COMPILER_ID MATCHES Clang)
  find_program(INVACT_CLANGXX NAMES clang++ clang++-19 clang++-18 clang++-17 clang++-16 clang++-15 clang++-14)
  mark_as_advanced(INVACT_CLANGXX)
endif()

option(INVACT_FULL_MATRIX "Also build the tests and benchmarks that take another half hour to compile" OFF)

# What the programs that need a GPU to run are compiled for (`native`: the one that is here; by default any, by way
# of PTX), and the target that builds them all. Machine code for each architecture is compiled of the device-wide
# kernels by test/cost, of the ops by test/compile, and of every op of the catalogue for INVACT_OP_ARCHITECTURES.
if(INVACT_HAS_CUDA)
  set(INVACT_GPU_ARCHITECTURES "80" CACHE STRING "GPU architectures of tests and benchmarks")
  set(INVACT_OP_ARCHITECTURES ${INVACT_GPU_ARCHITECTURES})
  if(INVACT_GPU_ARCHITECTURES STREQUAL "80")
    set(INVACT_OP_ARCHITECTURES "80;90a-real;100a-real")
  endif()
  add_custom_target(invact_gpu_programs)
  # What each part of bench/device/run.py runs.
  foreach(part IN ITEMS tests kernels peers gated gemm)
    add_custom_target(invact_gpu_${part})
    add_dependencies(invact_gpu_programs invact_gpu_${part})
  endforeach()
endif()
