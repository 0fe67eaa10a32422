/* stage: carry out one stage: states in, state and record out.  The room where world, model, train and measure meet. */
#ifndef PALIMPSEST_STAGE_H
#define PALIMPSEST_STAGE_H

#include "palimpsest/measure.h"
#include "palimpsest/plan.h"
#include "palimpsest/train.h"
#include "palimpsest/world.h"

struct workshop; /* what a worker keeps between stages: the sweep, the world, buffers for the last shape */
/* Borrows its arguments. */
struct workshop *workshop_create(const struct sweep *sweep, const struct world *world, const struct numerics *numerics);
void workshop_destroy(struct workshop **workshop);

/* Entropy floors (nats per token) of the mixture that a cell reads, floor[reference domains]; see world_floor. */
void workshop_floors(const struct workshop *workshop, int64_t cell, double *floor);
/* How far each reference domain is from the nearest that the cell reads; see world_distances. */
void workshop_distances(const struct workshop *workshop, int64_t cell, double *distance);
/* How alike the first and the last task of a cell are; see world_task_similarity. */
double workshop_task_similarity(const struct workshop *workshop, int64_t cell);
/* The numerics class of this process, and the version of this program's arithmetic: raise it (stage/workshop.c) with every
 * change that changes bits, so that states of two versions are never mixed. */
struct numerics stage_numerics(void);
/* The class with another arithmetic: the name of a library, its version and a core, as kernels_numerics_of gives it. */
struct numerics stage_numerics_of(const char *arithmetic);

struct stage_inputs {
    const struct state *parent;       /* state of assignment->parent; NULL for an initial stage */
    const struct state *const *needs; /* of assignment->need, in its order: a later place has one, the pretrained state */
    struct state *begun; /* of this very stage, one that stage_can_continue, from an earlier attempt at it: in the middle with moments, or finished;
                          * what was measured of it counts for nothing.  stage_run's from the call on; NULL: none */
};
struct stage_result {
    struct state *state;   /* the caller's; NULL after a failure */
    double *record;        /* [record_length], memory_free; all NaN after a failure */
    int record_length;
    int64_t steps;         /* optimiser steps done here */
    double training_seconds, measuring_seconds;
    double data_seconds;   /* of training_seconds: making batches */
    bool paused;           /* state is in the middle of the stage, or trained and not measured; no record */
};
/* Whether the looks that stand in a state of this stage, made by another run, are those that are asked for: when not, what
 * its training showed on the way can only be seen by training again. */
bool stage_can_continue(const struct assignment *assignment, const struct state *begun);
/* pause (may be NULL) is asked before every step, and once more before what was trained is measured.  Parent and needs are
 * not changed.  -1: ERROR_STAGE is a failed stage, to be recorded. */
int stage_run(struct workshop *workshop, const struct assignment *assignment, const struct stage_inputs *inputs,
              train_pause_f *pause, void *context, struct stage_result *result, struct error *err);
void stage_result_reset(struct stage_result *result);

#endif
