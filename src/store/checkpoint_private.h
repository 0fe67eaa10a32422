/* Shared between the sources of checkpoints only. */
#ifndef PALIMPSEST_CHECKPOINT_PRIVATE_H
#define PALIMPSEST_CHECKPOINT_PRIVATE_H

#include "store_private.h"

enum { FRONT_BYTES = 512, FRONT_VERSION = 2 };
#define FRONT_MAGIC "palimpsest state" /* fills its place without an end */

struct front { /* of every checkpoint file; the whole block is compared, so every byte of it counts */
    char magic[16];
    uint64_t version, length;            /* length: bytes after the block */
    struct hash128 state, record, check; /* check: of the name and the bytes after the block */
    uint64_t partial;
    char nothing[FRONT_BYTES - 88];
};
_Static_assert(sizeof(struct front) == FRONT_BYTES, "the block in front has no gaps");

/* checkpoint_state.c: a state to and from the objects of an HDF5 file. */
int state_put(const struct hdf *hdf, const struct state *state);
int state_get(const struct hdf *hdf, struct state **state);

#endif
