# One target per folder of the pipeline.
#
#   ramet_module(histogram DEPENDS bins loss)
#
# makes the static library `ramet_histogram` of the folder's *.cc, links it to the named folders only, and
# makes one test program `histogram_test` of its *_test.cc and one `histogram_benchmark` of its *_benchmark.cc.

# Flags that every file of the project is compiled with. Contraction is off everywhere: a fused multiply-add
# rounds once where the specification rounds twice (design rule 4).
add_library(ramet_flags INTERFACE)
target_compile_features(ramet_flags INTERFACE cxx_std_20)
target_compile_options(ramet_flags INTERFACE -Wall -Wextra -Wpedantic -Wno-psabi -Wno-restrict -ffp-contract=off -fno-math-errno)
# Targets that add nothing over their neighbours are left out; the scalar one is always compiled.
target_compile_definitions(ramet_flags INTERFACE HWY_COMPILE_ALL_ATTAINABLE
                           "HWY_DISABLED_TARGETS=(HWY_SSSE3|HWY_AVX3_DL)")
target_include_directories(ramet_flags INTERFACE ${PROJECT_SOURCE_DIR}/src)
if(RAMET_SANITIZE)
  target_compile_options(ramet_flags INTERFACE -fsanitize=${RAMET_SANITIZE} -fno-sanitize-recover=all
                         -fno-omit-frame-pointer)
  target_link_options(ramet_flags INTERFACE -fsanitize=${RAMET_SANITIZE})
endif()

function(ramet_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBRARIES} ramet_flags GTest::gtest GTest::gtest_main)
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 600)
endfunction()

function(ramet_module name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LIBRARIES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cc)
  set(tests ${sources})
  set(benchmarks ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER benchmarks INCLUDE REGEX "_benchmark\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_(test|benchmark)\\.cc$")
  set(target ramet_${name})
  if(sources)
    add_library(${target} STATIC ${sources})
    set(scope PUBLIC)
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_link_libraries(${target} ${scope} ramet_flags ${ARG_LIBRARIES})
  foreach(dependency ${ARG_DEPENDS})
    target_link_libraries(${target} ${scope} ramet_${dependency})
  endforeach()
  set_property(GLOBAL APPEND PROPERTY RAMET_MODULES ${target})
  set_property(GLOBAL APPEND PROPERTY RAMET_LIBRARIES ${ARG_LIBRARIES})
  if(RAMET_BUILD_TESTS AND tests)
    ramet_test(${name}_test SOURCES ${tests} LIBRARIES ${target})
  endif()
  if(RAMET_BUILD_BENCHMARKS AND benchmarks)
    add_executable(${name}_benchmark ${benchmarks})
    target_link_libraries(${name}_benchmark PRIVATE ${target} benchmark::benchmark_main)
  endif()
endfunction()
