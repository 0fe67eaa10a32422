/* Shared between the sources of checkpoints only. */
#ifndef PALIMPSEST_CHECKPOINT_PRIVATE_H
#define PALIMPSEST_CHECKPOINT_PRIVATE_H

#include "store_private.h"

/* checkpoint_state.c: a state to and from the objects of an HDF5 file. */
int state_put(const struct hdf *hdf, const struct state *state);
int state_get(const struct hdf *hdf, struct state **state);

#endif
