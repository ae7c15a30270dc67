# Finds CUTLASS and defines invact::cutlass: invact::cuda, CUTLASS's headers, and the flag
# and the library that they need. The first of
#
#   CUTLASS_DIR              CMake's or the environment's: the folder of a checkout, or of an installation
#   find_package             NvidiaCutlass, as CUTLASS installs itself
#   python3                  the package nvidia-cutlass
#   INVACT_CUTLASS_HINTS     further folders
#
# that is of the one version which the adapters are written for and tested with. Sets invact_cutlass_FOUND, and says why
# not in invact_cutlass_NOT_FOUND_MESSAGE.
set(invact_cutlass_version 4.2)

function(invact_cutlass_try folder)
  if(invact_cutlass_include OR NOT folder OR NOT EXISTS "${folder}/include/cutlass/version.h")
    return()
  endif()
  file(STRINGS "${folder}/include/cutlass/version.h" lines REGEX "^#define CUTLASS_(MAJOR|MINOR) ")
  list(TRANSFORM lines REPLACE "^.* ([0-9]+) *$" "\\1")
  list(JOIN lines "." version)
  if(version STREQUAL invact_cutlass_version)
    set(invact_cutlass_include "${folder}/include" PARENT_SCOPE)
  else()
    string(APPEND invact_cutlass_others " ${version} in ${folder};")
    set(invact_cutlass_others "${invact_cutlass_others}" PARENT_SCOPE)
  endif()
endfunction()

set(invact_cutlass_include "")
set(invact_cutlass_others "")
invact_cutlass_try("${CUTLASS_DIR}")
invact_cutlass_try("$ENV{CUTLASS_DIR}")
if(NOT invact_cutlass_include)
  find_package(NvidiaCutlass QUIET)
  if(TARGET nvidia::cutlass::cutlass)
    get_target_property(folders nvidia::cutlass::cutlass INTERFACE_INCLUDE_DIRECTORIES)
    foreach(folder IN LISTS folders)
      cmake_path(GET folder PARENT_PATH parent)
      invact_cutlass_try("${parent}")
    endforeach()
  endif()
endif()
if(NOT invact_cutlass_include)
  find_package(Python3 QUIET COMPONENTS Interpreter)
  if(Python3_FOUND)
    execute_process(COMMAND ${Python3_EXECUTABLE} -c
      "import importlib.util as u; print(u.find_spec('cutlass_library').submodule_search_locations[0])"
      OUTPUT_VARIABLE folder OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
    if(NOT failed)
      invact_cutlass_try("${folder}/source")
    endif()
  endif()
endif()
foreach(folder IN LISTS INVACT_CUTLASS_HINTS)
  invact_cutlass_try("${folder}")
endforeach()

if(invact_cutlass_include)
  set(invact_cutlass_FOUND TRUE)
  if(NOT TARGET invact::cutlass)
    add_library(invact::cutlass INTERFACE IMPORTED GLOBAL)
    # CUTLASS calls the driver itself, to clear workspaces and to print its errors.
    target_link_libraries(invact::cutlass INTERFACE invact::cuda CUDA::cuda_driver)
    target_include_directories(invact::cutlass SYSTEM INTERFACE "${invact_cutlass_include}")
    target_compile_options(invact::cutlass INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr>)
  endif()
else()
  set(invact_cutlass_FOUND FALSE)
  set(invact_cutlass_NOT_FOUND_MESSAGE
      "no CUTLASS ${invact_cutlass_version}: set CUTLASS_DIR, or install the Python package nvidia-cutlass==4.2.0.0")
  if(invact_cutlass_others)
    string(APPEND invact_cutlass_NOT_FOUND_MESSAGE " (found:${invact_cutlass_others} the adapters are for one version)")
  endif()
endif()
