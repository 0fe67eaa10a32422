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

/* ---- checkpoint.c ---- */

/* RESULTS.stages for RESULTS.h5, and NAME-stages for any other name, so that `a` and `a.h5` do not share one;
 * memory_free, as the next. */
char *checkpoint_folder(const char *results_path);
/* All of a results file, and their folder, unless somebody else has put something into it. */
int checkpoints_remove(const char *results_path, struct error *err);
char *checkpoint_path(const char *results_path, const struct checkpoint_name *name);
/* What the block says is a checkpoint of this program and of a file of so many bytes; and it is the one of that name.
 */
int front_check_form(const char *path, const struct front *found, size_t count, struct error *err);
int front_check_name(const char *path, const struct checkpoint_name *name, const struct front *found,
                     struct error *err);
/* The same, and the checksum, of a whole file in memory. */
int checkpoint_check_bytes(const char *path, const struct checkpoint_name *name, const char *bytes, size_t count,
                           struct error *err);

/* ---- checkpoint_state.c: a state to and from the objects of an HDF5 file ---- */

int state_put(const struct hdf *hdf, const struct state *state);
int state_get(const struct hdf *hdf, struct state **state);

#endif
