# palimpsest_room(name SOURCES a.c ... [ROOMS base ...] [LIBRARIES target ...])
#   the static library palimpsest_<name>; ROOMS are the rooms it may include, LIBRARIES what is foreign to the project
function(palimpsest_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;ROOMS;LIBRARIES" ${ARGN})
  add_library(palimpsest_${name} STATIC ${ROOM_SOURCES})
  target_include_directories(palimpsest_${name} PUBLIC ${PROJECT_SOURCE_DIR}/include)
  list(TRANSFORM ROOM_ROOMS PREPEND palimpsest_)
  target_link_libraries(palimpsest_${name} PUBLIC ${ROOM_ROOMS} PRIVATE ${ROOM_LIBRARIES})
endfunction()
