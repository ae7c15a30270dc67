# Third-party code, used by tests, examples and benchmarks only. Each is looked for on the system, then in
# .deps/ of the source tree (cmake/dependencies.sh fills it), and fetched last, at the version and hash
# that cmake/dependencies.sh has too: its lines "name|file|SHA-256|URL" are the one list.

set(FETCHCONTENT_QUIET ON)
include(FetchContent)

# Sets `out` to the folder with a dependency's unpacked archive, or with its single file.
function(invact_locate name out)
  file(STRINGS ${PROJECT_SOURCE_DIR}/cmake/dependencies.sh line REGEX "^${name}[|]")
  string(REPLACE "|" ";" fields "${line}")
  list(GET fields 2 hash)
  list(GET fields 3 url)
  # The mark is written last: a folder without it is half unpacked, or of another version.
  set(placed ${PROJECT_SOURCE_DIR}/.deps/${name})
  if(EXISTS ${placed}/.complete-${hash})
    message(STATUS "invact: ${name} from .deps/")
    set(${out} ${placed} PARENT_SCOPE)
    return()
  endif()
  message(STATUS "invact: fetching ${name} from ${url}")
  set(extraction DOWNLOAD_EXTRACT_TIMESTAMP TRUE)
  if(url MATCHES "[.]hpp$")
    set(extraction DOWNLOAD_NO_EXTRACT TRUE)
  endif()
  # No CMakeLists.txt of a dependency is run: SOURCE_SUBDIR names a folder that does not exist.
  FetchContent_Declare(${name} URL ${url} URL_HASH SHA256=${hash} ${extraction}
                       SOURCE_SUBDIR none)
  FetchContent_MakeAvailable(${name})
  set(${out} ${${name}_SOURCE_DIR} PARENT_SCOPE)
endfunction()

# invact_catch: Catch2's headers, and for version 3 its library.
if(INVACT_ENABLE_TESTING)
  add_library(invact_catch INTERFACE)
  find_package(Catch2 QUIET)
  if(Catch2_FOUND)
    message(STATUS "invact: Catch2 ${Catch2_VERSION}")
    target_link_libraries(invact_catch INTERFACE Catch2::Catch2)
  else()
    invact_locate(catch2 catch2_dir)
    # test/support/catch.hpp includes <catch2/catch.hpp>; what is fetched is the bare file.
    file(COPY ${catch2_dir}/catch.hpp DESTINATION ${PROJECT_BINARY_DIR}/catch2_include/catch2)
    target_include_directories(invact_catch SYSTEM INTERFACE ${PROJECT_BINARY_DIR}/catch2_include)
  endif()
endif()

# Eigen3::Eigen
if(INVACT_ENABLE_EXAMPLES)
  find_package(Eigen3 3.4 QUIET NO_MODULE)
  if(NOT TARGET Eigen3::Eigen)
    invact_locate(eigen eigen_dir)
    add_library(Eigen3::Eigen INTERFACE IMPORTED GLOBAL)
    target_include_directories(Eigen3::Eigen SYSTEM INTERFACE ${eigen_dir})
  else()
    message(STATUS "invact: Eigen ${Eigen3_VERSION}")
  endif()
endif()

# benchmark::benchmark
if(INVACT_ENABLE_BENCHMARKS)
  find_package(benchmark QUIET)
  if(NOT TARGET benchmark::benchmark)
    invact_locate(benchmark benchmark_dir)
    set(BENCHMARK_ENABLE_TESTING OFF)
    set(BENCHMARK_ENABLE_INSTALL OFF)
    set(BENCHMARK_ENABLE_WERROR OFF)
    add_subdirectory(${benchmark_dir} ${PROJECT_BINARY_DIR}/benchmark EXCLUDE_FROM_ALL SYSTEM)
  else()
    message(STATUS "invact: Google Benchmark ${benchmark_VERSION}")
  endif()
endif()
