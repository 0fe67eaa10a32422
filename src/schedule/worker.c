/* A worker: inputs from its memory or from checkpoints, the stage, then checkpoint, rows, mark, in this order. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "schedule_private.h"

static const double SYNC_EVERY = 0.5, POLL_EVERY = 2e-3; /* seconds */

void worker_init(struct worker *worker, const struct schedule_options *options, struct store *store,
                 struct workshop *workshop, int rank)
{
    *worker = (struct worker){.store = store, .workshop = workshop, .rank = rank};
    worker->results_path = options->results_path;
    worker->last_sync = clock_seconds();
}

void worker_reset(struct worker *worker)
{
    for (int i = 0; i < STATES_HELD; i++) state_destroy(&worker->held[i].state);
}

int worker_sync(struct worker *worker, struct error *err)
{
    worker->last_sync = clock_seconds();
    if (worker->sync_failed) /* the system tells a lost write once; the next sync would succeed and lie */
        return error_set(err, ERROR_OUTSIDE, "%s: what was written may not be on disk", worker->results_path);
    if (worker->synced == worker->finished) return 0;
    worker->sync_failed = store_sync(worker->store, err) != 0;
    if (worker->sync_failed) return -1;
    worker->synced = worker->finished;
    return 0;
}

/* Group commit: many rows share one sync, and none waits longer than half a second for it. */
static int sync_if_due(struct worker *worker, struct error *err)
{
    if (clock_seconds() - worker->last_sync < SYNC_EVERY) return 0;
    return worker_sync(worker, err);
}

/* ---- states in memory ---- */

static struct held_state *find_held(struct worker *worker, struct hash128 id, int copy)
{
    for (int i = 0; i < STATES_HELD; i++) {
        struct held_state *held = &worker->held[i];
        if (held->state && held->copy == copy && hash_equal(held->id, id)) return held;
    }
    return NULL;
}

static void hold(struct worker *worker, struct hash128 id, int copy, struct state *state)
{
    for (int i = 0; i < STATES_HELD; i++) {
        if (worker->held[i].state) continue;
        worker->held[i] = (struct held_state){id, copy, state};
        return;
    }
    CHECK(false, "more states in memory than one stage can need");
}

/* Input number `at`: -1 is the parent, then the needs.  All inputs of a stage belong to one copy of its path. */
static struct hash128 input_id(const struct assignment *assignment, int at)
{
    return at < 0 ? assignment->parent : assignment->need[at];
}

static bool has_parent(const struct assignment *assignment) { return assignment->kind != STAGE_INITIAL; }

/* Memory stays within what this stage needs: everything else goes. */
static void drop_others(struct worker *worker, const struct assignment *assignment)
{
    for (int i = 0; i < STATES_HELD; i++) {
        struct held_state *held = &worker->held[i];
        bool used = false;
        for (int at = has_parent(assignment) ? -1 : 0; at < assignment->needs; at++)
            used |= held->copy == assignment->parent_copy && hash_equal(held->id, input_id(assignment, at));
        if (!used) state_destroy(&held->state);
    }
}

/* True when all inputs are in memory now; else the report says which one cannot be had, and why. */
static bool fetch_inputs(struct worker *worker, const struct assignment *assignment, struct report *report)
{
    drop_others(worker, assignment);
    for (int at = has_parent(assignment) ? -1 : 0; at < assignment->needs; at++) {
        struct hash128 id = input_id(assignment, at);
        struct state *state;
        struct error why;
        if (find_held(worker, id, assignment->parent_copy)) continue;
        if (checkpoint_read(worker->results_path, id, assignment->parent_copy, &state, &why) != 0) {
            report_say(report, why.text);
            report->lost_input = at;
            return false;
        }
        hold(worker, id, assignment->parent_copy, state);
    }
    return true;
}

/* ---- running ---- */

/* Called before every training step: looks at the clock each time, at the rest of the world every 2 ms. */
static bool pause_stage(void *context, int64_t step)
{
    struct worker *worker = context;
    double now = clock_seconds();
    worker->step = step;
    if (worker->pausing || now - worker->last_poll < POLL_EVERY) return worker->pausing;
    worker->last_poll = now;
    if (sync_if_due(worker, &worker->pause_error) != 0) worker->pausing = true;
    if (worker->poll && worker->poll(worker->poll_context)) worker->pausing = true;
    return worker->pausing;
}

static int run_stage(struct worker *worker, const struct assignment *assignment, struct stage_result *result,
                     struct error *err)
{
    const struct state *needs[sizeof assignment->need / sizeof *assignment->need] = {NULL}, *parent = NULL;
    if (has_parent(assignment)) parent = find_held(worker, assignment->parent, assignment->parent_copy)->state;
    for (int n = 0; n < assignment->needs; n++)
        needs[n] = find_held(worker, assignment->need[n], assignment->parent_copy)->state;
    worker->pausing = false;
    worker->pause_error.kind = ERROR_NONE;
    worker->last_poll = clock_seconds();
    int status = stage_run(worker->workshop, assignment, parent, needs, pause_stage, worker, result, err);
    if (worker->pause_error.kind == ERROR_NONE) return status;
    *err = worker->pause_error;
    return -1;
}

static void fill_provenance(const struct worker *worker, const struct instruction *instruction,
                            const struct stage_result *result, const struct report *report,
                            struct stage_provenance *facts)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *facts = (struct stage_provenance){
        .started = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec - report->seconds,
        .seconds = report->seconds,
        .training_seconds = result->training_seconds,
        .measuring_seconds = result->measuring_seconds,
        .flops_per_second = report->work_seconds > 0 ? instruction->flops / report->work_seconds : 0,
        .rank = worker->rank,
        .attempts = instruction->attempts,
    };
    gethostname(facts->host, sizeof facts->host - 1);
    snprintf(facts->reason, sizeof facts->reason, "%.*s", (int)sizeof facts->reason - 1, report->text);
}

/* The order of these writes is the promise: a mark stands only when its rows and its checkpoint do. */
static int commit(struct worker *worker, const struct instruction *instruction, const struct view *views,
                  const struct stage_result *result, const struct report *report, struct error *err)
{
    const struct assignment *assignment = &instruction->assignment;
    bool done = report->kind == REPORT_DONE;
    enum stage_status status = done ? STATUS_DONE : STATUS_DIVERGED;
    struct stage_provenance facts;
    fill_provenance(worker, instruction, result, report, &facts);
    if (done && assignment->checkpoint)
        TRY(checkpoint_write(worker->results_path, assignment->state, assignment->copy, result->state, err));
    TRY(store_write_record(worker->store, assignment, views, result->record, status, err));
    TRY(store_write_provenance(worker->store, assignment->row, &facts, err));
    TRY(store_write_mark(worker->store, assignment->row, status, result->record, instruction->record_length, err));
    worker->finished++;
    return sync_if_due(worker, err);
}

/* What became of the stage; -1: nothing did, the outside world failed.  A stage fails by itself in one way: its
 * training is no longer finite. */
static int judge(int status, const struct stage_result *result, struct report *report, struct error *err)
{
    if (status != 0 && err->kind != ERROR_STAGE) return -1;
    report->steps = result->steps;
    report->kind = status != 0 ? REPORT_FAILED : result->paused ? REPORT_RETURNED : REPORT_DONE;
    if (status != 0) report_say(report, err->text);
    return 0;
}

int worker_carry_out(struct worker *worker, const struct instruction *instruction, const struct view *views,
                     struct report *report, struct error *err)
{
    const struct assignment *assignment = &instruction->assignment;
    struct stage_result result = {0};
    double started = clock_seconds();
    int status = 0;
    *report = (struct report){.version = MESSAGE_VERSION, .kind = REPORT_LOST, .stage = assignment->stage};
    if (fetch_inputs(worker, assignment, report)) {
        double before = clock_seconds();
        TRY_DONE(judge(run_stage(worker, assignment, &result, err), &result, report, err));
        report->work_seconds = clock_seconds() - before;
        report->seconds = clock_seconds() - started;
        if (report->kind != REPORT_RETURNED) TRY_DONE(commit(worker, instruction, views, &result, report, err));
        if (report->kind == REPORT_DONE && assignment->checkpoint) {
            hold(worker, assignment->state, assignment->copy, result.state);
            result.state = NULL;
        }
    }
done:
    report->seconds = clock_seconds() - started;
    report->finished = worker->finished;
    report->synced = worker->synced;
    stage_result_reset(&result);
    return status;
}
