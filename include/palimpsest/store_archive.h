/* store, beyond one run: a results file read by its own account, and taken over into another. */
#ifndef PALIMPSEST_STORE_ARCHIVE_H
#define PALIMPSEST_STORE_ARCHIVE_H

#include "palimpsest/store.h"

/* A whole results file.  Its sweep file, its data, and the program that wrote it may be gone. */
struct archive {
    char *path;
    struct store_origin origin;
    const struct plan *plan; /* as far as the file tells it: rows, tree (ids, kind, place, parent, cell, steps, groups),
                              * group (used, cells, stage), extents, and of the sweep the instruments */
    enum stage_status *status; /* [rows]: pending also where damaged */
    bool *damaged;             /* [rows]: the mark or the record disagrees with its checksum */
    int damaged_rows;
    int64_t strays; /* places of variables that no stage fills, and that hold something all the same */
    size_t *start; /* [rows + 1]: of each record in numbers; none where nothing is committed */
    double *numbers;
    struct stage_provenance *provenance; /* [rows] */
};
/* Reads everything, once; also while a run writes the file: what is not committed yet is pending. */
int archive_read(const char *path, struct archive **archive, struct error *err);
void archive_destroy(struct archive **archive);
const double *archive_record(const struct archive *archive, int row, int *length); /* borrowed */
/* Where number `at` of a row's record stands: "second_accuracy_first[0, 2, 1]", its first place.  plan: a whole one. */
void record_place(const struct plan *plan, int row, int at, char *text, size_t size);

struct taken {
    int common;          /* stages of the plan whose state or record the old file knows, done or not */
    int records, states; /* that were taken */
    int damaged;         /* rows that would have been, were they not damaged */
};
/* Rows of the plan that are not final yet are filled from old and committed, where it holds their record (by record
 * id), with the checkpoints that somebody needs (leaves: all); of the others it takes the state (by state id).  On one
 * rank; store is open at results_path. */
int store_take(struct store *store, const char *results_path, const struct plan *plan, const struct archive *old,
               bool leaves, struct taken *taken, struct error *err);

struct merged {
    int rows, states; /* that the new file has */
};
/* Files of one sweep (the caller has compared their hashes) become the file at path, which must not be there yet; their
 * checkpoints come along.  Serial.  ERROR_INPUT: two files have different records of one stage. */
int store_merge(const struct archive *const *from, int files, const char *path, struct merged *merged,
                struct error *err);

#endif
