# Configures, builds and runs the consumer project in one way of using the library; see ../CMakeLists.txt.
cmake_minimum_required(VERSION 3.25)
file(REMOVE_RECURSE ${BUILD})
set(cuda_options -DCUDA=OFF)
if(NVCC)
  set(cuda_options -DCUDA=ON -DCMAKE_CUDA_COMPILER=${NVCC})
endif()
execute_process(
  COMMAND ${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${BUILD} -G ${GENERATOR}
          -DCMAKE_MAKE_PROGRAM=${MAKE_PROGRAM} -DCMAKE_CXX_COMPILER=${COMPILER} -DWAY=${WAY} -DVERSION=${VERSION}
          -DROOT=${ROOT} -DCMAKE_PREFIX_PATH=${PREFIX} ${cuda_options}
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD} COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${BUILD}/consumer COMMAND_ERROR_IS_FATAL ANY)
