# How palimpsest is compiled.
option(PALIMPSEST_TESTS "build the tests (needs cmocka)" ON)
option(PALIMPSEST_WERROR "warnings are errors" OFF)
option(PALIMPSEST_SANITIZE "address and undefined-behaviour sanitizers" OFF)

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
if(PALIMPSEST_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
  add_compile_definitions(PALIMPSEST_SANITIZE)
endif()
