# Is there libFuzzer?  Every room is compiled so that it can see which branches an input takes.
include(CheckCSourceCompiles)
set(CMAKE_REQUIRED_FLAGS -fsanitize=fuzzer,address,undefined)
check_c_source_compiles("
  #include <stddef.h>
  #include <stdint.h>
  int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);
  int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) { return bytes == NULL && count != 0; }"
  PALIMPSEST_HAS_LIBFUZZER)
unset(CMAKE_REQUIRED_FLAGS)
if(NOT PALIMPSEST_HAS_LIBFUZZER)
  message(FATAL_ERROR "The fuzz targets need clang with libFuzzer and its sanitizers; this is ${CMAKE_C_COMPILER_ID} "
                      "${CMAKE_C_COMPILER_VERSION} (${CMAKE_C_COMPILER}). Debian: apt-get install clang libclang-rt-14-dev "
                      "(tools/install test does it); on a cluster: a module llvm with compiler-rt")
endif()
add_compile_options(-fsanitize=fuzzer-no-link)
