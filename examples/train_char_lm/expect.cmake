# cmake -DPROGRAM=... -DARGUMENTS=list -DSTATUS=number -DOUTPUT=regex -P expect.cmake
#
# Runs the program and checks its exit status and what it prints.
cmake_minimum_required(VERSION 3.25)
execute_process(COMMAND ${PROGRAM} ${ARGUMENTS} RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE err)
message("${out}\n${err}")
if(NOT status STREQUAL STATUS)
  message(FATAL_ERROR "exit status ${status}, not ${STATUS}")
endif()
if(NOT "${out}${err}" MATCHES "${OUTPUT}")
  message(FATAL_ERROR "the output does not match\n${OUTPUT}")
endif()
