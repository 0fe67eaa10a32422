/* A small model in the fake world, and what the double-precision reference says of it: for tests of measurements. */
#ifndef SMALL_STATE_H
#define SMALL_STATE_H

#include "fake_world.h"
#include "palimpsest/measure.h"

struct model_shape small_shape(enum objective objective, bool share_layers);
/* Heads for both tasks; weights by `name`, large enough that nothing is nearly linear, norms off 1 and biases off 0. */
struct state *small_state(const struct model_shape *shape, const char *name);
/* Mean LM loss over both domains of a causal model with these weights, window after window in double precision. */
double plain_lm_mean(const struct state *state, const double *values, int windows);
/* Mean loss and accuracy over the items order[0 .. items - 1] of a split, item after item in double precision. */
struct plain_score {
    double loss, accuracy;
};
struct plain_score plain_task(const struct state *state, const double *values, int task, enum split split,
                              const struct readout *readout, const uint32_t *order, int items);

#endif
