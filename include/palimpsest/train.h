/* train: AdamW, schedules, the step loop.  Does not know where its numbers go. */
#ifndef PALIMPSEST_TRAIN_H
#define PALIMPSEST_TRAIN_H

#include "palimpsest/model.h"
#include "palimpsest/spec.h"
#include "palimpsest/world.h"

/* Asked before every step; a true answer pauses the training there (drain, checkpoint, deadline). May be NULL. */
typedef bool train_pause_f(void *context, int64_t step);

struct trainer; /* model buffers, gradient and scratch for one shape; reusable for many stages of it */
struct trainer *trainer_create(const struct model_shape *shape, int most_tokens, int most_sequences);
void trainer_destroy(struct trainer **trainer);

struct pretraining {
    struct optimizer_recipe optimizer;
    struct schedule_steps steps; /* warm-up and, on the cooldown branch, where the trunk ends and how long it cools */
    struct reading reading;
    int batch;
    int mask_token, vocabulary; /* masked objective: 15 %, of them 80 % mask, 10 % random, 10 % kept (Devlin et al. 2019) */
    bool cooling;               /* on the cooldown branch: rate x (1 - sqrt(done / cooldown)) */
};
/* Learning rate of absolute step `step` (from 0): linear warm-up, constant, 1 - sqrt cooldown (Haegele et al. 2024). */
double pretraining_rate(const struct pretraining *pretraining, int64_t step);
/* Trains state (with moments) from its step up to stop_step.  0: reached, or paused (state->step tells); -1 with
 * ERROR_STAGE when the loss or the gradient is no longer finite. */
int train_pretrain(struct trainer *trainer, const struct world *world, const struct pretraining *pretraining,
                   int64_t stop_step, train_pause_f *pause, void *context, struct state *state, struct error *err);

struct finetuning {
    struct finetune_recipe recipe;
    int task, place;
    uint64_t seed;
    int items; /* training items used: the first of a fixed order; 0: all */
    struct readout readout;
};
double finetuning_rate(const struct finetune_recipe *recipe, int64_t step); /* linear warm-up, linear decay to 0 */
/* Trains state (with moments, zero at step 0) up to recipe.steps; order of items by (seed, task, place). As above. */
int train_finetune(struct trainer *trainer, const struct world *world, const struct finetuning *finetuning,
                   train_pause_f *pause, void *context, struct state *state, struct error *err);

/* One AdamW step on values[count] with clipping already applied by `scale`; t counts from 1. */
void adamw_step(const struct optimizer_recipe *recipe, double rate, double scale, int64_t t, const struct state *state,
                int freeze, const float *gradient, float *values, float *moments);

#endif
