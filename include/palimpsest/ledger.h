/* ledger: the pure state machine of a sweep, the order of work, and the simulator that drives it with virtual time.
 * No clock, no MPI, no I/O.  Events update it; what to do next follows from it; a restart replays through the same
 * update.  Invariant: a stage runs only when its parent and all its needs are done; each stage ends once. */
#ifndef PALIMPSEST_LEDGER_H
#define PALIMPSEST_LEDGER_H

#include "palimpsest/plan.h"

struct ledger;

/* cost[stages]: predicted seconds of each stage.  keep_trunk, keep_all: which states stay on disk for good (--keep).
 * The plan is borrowed. */
enum keep { KEEP_NONE, KEEP_TRUNK, KEEP_ALL };
struct ledger *ledger_create(const struct plan *plan, const double *cost, enum keep keep);
void ledger_destroy(struct ledger **ledger);

enum ledger_event_kind {
    EVENT_STARTED,   /* stage runs on worker */
    EVENT_DONE,      /* stage is committed; its state is in the memory of worker and, when someone needs it, on disk */
    EVENT_FAILED,    /* stage ended with status (FAILED or DIVERGED): descendants are skipped */
    EVENT_RETURNED,  /* stage was drained or lost: ready again */
    EVENT_LOST_STATE /* the checkpoint of a done stage is damaged or gone: it is to be computed again where needed */
};
struct ledger_event {
    enum ledger_event_kind kind;
    int stage, worker;
    enum stage_status status;
};
void ledger_apply(struct ledger *ledger, const struct ledger_event *event);
/* The stage worker should run next (longest remaining path first; a child of what the worker has in memory when that
 * delays nothing longer by more than the child's own cost), or -1.  Changes nothing. */
int ledger_next(const struct ledger *ledger, int worker);
/* A state whose checkpoint nobody needs any more, or -1; each is told once. */
int ledger_release(struct ledger *ledger);
enum stage_status ledger_status(const struct ledger *ledger, int stage);
struct ledger_counts {
    int waiting, ready, running, done, failed, skipped; /* failed: also diverged */
};
struct ledger_counts ledger_counts(const struct ledger *ledger);
bool ledger_finished(const struct ledger *ledger); /* nothing is ready, running, or waiting for something that can come */
/* New predictions for stages not yet started; priorities follow. */
void ledger_recost(struct ledger *ledger, const double *cost);
double ledger_remaining_path(const struct ledger *ledger, int stage); /* seconds from its start to the end of the longest chain */

/* ---- what a run costs, before and after ---- */

enum order { ORDER_CRITICAL_PATH, ORDER_FIRST_IN, ORDER_RANDOM };
/* predicted[] steers, actual[] passes (both seconds per stage; may be one array). */
void ledger_simulate(const struct plan *plan, const double *predicted, const double *actual, int ranks,
                     enum order order, uint64_t seed, struct certificate *certificate);

/* The cost model: seconds per FLOP by class of stage (shape and kind), corrected as stages finish. */
struct cost_model;
struct cost_model *cost_model_create(const struct plan *plan, double assumed_flops_per_second);
void cost_model_destroy(struct cost_model **model);
void cost_model_observe(struct cost_model *model, int stage, double seconds);
/* cost[stages]; returns the largest factor by which any class changed since the last call. */
double cost_model_predict(struct cost_model *model, double *cost);

#endif
