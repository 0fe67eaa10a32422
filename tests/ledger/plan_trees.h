/* Plans made by hand: only what the ledger looks at. */
#ifndef PLAN_TREES_H
#define PLAN_TREES_H

#include "palimpsest/plan.h"

/* A random tree of so many stages with up to three needs each; the same seed gives the same plan. */
struct plan *tree_random(uint64_t seed, int stages);
void tree_destroy(struct plan **plan);
double *tree_random_costs(const struct plan *plan, uint64_t seed); /* 0.5 to 10 s; memory_free */

#endif
