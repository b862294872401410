# Arrow C++ from the wheel of pyarrow: headers and libraries, without writing into the wheel.
#
#   find_package(PyArrow REQUIRED)     # asks ${RAMET_PYTHON} where pyarrow is
#   target_link_libraries(x PRIVATE PyArrow::parquet)
#
# Defines PyArrow::arrow, PyArrow::compute and PyArrow::parquet, and PyArrow_VERSION. The wheel has the libraries under
# their versioned names only (libarrow.so.2600), so they are linked by their full file names; CMake adds their folder to
# the run path of what links them.
execute_process(
  COMMAND "${RAMET_PYTHON}" -c
          "import pyarrow as p; print(p.__version__, p.get_include(), p.get_library_dirs()[0], sep=';')"
  OUTPUT_VARIABLE answer ERROR_VARIABLE complaint RESULT_VARIABLE code OUTPUT_STRIP_TRAILING_WHITESPACE)
if(code EQUAL 0)
  list(GET answer 0 PyArrow_VERSION)
  list(GET answer 1 PyArrow_INCLUDE_DIR)
  list(GET answer 2 PyArrow_LIBRARY_DIR)
  foreach(library arrow arrow_compute parquet)
    file(GLOB found "${PyArrow_LIBRARY_DIR}/lib${library}.so.*")
    list(FILTER found INCLUDE REGEX "\\.so\\.[0-9]+$")
    if(found)
      list(GET found 0 PyArrow_${library}_LIBRARY)
    endif()
  endforeach()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  PyArrow REQUIRED_VARS PyArrow_parquet_LIBRARY PyArrow_arrow_LIBRARY PyArrow_INCLUDE_DIR VERSION_VAR PyArrow_VERSION
  REASON_FAILURE_MESSAGE "${RAMET_PYTHON} has no pyarrow with libraries (${complaint}). Install the wheel `pyarrow`, \
name another Python with -DRAMET_PYTHON=…, or build without the command: -DRAMET_BUILD_COMMAND=OFF")

if(PyArrow_FOUND AND NOT TARGET PyArrow::arrow)
  foreach(library arrow arrow_compute parquet)
    if(PyArrow_${library}_LIBRARY)
      string(REPLACE "arrow_" "" target ${library})
      add_library(PyArrow::${target} SHARED IMPORTED)
      set_target_properties(PyArrow::${target} PROPERTIES IMPORTED_LOCATION "${PyArrow_${library}_LIBRARY}"
                                                          INTERFACE_INCLUDE_DIRECTORIES "${PyArrow_INCLUDE_DIR}")
    endif()
  endforeach()
  if(TARGET PyArrow::compute)
    set_property(TARGET PyArrow::compute PROPERTY INTERFACE_LINK_LIBRARIES PyArrow::arrow)
  endif()
  set_property(TARGET PyArrow::parquet PROPERTY INTERFACE_LINK_LIBRARIES PyArrow::arrow)
endif()
