/* What rank 0 does beside answering: a few times a second, or when something has come up. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "schedule_private.h"

static const double UPKEEP_EVERY = 0.05, PROGRESS_EVERY = 0.25, SYNC_EVERY = 0.5, HEARTBEAT_EVERY = 5; /* seconds */
static const double DRIFT = 1.1; /* new priorities when a class of stages takes so much longer or shorter */

double seconds_left(const struct coordinator *c)
{
    if (c->options->time_limit <= 0) return INFINITY;
    /* what is drained comes back at its next step, leaves a checkpoint and sends a message; the store needs a sync */
    double margin = fmin(5, 0.05 * c->options->time_limit) + c->drain_seconds;
    return c->options->time_limit - margin - (clock_seconds() - c->called);
}

/* ---- checkpoints that nobody needs ---- */

void queue_releases(struct coordinator *c)
{
    for (int stage; (stage = ledger_release(c->ledger)) >= 0;) {
        c->release = memory_grow(c->release, &c->release_capacity, c->releases + 1, sizeof *c->release);
        c->release[c->releases++] = (struct queued_release){stage, clock_seconds()};
    }
}

/* Everything that was reported before this moment is on disk.  The queue is no longer than what happens in two syncs.
 */
static double safe_time(const struct coordinator *c)
{
    double safe = INFINITY;
    for (int w = 0; w < c->workers; w++)
        if (c->slot[w].synced < c->slot[w].finished) safe = fmin(safe, c->slot[w].safe_time);
    return safe;
}

static void remove_checkpoint(struct coordinator *c, const struct checkpoint_name *name)
{
    struct error err;
    if (checkpoint_remove(c->options->results_path, name, &err) != 0)
        log_line(LOG_WARNING, "%s", err.text); /* it is in nobody's way */
}

static void remove_checkpoints(struct coordinator *c)
{
    double safe = safe_time(c);
    size_t removed = 0;
    for (; removed < c->releases && c->release[removed].time < safe; removed++) {
        int number = c->release[removed].stage;
        const struct stage *stage = &c->plan->stage[number];
        /* computed again since it was let go: it is let go again when its time comes */
        if (ledger_status(c->ledger, number) != STATUS_DONE || ledger_needed(c->ledger, number)) continue;
        struct checkpoint_name name = {.state = stage->state, .copy = stage->copy};
        remove_checkpoint(c, &name);
        name.partial = true; /* of an attempt before this run, kept in case the finished state were damaged */
        if (c->begun[number] & BEGUN_PARTIAL) remove_checkpoint(c, &name);
    }
    if (removed == 0) return;
    c->releases -= removed;
    memmove(c->release, c->release + removed, c->releases * sizeof *c->release);
}

/* ---- rows that rank 0 writes ---- */

static int write_reason(struct coordinator *c, int row, const char *reason, struct error *err)
{
    struct stage_provenance facts = {.attempts = 1};
    snprintf(facts.reason, sizeof facts.reason, "%s", reason);
    return store_write_provenance(c->store, row, &facts, err);
}

int write_empty_row(struct coordinator *c, int stage, enum stage_status status, const char *reason, struct error *err)
{
    struct assignment assignment;
    plan_assign(c->plan, stage, &assignment);
    c->own_rows = true;
    TRY(store_write_record(c->store, &assignment, plan_views(c->plan, stage), NULL, status, err));
    if (reason) TRY(write_reason(c, assignment.row, reason, err));
    return store_write_mark(c->store, assignment.row, status, NULL, plan_record_length(c->plan, stage), err);
}

/* Either what it needs is not there, or it is a later piece of a trunk that diverged, and diverged with it. */
int write_skipped_row(struct coordinator *c, int stage, struct error *err)
{
    enum stage_status status = ledger_status(c->ledger, stage);
    char reason[64] = "";
    if (status == STATUS_DIVERGED)
        snprintf(reason, sizeof reason, "goes on from stage %d, whose training diverged",
                 c->plan->stage[c->plan->stage[stage].parent].row);
    return write_empty_row(c, stage, status, reason[0] ? reason : NULL, err);
}

static void sync_own_rows(struct coordinator *c, double now)
{
    struct error err;
    if (!c->own_rows || now - c->own_sync < SYNC_EVERY) return;
    c->own_sync = now;
    c->own_rows = false;
    if (store_sync(c->store, &err) != 0) coordinator_fail(c, &err);
}

/* ---- predictions ---- */

static double own_cpu_seconds(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
}

/* New priorities cost a pass over all stages: at most a hundredth of the time goes there.  It is told by the
 * processor's clock: on a busy core a short pass may take long by the other, and what was predicted then would stand
 * for long. */
static void recost(struct coordinator *c, double now)
{
    if (now < c->next_recost || !c->any_observed || cost_model_drift(c->model) < DRIFT) return;
    double before = own_cpu_seconds();
    cost_model_predict(c->model, c->cost);
    ledger_recost(c->ledger, c->cost);
    c->next_recost = now + 100 * (own_cpu_seconds() - before);
}

static void beat(struct coordinator *c, double now)
{
    struct error err;
    if (!c->options->heartbeat || now < c->next_heartbeat) return;
    c->next_heartbeat = now + HEARTBEAT_EVERY;
    if (c->options->heartbeat(c->options->heartbeat_context, &err) != 0) coordinator_fail(c, &err);
}

void upkeep(struct coordinator *c, bool at_once)
{
    double now = clock_seconds();
    if (!at_once && now < c->next_upkeep) return;
    c->next_upkeep = now + UPKEEP_EVERY;
    if (c->options->time_limit > 0) c->drain_seconds = drain_seconds(c);
    beat(c, now);
    if (!c->draining && (drain_requested(c) || seconds_left(c) <= 0)) coordinator_drain(c);
    recost(c, now);
    sync_own_rows(c, now);
    remove_checkpoints(c);
    if (!at_once && now < c->next_progress) return;
    c->next_progress = now + PROGRESS_EVERY;
    show_progress(c);
}
