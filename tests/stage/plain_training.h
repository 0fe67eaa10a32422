/* The trainings of a stage as a plain loop: from the parent's state for so many steps, with nothing on the way.  Made of
 * train, measure and world alone, so that it knows nothing of how a stage is carried out. */
#ifndef PLAIN_TRAINING_H
#define PLAIN_TRAINING_H

#include "tree_runner.h"

struct plain { /* a stage of a run, and buffers for its shape */
    const struct tree_run *run;
    struct cell cell;
    const struct state *parent;
    struct trainer *trainer;
    struct meter *meter;
};
struct plain plain_of(const struct tree_run *run, int stage);
void plain_reset(struct plain *plain);
/* The task at `at` of the sequence, in the orders of items and with the new head of `place`, up to `step`.  The
 * caller's, as is the next. */
struct state *plain_learn(const struct plain *plain, int at, int place, const struct finetune_recipe *recipe,
                          int64_t step);
/* Pretraining on: every window fetched by its number in the stream, counted from where the cell's pretraining ended. */
struct state *plain_read_on(const struct plain *plain, int64_t step);
struct score plain_score(const struct plain *plain, const struct state *state, int at);
double plain_language(const struct plain *plain, const struct state *state); /* mean over reference domains */

#endif
