/* Plans made by hand: only what the ledger looks at. */
#ifndef PLAN_TREES_H
#define PLAN_TREES_H

#include "palimpsest/plan.h"

/* A random tree of so many stages with up to three needs each; the same seed gives the same plan. */
struct plan *tree_random(uint64_t seed, int stages);
/* The grid of sizes (1, 4, 16, 64 times the cost), varieties, seeds, doubling amounts, and ordered pairs of tasks;
 * cost[stages] of each stage in seconds, memory_free. */
struct grid {
    int sizes, varieties, seeds, amounts, tasks;
    double finetune; /* seconds of one fine-tuning at the smallest size; the smallest amount takes 1 */
};
struct plan *tree_grid(const struct grid *grid, double **cost);
void tree_destroy(struct plan **plan);
double *tree_random_costs(const struct plan *plan, uint64_t seed); /* 0.5 to 10 s; memory_free */
/* cost[] times a log-normal error of that deviation. */
double *tree_with_errors(const struct plan *plan, const double *cost, double deviation, uint64_t seed);

#endif
