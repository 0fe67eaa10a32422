# How palimpsest is compiled.
option(PALIMPSEST_TESTS "build the tests (needs cmocka)" ON)
option(PALIMPSEST_TILES "matrix products by tiles of our own where the processor fuses multiply and add; OFF: all by OpenBLAS" ON)
option(PALIMPSEST_WERROR "warnings are errors" OFF)
option(PALIMPSEST_SANITIZE "address and undefined-behaviour sanitizers" OFF)
option(PALIMPSEST_FUZZ "the fuzz targets instead of the tests (needs clang with libFuzzer), sanitizers on" OFF)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_C_FLAGS_RELEASE "-O3 -g")

# Bits must not depend on whether a compiler fuses a multiplication and an addition: no contraction, no fast-math.
add_compile_options(-Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
                    -Wwrite-strings -ffp-contract=off -fno-math-errno -fno-trapping-math)
add_compile_definitions(_GNU_SOURCE)
if(PALIMPSEST_WERROR)
  add_compile_options(-Werror)
endif()
if(PALIMPSEST_FUZZ)
  set(PALIMPSEST_SANITIZE ON)
  include(${CMAKE_CURRENT_LIST_DIR}/libfuzzer.cmake)
endif()
if(PALIMPSEST_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
  add_compile_definitions(PALIMPSEST_SANITIZE)
endif()

# palimpsest_limit_seconds(): TEST_SECONDS of a test, 60 unless given.  The limit is for what hangs; under the sanitizers some
#   take six times as long.
macro(palimpsest_limit_seconds)
  if(NOT TEST_SECONDS)
    set(TEST_SECONDS 60)
  endif()
  if(PALIMPSEST_SANITIZE)
    math(EXPR TEST_SECONDS "6 * ${TEST_SECONDS}")
  endif()
endmacro()
