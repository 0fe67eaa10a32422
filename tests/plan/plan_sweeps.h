/* Sweeps for the tests of plan: YAML text in, plan out, with made-up facts instead of a loaded world. */
#ifndef PLAN_SWEEPS_H
#define PLAN_SWEEPS_H

#include "palimpsest/plan.h"

struct planned {
    struct sweep *sweep;
    struct plan *plan;
};
/* 8 readable and 2 reserved domains, tasks tense, subject_number, bigram_shift, object_number; fails the test on error.
 */
struct planned plan_of(const char *yaml, bool sharing);
int plan_try(const char *yaml, const struct world_facts *facts, struct planned *planned, struct error *err);
void planned_reset(struct planned *planned);
const struct world_facts *facts_of_tests(void);
int find_state(const struct plan *plan, struct hash128 state); /* stage number or -1 */

/* A sweep with these axes and sections beside a name and a world. */
#define SWEEP(rest)                                                                                                    \
    "name: t\nworld: {kind: grammar, domains: 8, task_domains: 2}\n"                                                   \
    "tasks: [tense, subject_number, bigram_shift, object_number]\n" rest

#endif
