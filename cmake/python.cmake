# PALIMPSEST_PYTHON: the interpreter of the tests and tools, the first that has every module they read results with
# (tools/install names the modules; a python3 of pyenv or conda that is first on the PATH may lack them).
set(PALIMPSEST_PYTHON "" CACHE FILEPATH "Python with what tools/install test names")
if(NOT PALIMPSEST_PYTHON)
  foreach(candidate python3 /usr/bin/python3)
    execute_process(COMMAND ${candidate} -c "import numpy, h5py, xarray, h5netcdf, netCDF4, scipy, matplotlib, statsmodels, sklearn"
                    RESULT_VARIABLE result OUTPUT_QUIET ERROR_QUIET)
    if(result EQUAL 0)
      set(PALIMPSEST_PYTHON ${candidate} CACHE FILEPATH "" FORCE)
      break()
    endif()
  endforeach()
endif()
if(NOT PALIMPSEST_PYTHON)
  message(FATAL_ERROR "No python3 with numpy, h5py, xarray, h5netcdf, netCDF4, scipy, matplotlib, statsmodels and "
                      "sklearn was found: the tests read results with them. Run tools/install test, or set -DPALIMPSEST_PYTHON=...")
endif()

# palimpsest_python_test(name script.py [ARGUMENTS ...] [LABELS ...] [SECONDS 60]): exit 0 passes, 77 is skipped.
function(palimpsest_python_test name script)
  cmake_parse_arguments(TEST "" "SECONDS" "ARGUMENTS;LABELS" ${ARGN})
  palimpsest_limit_seconds()
  add_test(NAME ${name} COMMAND ${PALIMPSEST_PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/${script} ${TEST_ARGUMENTS})
  set_tests_properties(${name} PROPERTIES LABELS "${TEST_LABELS}" TIMEOUT ${TEST_SECONDS} SKIP_RETURN_CODE 77)
endfunction()
