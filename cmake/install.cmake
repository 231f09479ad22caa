include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/weft)

if(CMAKE_VERSION VERSION_GREATER_EQUAL 3.23)
  install(TARGETS weft EXPORT weft-targets FILE_SET HEADERS)
else()
  install(TARGETS weft EXPORT weft-targets)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/weft
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp")
endif()
install(EXPORT weft-targets NAMESPACE weft:: DESTINATION ${package_dir})

configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/weft-config.cmake.in ${PROJECT_BINARY_DIR}/weft-config.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/weft-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/weft-config.cmake ${PROJECT_BINARY_DIR}/weft-config-version.cmake
  DESTINATION ${package_dir})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# pkg-config. Boost.Context has no .pc file, so its library stands in ours; its directory only
# when the linker would not look there anyway. A shared libweft brings it along by itself.
get_target_property(weft_type weft TYPE)
set(weft_pc_boost "-lboost_context")
get_target_property(boost_context Boost::context LOCATION)
get_filename_component(boost_dir "${boost_context}" DIRECTORY)
get_filename_component(boost_dir "${boost_dir}" REALPATH)
set(linker_dirs "")
foreach(dir IN LISTS CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES)
  get_filename_component(dir "${dir}" REALPATH)
  list(APPEND linker_dirs "${dir}")
endforeach()
if(NOT boost_dir IN_LIST linker_dirs)
  string(PREPEND weft_pc_boost "-L${boost_dir} ")
endif()
if(weft_type STREQUAL "STATIC_LIBRARY")
  set(weft_pc_libs "${weft_pc_boost} -pthread")
  set(weft_pc_libs_private "")
else()
  set(weft_pc_libs "-pthread")
  set(weft_pc_libs_private "${weft_pc_boost}")
endif()

# The prefix follows from where the .pc file lies, so that an installed tree can be moved.
file(RELATIVE_PATH weft_pc_up "/p/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/p")
string(REGEX REPLACE "/$" "" weft_pc_up "${weft_pc_up}")
set(weft_pc_prefix "\${pcfiledir}/${weft_pc_up}")
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(weft_pc_prefix "${CMAKE_INSTALL_PREFIX}")
endif()
foreach(which IN ITEMS LIBDIR INCLUDEDIR)
  set(weft_pc_${which} "\${prefix}/${CMAKE_INSTALL_${which}}")
  if(IS_ABSOLUTE "${CMAKE_INSTALL_${which}}")
    set(weft_pc_${which} "${CMAKE_INSTALL_${which}}")
  endif()
endforeach()
configure_file(${CMAKE_CURRENT_LIST_DIR}/weft.pc.in ${PROJECT_BINARY_DIR}/weft.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/weft.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
