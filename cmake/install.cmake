include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(invact_package_dir ${CMAKE_INSTALL_DATADIR}/cmake/invact)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/invact DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.hpp" PATTERN "*.cuh")
set_target_properties(invact PROPERTIES INTERFACE_INCLUDE_DIRECTORIES
  "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>;$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
install(TARGETS invact EXPORT invact_targets)
install(EXPORT invact_targets NAMESPACE invact:: FILE invactTargets.cmake DESTINATION ${invact_package_dir})

# Headers only: any architecture may use the package. Before 1.0 a minor version may break users.
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/invactConfig.cmake.in
  ${PROJECT_BINARY_DIR}/invactConfig.cmake INSTALL_DESTINATION ${invact_package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/invactConfigVersion.cmake
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/invactConfig.cmake ${PROJECT_BINARY_DIR}/invactConfigVersion.cmake
        ${PROJECT_SOURCE_DIR}/cmake/invactCutlass.cmake DESTINATION ${invact_package_dir})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/invact)
