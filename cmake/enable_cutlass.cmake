# invact::cutlass, where CUTLASS is; says aloud where it is not.
option(INVACT_FETCH_CUTLASS "Fetch CUTLASS at its tag, if it is not found" OFF)
set(INVACT_CUTLASS_HINTS ${PROJECT_SOURCE_DIR}/.deps/python-cutlass/cutlass_library/source)
include(${CMAKE_CURRENT_LIST_DIR}/invactCutlass.cmake)
if(NOT invact_cutlass_FOUND AND INVACT_FETCH_CUTLASS)
  include(FetchContent)
  # None of its CMakeLists.txt is run: SOURCE_SUBDIR names a folder that does not exist.
  FetchContent_Declare(cutlass GIT_REPOSITORY https://github.com/NVIDIA/cutlass.git
                       GIT_TAG v${invact_cutlass_version}.0 GIT_SHALLOW ON SOURCE_SUBDIR none)
  FetchContent_MakeAvailable(cutlass)
  list(APPEND INVACT_CUTLASS_HINTS ${cutlass_SOURCE_DIR})
  include(${CMAKE_CURRENT_LIST_DIR}/invactCutlass.cmake)
endif()
if(invact_cutlass_FOUND)
  message(STATUS "invact: CUTLASS ${invact_cutlass_version} in ${invact_cutlass_include}")
else()
  message(STATUS "invact: skipped: the CUTLASS adapters: ${invact_cutlass_NOT_FOUND_MESSAGE}")
endif()
