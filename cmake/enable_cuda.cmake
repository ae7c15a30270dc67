# Enables CUDA where nvcc is found: $CUDACXX, PATH, $CUDA_HOME, $CUDA_PATH, or the default install
# location. Sets INVACT_HAS_CUDA, and says aloud what is left out without it.
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  find_program(INVACT_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES bin)
  mark_as_advanced(INVACT_NVCC)
  if(INVACT_NVCC)
    # Not CMAKE_CUDA_COMPILER, which check_language would take untried: an nvcc without its toolkit is none.
    set(ENV{CUDACXX} "${INVACT_NVCC}")
  endif()
endif()

set(INVACT_HAS_CUDA FALSE)
# Every target that compiles CUDA names its architectures itself; this only spares CMake a guess.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80)
endif()
include(CheckLanguage)
check_language(CUDA)
if(CMAKE_CUDA_COMPILER)
  enable_language(CUDA)
  find_package(CUDAToolkit)
  if(CUDAToolkit_FOUND)
    set(INVACT_HAS_CUDA TRUE)
    message(STATUS "invact: CUDA ${CUDAToolkit_VERSION}, ${CMAKE_CUDA_COMPILER}")
  endif()
endif()
if(NOT INVACT_HAS_CUDA)
  message(STATUS "invact: no CUDA compiler: left out are invact::cuda and every test of the headers under "
                 "nvcc and NVRTC; everything else is built")
endif()
