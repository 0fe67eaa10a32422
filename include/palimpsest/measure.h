/* measure: the instruments; pure measurements of a state, and the formulas that turn scores into forgetting. */
#ifndef PALIMPSEST_MEASURE_H
#define PALIMPSEST_MEASURE_H

#include "palimpsest/model.h"
#include "palimpsest/train.h"
#include "palimpsest/world.h"

struct meter; /* forward-only buffers for one shape */
struct meter *meter_create(const struct model_shape *shape);
void meter_destroy(struct meter **meter);

/* Mean LM loss on the reference windows of one domain, nats per token; masked objective: over a fixed 15 %. */
double measure_lm_loss(struct meter *meter, const struct world *world, const struct state *state, int domain,
                       int64_t tokens);
struct score { /* on the first `items` test items of a task */
    int items;
    double accuracy, loss, log_odds; /* loss: mean -log p(true); log_odds: mean log p(true) / (1 - p(true)), nats */
};
struct score measure_task(struct meter *meter, const struct world *world, const struct state *state, int task,
                          const struct readout *readout, int items);
/* Failed run (Mosbach et al. 2021): accuracy not above the majority class by a one-sided exact binomial test at 5 %. */
bool score_failed(double accuracy, int items, double majority);
/* ||layer of a - layer of b|| / ||layer of b||, out[layers of the shape + 2]: embedding, blocks, final. */
void measure_displacement(const struct state *a, const struct state *b, double *out);

/* ---- forgetting: R[s][j] is the score on task j after place s, s and j < places; see fields_table for sources ---- */

struct forgetting {
    double normalised; /* default outcome: mean over j of (R[j][j] - R[k][j]) / (R[j][j] - chance), where j was learnt */
    double drop;       /* mean R[j][j] - R[k][j] */
    double loss_rise;  /* mean loss[k][j] - loss[j][j] */
    double maximum;    /* Chaudhry et al. 2018: mean over j of max over j <= l < k of R[l][j], minus R[k][j] */
    double relative;   /* mean (R[j][j] - R[k][j]) / R[j][j] */
    double backward_transfer; /* Lopez-Paz and Ranzato 2017: mean R[k][j] - R[j][j] */
};
/* After `places` >= 2 tasks; NaN where it is not defined (nothing learnt, nothing forgotten). */
struct forgetting forgetting_of(const struct history *history, int places);
/* Learnt: accuracy above chance by more than three standard errors of an accuracy at chance over that many items. */
bool task_learnt(double accuracy, double chance, int items);

#endif
