# cmake -DNM=nm -DFILE=plugin.so -P check_symbols.cmake
#
# The shared object must export plugin_run, and nothing of namespace invact::device or its kernels and launchers:
# functions that launch, and kernels. Functions of the host alone may be shared, as they do not depend on a GPU.
cmake_minimum_required(VERSION 3.25)
execute_process(COMMAND ${NM} --dynamic --defined-only --demangle ${FILE} OUTPUT_VARIABLE symbols RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "${NM} ${FILE} failed")
endif()
if(NOT symbols MATCHES "plugin_run")
  message(FATAL_ERROR "plugin_run is not exported: this looks at the wrong file\n${symbols}")
endif()
string(REGEX MATCHALL "[^\n]*(_kernel|cudaError invact)[^\n]*" shared "${symbols}")
if(shared)
  list(JOIN shared "\n" shared)
  message(FATAL_ERROR "exported, so that another shared object may run them:\n${shared}")
endif()
