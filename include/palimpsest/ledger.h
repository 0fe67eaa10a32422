/* ledger: the pure state machine of a sweep, the order of work, and the simulator that drives it with virtual time.
 * No clock, no MPI, no I/O.  Events update it; what to do next follows from it; a restart replays through the same
 * update.  Invariant: a stage starts only when its parent and all its needs have a state; each stage ends once, unless
 * its state is lost later while somebody still needs it.
 *
 * Costs per event and per question are O(log stages) plus the stages whose state they change; nothing grows with the
 * number of stages that have ended. */
#ifndef PALIMPSEST_LEDGER_H
#define PALIMPSEST_LEDGER_H

#include "palimpsest/plan.h"

struct ledger;

/* cost[stages]: predicted seconds of each stage (copied).  workers: how many carry out stages, numbered from 0.
 * keep: which states stay on disk for good (--keep); trunk: ends of trunk stages and pretrained states.  The plan is
 * borrowed; its stages stand after their parents and needs. */
enum keep { KEEP_NONE, KEEP_TRUNK, KEEP_ALL };
struct ledger *ledger_create(const struct plan *plan, const double *cost, int workers, enum keep keep);
void ledger_destroy(struct ledger **ledger);

enum ledger_event_kind {
    EVENT_STARTED,   /* stage runs on worker */
    EVENT_DONE,      /* stage is committed; its state is in the memory of worker and, when someone needs it, on disk */
    EVENT_FAILED,    /* stage ended with status (FAILED or DIVERGED): what needs it is skipped, and so on; the rest of
                      * a diverged trunk has diverged too */
    EVENT_RETURNED,  /* stage was drained or lost: ready again when its inputs are still there */
    EVENT_LOST_STATE /* the checkpoint of a done stage is damaged or gone: it is to be computed again where needed */
};
struct ledger_event {
    enum ledger_event_kind kind;
    int stage, worker; /* worker: -1 in a replay and where it does not matter */
    enum stage_status status;
};
/* DONE and FAILED of a stage that never started replay a committed row, in any order; LOST_STATE of a state that is not
 * there is no event. */
void ledger_apply(struct ledger *ledger, const struct ledger_event *event);
/* The stage worker should run next, predicted to take at most most_seconds (INFINITY: any), or -1.  Changes nothing.
 * Longest remaining path first.  A ready child of the worker's last state, or of that state's parent, goes first
 * instead when it is as urgent as the most urgent stage, or when the most urgent stage could start after it and still
 * end before all work not yet started can be done: cost(child) + path(most urgent) <= unstarted work / workers. */
int ledger_next(const struct ledger *ledger, int worker, double most_seconds);
/* Must the running stage leave a checkpoint?  Settled by its STARTED. */
bool ledger_checkpoint(const struct ledger *ledger, int stage);
/* Stage is done, its state counts as there, and somebody still needs it: after a replay, look for its checkpoint. */
bool ledger_needed(const struct ledger *ledger, int stage);
/* A state whose checkpoint nobody needs any more, or -1; each is told once. */
int ledger_release(struct ledger *ledger);
/* A stage that will not be carried out, because of what it needs, or -1; each is told once.  ledger_status: SKIPPED, or
 * DIVERGED. */
int ledger_skipped(struct ledger *ledger);
bool ledger_ready(const struct ledger *ledger, int stage);     /* it could start now */
bool ledger_committed(const struct ledger *ledger, int stage); /* it was done at some time: its row stands */
enum stage_status ledger_status(const struct ledger *ledger, int stage);
struct ledger_counts {
    int waiting, ready, running, done, failed, skipped; /* failed: also diverged */
};
struct ledger_counts ledger_counts(const struct ledger *ledger);
bool ledger_finished(
    const struct ledger *ledger); /* nothing is ready, running, or waiting for something that can come */
/* New predictions; priorities follow. O(stages). */
void ledger_recost(struct ledger *ledger, const double *cost);
double ledger_cost(const struct ledger *ledger, int stage); /* seconds, as predicted */
double ledger_remaining_path(const struct ledger *ledger,
                             int stage);              /* seconds from its start to the end of the longest chain */
double ledger_unstarted(const struct ledger *ledger); /* seconds of all stages that wait or are ready */

/* ---- what a run costs, before and after ---- */

/* The longest chain of stages, each after its parent and needs. */
double ledger_critical_path(const struct plan *plan, const double *seconds);

enum order { ORDER_CRITICAL_PATH, ORDER_FIRST_IN, ORDER_RANDOM };
/* predicted[] steers, actual[] passes (both seconds per stage; may be one array).  seed: for ORDER_RANDOM. */
void ledger_simulate(const struct plan *plan, const double *predicted, const double *actual, int ranks,
                     enum order order, uint64_t seed, struct certificate *certificate);

/* The cost model: seconds of a stage from its FLOPs, by class of stage (kind, and FLOPs of a step, which stand for
 * shape and batch), corrected as stages finish. */
struct cost_model;
struct cost_model *cost_model_create(const struct plan *plan, double assumed_flops_per_second);
void cost_model_destroy(struct cost_model **model);
/* Speeds measured beforehand take the place of the assumed one; before anything is observed.  The plan is a whole one.
 * False: it has models narrower or wider than all that were measured, for which the nearest stands. */
struct speed_point { /* of one shape, as bench train measures it; FLOPs of a step or pass, and seconds */
    int width;
    double parameters, flops, seconds;   /* steps of a full batch */
    double small_flops, small_seconds;   /* of a smaller one; equal to the others when there is none */
    double forward_flops, forward_seconds;
    double finetune_flops, finetune_seconds; /* steps of fine-tuning, on texts as short as those of tasks */
};
bool cost_model_take_speeds(struct cost_model *model, const struct speed_point *point, int points);
struct rates { /* a step takes parameters x per_parameter + FLOPs / the rate of pretraining or of fine-tuning */
    double per_parameter, flops_per_second, finetune_flops_per_second, forward_flops_per_second;
};
/* Of models of this width: between the measured widths on a straight line in logarithms; below them on the line of the
 * two narrowest, if that falls; above them as at the widest, since a core has a limit. */
struct rates rates_at(const struct speed_point *point, int points, int width);
void cost_model_observe(struct cost_model *model, int stage, double seconds);
/* The largest factor by which the prediction of any class has changed since the last cost_model_predict; O(classes). */
double cost_model_drift(const struct cost_model *model);
void cost_model_predict(struct cost_model *model, double *cost); /* cost[stages], seconds */

#endif
