# palimpsest_test(name ROOMS room ... [SOURCES more.c ...] [LIBRARIES target ...] [LABELS unit] [SECONDS 60] [RANKS n])
#   builds name.c with cmocka and runs it; RANKS n: under mpirun.  Ranks wait for each other most of the time: such a test is
#   one of those that run at once, and only those that measure time run alone (RUN_SERIAL).
#   Labels: unit, mpi, fault, slow.
function(palimpsest_test name)
  cmake_parse_arguments(TEST "" "SECONDS;RANKS" "ROOMS;SOURCES;LIBRARIES;LABELS" ${ARGN})
  add_executable(${name} ${name}.c ${TEST_SOURCES})
  list(TRANSFORM TEST_ROOMS PREPEND palimpsest_)
  target_link_libraries(${name} PRIVATE ${TEST_ROOMS} ${TEST_LIBRARIES} PkgConfig::CMOCKA m)
  target_compile_definitions(${name} PRIVATE TEST_FOLDER="${PROJECT_SOURCE_DIR}/tests")
  palimpsest_limit_seconds()
  if(NOT TEST_LABELS)
    set(TEST_LABELS unit)
  endif()
  if(TEST_RANKS)
    add_test(NAME ${name} COMMAND ${MPIEXEC_EXECUTABLE} ${MPIEXEC_NUMPROC_FLAG} ${TEST_RANKS} --oversubscribe $<TARGET_FILE:${name}>)
    set_tests_properties(${name} PROPERTIES LABELS mpi TIMEOUT ${TEST_SECONDS}
      ENVIRONMENT "OMPI_ALLOW_RUN_AS_ROOT=1;OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1")
  else()
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES LABELS "${TEST_LABELS}" TIMEOUT ${TEST_SECONDS})
  endif()
endfunction()
