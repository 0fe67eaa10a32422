/* Shared between writer.c, which opens the results file for filling, and store_rows.c, which fills it. */
#ifndef PALIMPSEST_WRITER_PRIVATE_H
#define PALIMPSEST_WRITER_PRIVATE_H

#include "store_private.h"

struct slot { /* an open dataset, and the block of values at one place of it */
    const char *name;
    hid_t dataset, space, block, type;
    int rank;
    hsize_t count[DIMENSIONS_MOST]; /* of the block; 1 along the dimensions that places are counted by */
    hsize_t values;                 /* in the block */
};
struct store {
    const struct plan *plan;
    char *path;
    MPI_Comm comm;
    int descriptor; /* to sync through */
    hid_t file, transfer;
    hid_t blocks; /* in memory, of several places: its extent is set for each write */
    int columns;
    struct column *column;
    struct slot *slot; /* [columns] */
    struct slot mark, provenance, attempt, certificate;
    haddr_t attempts_at; /* in the file */
    hid_t provenance_type, certificate_type;
    char *gathered; /* scratch: the values of one write */
    size_t gathered_capacity;
};

#endif
