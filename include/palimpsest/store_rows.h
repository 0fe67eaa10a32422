/* store, leaf: what stages leave in the results file while they run and when they have ended.  Include store.h. */
#ifndef PALIMPSEST_STORE_ROWS_H
#define PALIMPSEST_STORE_ROWS_H

#include "palimpsest/plan.h"

struct store;

/* ---- a stage that has ended ---- */

/* Fill every view of a stage from its record, and its status; not yet committed.  record NULL: all NaN. */
int store_write_record(struct store *store, const struct assignment *assignment, const struct view *views,
                       const double *record, enum stage_status status, struct error *err);
/* The mark: status and the checksum of record[length] (and of nothing else, so that equal runs have equal marks);
 * record NULL: all NaN. */
int store_write_mark(struct store *store, int row, enum stage_status status, const double *record, int length,
                     struct error *err);
struct stage_provenance {    /* what may differ between two runs of one sweep */
    double started, seconds; /* started: since 1970; seconds: with its checkpoint, without the writing of its row */
    double flops_per_second;
    int64_t peak_bytes; /* most memory of the rank so far */
    int rank, attempts;
    struct time_spent spent; /* here, so that the file's members stand in the order of memory, as numpy wants them */
    char host[64];
    char reason[256]; /* of a failure; of a row that was taken over, REUSED_REASON, the file, and what stood there */
};
#define REUSED_REASON "reused from"
int store_write_provenance(struct store *store, int row, const struct stage_provenance *facts, struct error *err);

/* ---- several that have ended, committed together ---- */

struct store_row {
    const struct assignment *assignment;
    const struct view *views; /* [assignment->views] */
    const double *record;     /* [length]; NULL: all NaN */
    int length;
    enum stage_status status;
    struct stage_provenance facts;
};
/* The records of all of them; then, in a call of its own, their provenance and after it their marks.  Places at equal
 * distances along an axis take one call of HDF5 for each variable, and places side by side one write to the file; so
 * rows are best given in the order of the stage table.  -1: some may have been written. */
int store_write_records(struct store *store, const struct store_row *row, int rows, struct error *err);
int store_write_marks(struct store *store, const struct store_row *row, int rows, struct error *err);

/* ---- a stage that is not committed ---- */

/* What is known of it: how its process fared.  Written before and while it runs, and read by the next run when this one
 * dies. */
struct stage_attempt {
    int running;      /* 0: no; 1: among others; 2: alone, everybody else idle */
    int deaths;       /* in a row, each alone and at the same step */
    bool suspect;     /* was running at two deaths and got no further in between */
    int64_t step;     /* it had reached, as far as it said */
    int64_t furthest; /* step reached at any death; -1: none yet */
};
/* row[attempts], attempt[attempts]; in one write where the rows stand side by side. */
int store_write_attempts(struct store *store, const int *row, const struct stage_attempt *attempt, int attempts,
                         struct error *err);
int store_write_attempt(struct store *store, int row, const struct stage_attempt *attempt, struct error *err);
/* The same for signal handlers: past HDF5, async-signal-safe, and fails in silence. */
void store_note_attempt(const struct store *store, int row, const struct stage_attempt *attempt);

#endif
