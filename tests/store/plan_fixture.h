/* A small sweep made by hand, its plan, and made-up records: what the results file is tested with. */
#ifndef PALIMPSEST_PLAN_FIXTURE_H
#define PALIMPSEST_PLAN_FIXTURE_H

#include "palimpsest/plan.h"

/* size [nano, mini], tokens [0, 320, 640], variety [1, 2], three sequences of tasks, seed [1, 2]; with `zipped`, size
 * and pretrain.batch walk together as `shape`, amounts are partly relative, and model.objective is one more axis. */
struct fixture {
    struct sweep sweep;
    struct plan *plan;
};
struct fixture *fixture_create(bool zipped, bool sharing);
void fixture_destroy(struct fixture **fixture);
/* The record that stage `stage` of the plan leaves here: numbers by row and place in the record; memory_free. */
double *fixture_record(const struct plan *plan, int stage, int *length);

#endif
