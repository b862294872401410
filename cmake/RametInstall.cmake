# What other programs build against: one shared library of all folders, the headers of its interface, and the package
# that makes
#
#   find_package(ramet REQUIRED)
#   target_link_libraries(program PRIVATE ramet::ramet)
#
# work. Include after the folders of src/ramet are added; not for sanitizer builds, which are not for installing.
include(CMakePackageConfigHelpers)

# Sets `out` to the given headers (relative to src/) and all of ours that they include, so that what is installed is the
# interface and nothing else: kernels and their dispatch stay inside.
function(ramet_header_closure out)
  set(pending ${ARGN})
  set(found "")
  while(pending)
    list(POP_FRONT pending header)
    if(header IN_LIST found)
      continue()
    endif()
    list(APPEND found ${header})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${header})
    file(STRINGS ${PROJECT_SOURCE_DIR}/src/${header} lines REGEX "^#include \"ramet/")
    foreach(line ${lines})
      string(REGEX REPLACE "^#include \"([^\"]+)\".*" "\\1" included ${line})
      list(APPEND pending ${included})
    endforeach()
  endwhile()
  set(${out} ${found} PARENT_SCOPE)
endfunction()

get_property(modules GLOBAL PROPERTY RAMET_MODULES)
get_property(libraries GLOBAL PROPERTY RAMET_LIBRARIES)
list(REMOVE_DUPLICATES libraries)
add_library(ramet_shared SHARED)
foreach(module ${modules})
  get_target_property(type ${module} TYPE)
  if(type STREQUAL "STATIC_LIBRARY")
    target_sources(ramet_shared PRIVATE $<TARGET_OBJECTS:${module}>)
  endif()
endforeach()
set_target_properties(ramet_shared PROPERTIES
  OUTPUT_NAME ramet EXPORT_NAME ramet LINKER_LANGUAGE CXX VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
target_link_libraries(ramet_shared PRIVATE ramet_flags ${libraries})
# Calls within the library stay within it: a program that compiled one of our inline functions with other floating-point
# flags must not replace ours.
target_link_options(ramet_shared PRIVATE LINKER:-Bsymbolic-functions LINKER:--no-undefined)
target_compile_features(ramet_shared INTERFACE cxx_std_20)
target_include_directories(ramet_shared INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

ramet_header_closure(headers ramet/boost/boost.h ramet/predict/predict.h ramet/metric/metric.h ramet/loss/loss.h)
foreach(header ${headers})
  cmake_path(GET header PARENT_PATH folder)
  install(FILES ${PROJECT_SOURCE_DIR}/src/${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/${folder})
endforeach()

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/ramet)
install(TARGETS ramet_shared EXPORT ramet-targets)
install(EXPORT ramet-targets NAMESPACE ramet:: DESTINATION ${package_folder})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/ramet-config.cmake.in
                              ${PROJECT_BINARY_DIR}/ramet-config.cmake INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/ramet-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/ramet-config.cmake ${PROJECT_BINARY_DIR}/ramet-config-version.cmake
        DESTINATION ${package_folder})
