/* Runs a whole sweep in this process, stage after stage, with neither MPI nor files. */
#ifndef TREE_RUNNER_H
#define TREE_RUNNER_H

#include "palimpsest/plan.h"
#include "palimpsest/stage.h"

struct tree_run {
    struct sweep *sweep;
    struct world *world;
    struct plan *plan;
    struct stage_result *result; /* [plan->stages] */
    char (*failure)[256];        /* [plan->stages]: why a stage failed, or empty */
};
/* Fails the calling test when the sweep cannot be planned. */
void tree_run(const char *yaml, struct tree_run *run);
void tree_run_reset(struct tree_run *run);
/* Field of a stage's record, from its first value on; fails the test when the stage has none. */
const double *tree_field(const struct tree_run *run, int stage, enum field_id field);
int tree_find(const struct tree_run *run, struct hash128 state); /* stage number, or -1 */
struct hash128 tree_hash(const struct tree_run *run);            /* of all states and records, in plan order */

#endif
