/* measure: the instruments; pure measurements of a state, and the formulas that turn scores into forgetting. */
#ifndef PALIMPSEST_MEASURE_H
#define PALIMPSEST_MEASURE_H

#include "palimpsest/measure_mediators.h"
#include "palimpsest/measure_probes.h"     /* IWYU pragma: export */
#include "palimpsest/measure_similarity.h" /* IWYU pragma: export */
#include "palimpsest/model.h"
#include "palimpsest/train.h"
#include "palimpsest/world.h"

struct meter; /* forward-only buffers for one shape */
struct meter *meter_create(const struct model_shape *shape);
void meter_destroy(struct meter **meter);

/* Mean LM loss on the reference windows of one domain, nats per token; NaN when it has none.  Masked objective: over 15
 * % of the positions of each window, fixed by (data of the domain, window): the same for all models. */
double measure_lm_loss(struct meter *meter, const struct world *world, const struct state *state, int domain,
                       int64_t tokens);
struct score { /* on the first `items` test items of a task, fewer where there are fewer */
    int items;
    double accuracy; /* share whose true label is the most probable; of equal ones the first label counts */
    double loss;     /* mean -log p(true), nats */
    double log_odds; /* mean log p(true) / (1 - p(true)), nats; 1 - p is summed over the other labels, so that it stays
                        right where p rounds to 1, and no clamp is needed */
};
struct score measure_task(struct meter *meter, const struct world *world, const struct state *state, int task,
                          const struct readout *readout, int items);
/* The same, and for each of these items whether it counted as correct, 1 or 0, in right[score.items]. */
struct score measure_items(struct meter *meter, const struct world *world, const struct state *state, int task,
                           const struct readout *readout, int items, uint8_t *right);
/* Bits that a code by this model's probabilities takes for the labels of training items: sum of -log2 p(label) over those
 * whose numbers are in item[items]. */
double measure_code(struct meter *meter, const struct world *world, const struct state *state, int task,
                    const struct readout *readout, const uint32_t *item, int items);
/* Failed run (Mosbach et al. 2021): accuracy not above the majority class by a one-sided exact binomial test at 5 %:
 * P(X >= correct) > 0.05 for X ~ Binomial(items, majority).  An accuracy that is NaN has failed. */
bool score_failed(double accuracy, int items, double majority);
double binomial_tail(int items, int correct, double probability); /* P(X >= correct); items up to 2^30 */
/* ||layer of a - layer of b|| / ||layer of b||, out[layers of the shape + 2]: embedding, blocks, final norm; heads do
 * not count.  NaN where a layer has no tensors of its own (shared layers: all blocks but the first). */
void measure_displacement(const struct state *a, const struct state *b, double *out);

/* ---- forgetting: R[s][j] is the score on task j after place s, s and j < places; see fields_table for sources ---- */

/* k is the last place; every mean is over 0 <= j < k. */
struct forgetting {
    double normalised; /* default outcome: mean over learnt j of (R[j][j] - R[k][j]) / (R[j][j] - chance) */
    double drop;       /* mean R[j][j] - R[k][j] */
    double loss_rise;  /* mean loss[k][j] - loss[j][j] */
    double maximum;  /* Chaudhry et al. 2018: mean of max over j <= l < k of R[l][j], minus R[k][j]; may be negative */
    double relative; /* mean over j with R[j][j] > 0 of (R[j][j] - R[k][j]) / R[j][j] */
    double backward_transfer; /* Lopez-Paz and Ranzato 2017: mean R[k][j] - R[j][j] */
};
/* After `places` >= 2 tasks; NaN where it is not defined (nothing learnt, nothing forgotten). */
struct forgetting forgetting_of(const struct history *history, int places);
/* Learnt: accuracy above chance by more than three standard errors of an accuracy at chance over that many items. */
bool task_learnt(double accuracy, double chance, int items);
/* normalised alone, of the scores now[places - 1] on the tasks before the last instead of those after it. */
double forgetting_normalised(const struct history *history, int places, const double *now);
/* Share of pretraining's progress on language modelling that is gone: (after - before) / (initial - before), losses in
 * nats (after Bethune et al. 2025).  NaN where there was no progress: at amount 0, or when the loss did not fall. */
double lm_progress_lost(double initial, double before, double after);
/* ---- curves: what the looks at a training saw, curve[count] in their order ---- */

struct reach { /* `share` of the way from look at - 1 to look `at`; at 0: the first; at -1: never */
    int at;
    double share;
};
/* Where a curve first is at least `level`, or, falling, at most: linear between two looks.  What is NaN is neither. */
struct reach curve_reach(const double *curve, int count, double level, bool falling);
/* Another curve of the same looks at that place, linear between two; NaN where that is nowhere. */
double curve_at(const double *curve, struct reach reach);
/* Ebbinghaus 1885: 1 - again / first, steps of learning once more and for the first time; NaN unless first > 0. */
double savings_of(double first, double again);
/* Mean of values[count]: of the loss over reference domains. */
double mean_of(const double *values, int count);

#endif
