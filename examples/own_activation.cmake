# own_activation(NAME): an activation that the library does not have, from f to its accuracy test. Beside it lie NAME.hpp
# with its class, fit.cpp, which writes NAME_coefficients.hpp, and check.cpp, which holds it to what the library promises,
# with the tests' own measure.
function(own_activation name)
  set(coefficients ${CMAKE_CURRENT_BINARY_DIR}/${name}_coefficients.hpp)
  add_executable(${name}_fit fit.cpp)
  target_include_directories(${name}_fit PRIVATE ${PROJECT_SOURCE_DIR}/examples)
  target_link_libraries(${name}_fit PRIVATE fit)
  add_custom_command(OUTPUT ${coefficients} COMMAND ${name}_fit ${coefficients} VERBATIM COMMENT "Fitting ${name}")
  if(TARGET invact_reference)
    add_executable(${name}_check check.cpp ${coefficients} ${PROJECT_SOURCE_DIR}/test/accuracy/measure.cpp)
    target_include_directories(${name}_check PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
    target_link_libraries(${name}_check PRIVATE invact_reference)
    add_test(NAME examples/${name} COMMAND ${name}_check)
  endif()
endfunction()
