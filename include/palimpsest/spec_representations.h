/* What measuring representations takes: rows of features, and the buffers of probes and of similarities, each one block cut
 * by one table.  measure cuts it, plan adds it up. */
#ifndef PALIMPSEST_SPEC_REPRESENTATIONS_H
#define PALIMPSEST_SPEC_REPRESENTATIONS_H

#include "palimpsest/spec_shape.h"
#include "palimpsest/spec_world.h"

enum { POOLS = 2 }; /* of enum pool_kind */

/* Features of so many rows (items or windows): [layers + 2][POOLS][rows][width] floats; embedding, blocks, final norm. */
int64_t features_floats(const struct model_shape *shape, int64_t rows);

struct probe_rows { /* items of a task that a probe is fitted on, chosen by, and scored on */
    int train, development, test;
};
/* Of one task by the settings; and of the tasks of a world at most, with the largest number of classes. */
struct probe_rows probe_rows_of(const struct settings *settings, const struct task_facts *task);
struct probe_rows probe_rows_most(const struct settings *settings, const struct world_facts *facts, int *classes);
enum {
    PROBE_MEMORY = 10, /* pairs of steps that the minimiser remembers */
    PROBE_PANEL = 64,  /* items that stand side by side: PANEL of kernels_regression.h */
    PROBE_LANES = 8,   /* REAL_LANES there */
};
enum probe_buffer {
    PROBE_FEATURES, PROBE_LABELS, PROBE_TARGETS, PROBE_PANELS, PROBE_SCALES, PROBE_FACTOR, PROBE_SEARCH, PROBE_WEIGHTS, PROBE_CHOSEN, PROBE_SUMS,
    PROBE_LOGITS, PROBE_BUFFERS
};
/* start[buffer], in bytes, for probes of at most so many rows and classes; start[PROBE_BUFFERS] is the whole. */
void probe_work_table(const struct model_shape *shape, const struct probe_rows *rows, int classes,
                      int64_t start[PROBE_BUFFERS + 1]);
int probe_panels(int rows); /* panels of items that so many rows of one split fill */
/* Doubles that a minimiser of so many variables needs. */
int64_t minimiser_doubles(int64_t variables);

enum similarity_buffer {
    SIMILARITY_FEATURES, SIMILARITY_LABELS, SIMILARITY_ROWS, SIMILARITY_PRODUCTS, SIMILARITY_COSINES, SIMILARITY_MEANS,
    SIMILARITY_BUFFERS
};
/* The same for comparing two states on so many stimuli, and two tasks of at most so many classes. */
void similarity_work_table(const struct model_shape *shape, int stimuli, int classes,
                           int64_t start[SIMILARITY_BUFFERS + 1]);

#endif
