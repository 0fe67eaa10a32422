/* spec: plain structs that every room speaks, with their pure arithmetic, and two tables: the settings a sweep file can
 * set, and the instruments with the fields they fill.  No I/O, no state.  The door has six leaves; include this one. */
#ifndef PALIMPSEST_SPEC_H
#define PALIMPSEST_SPEC_H

#include "palimpsest/spec_instruments.h" /* IWYU pragma: export */
#include "palimpsest/spec_record.h"   /* IWYU pragma: export */
#include "palimpsest/spec_representations.h" /* IWYU pragma: export */
#include "palimpsest/spec_settings.h" /* IWYU pragma: export */
#include "palimpsest/spec_shape.h"    /* IWYU pragma: export */
#include "palimpsest/spec_world.h"    /* IWYU pragma: export */

#endif
