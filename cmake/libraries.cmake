# Foreign libraries; each is linked by the one room that may use it (include/palimpsest, README.md).
find_package(PkgConfig REQUIRED)
find_package(MPI REQUIRED COMPONENTS C)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
# Headers only: the library itself, which must be a shared one, is loaded while the program runs (src/kernels/blas.c).
pkg_check_modules(OPENBLAS REQUIRED openblas)
find_library(PALIMPSEST_OPENBLAS_FILE NAMES libopenblas.so.0 HINTS ${OPENBLAS_LIBRARY_DIRS})
if(NOT PALIMPSEST_OPENBLAS_FILE)
  message(FATAL_ERROR "There is no shared OpenBLAS (libopenblas.so.0); palimpsest chooses its core when it starts "
                      "(Debian: libopenblas-dev; on a cluster: another module openblas, or one built with "
                      "BUILD_SHARED_LIBS)")
endif()
set(PALIMPSEST_OPENBLAS_NAME libopenblas.so.0)

# Parallel HDF5 as Debian names it, or whatever the site's h5pcc knows.
pkg_check_modules(HDF5_OPENMPI QUIET IMPORTED_TARGET hdf5-openmpi)
if(HDF5_OPENMPI_FOUND)
  add_library(palimpsest_hdf5 ALIAS PkgConfig::HDF5_OPENMPI)
else()
  set(HDF5_PREFER_PARALLEL ON)
  find_package(HDF5 REQUIRED COMPONENTS C)
  if(NOT HDF5_IS_PARALLEL)
    message(FATAL_ERROR "This HDF5 was built without MPI; palimpsest needs parallel HDF5 "
                        "(Debian: libhdf5-openmpi-dev; on a cluster: module load hdf5-parallel or the like)")
  endif()
  add_library(palimpsest_hdf5 INTERFACE)
  target_include_directories(palimpsest_hdf5 SYSTEM INTERFACE ${HDF5_C_INCLUDE_DIRS})
  target_link_libraries(palimpsest_hdf5 INTERFACE ${HDF5_C_LIBRARIES})
endif()

find_path(RANDOM123_INCLUDE_DIR Random123/philox.h REQUIRED)
