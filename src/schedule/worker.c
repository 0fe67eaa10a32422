/* A worker: inputs from its memory or from checkpoints, the stage, then checkpoint, rows, mark, in this order. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "schedule_private.h"

static const double SYNC_EVERY = 0.5; /* seconds */
static const double PEAK_EVERY = 0.1; /* seconds between two looks at the memory of this rank */

static int in_workshop(void *workshop, const struct assignment *assignment, const struct stage_inputs *inputs,
                       train_pause_f *pause, void *pause_context, struct stage_result *result, struct error *err)
{
    return stage_run(workshop, assignment, inputs, pause, pause_context, result, err);
}

void worker_init(struct worker *worker, const struct schedule_options *options, struct store *store,
                 struct workshop *workshop, int rank)
{
    *worker = (struct worker){.store = store, .rank = rank};
    worker->stage = options->stage ? options->stage : in_workshop;
    worker->stage_context = options->stage ? options->stage_context : workshop;
    worker->results_path = options->results_path;
    worker->checkpoint_every = options->checkpoint_every;
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
    worker->spent.rows += clock_seconds() - worker->last_sync;
    if (worker->sync_failed) return -1;
    worker->synced = worker->finished;
    return 0;
}

/* Group commit: many rows share one sync, and none waits longer than half a second for it. */
int worker_sync_if_due(struct worker *worker, struct error *err)
{
    if (clock_seconds() - worker->last_sync < SYNC_EVERY) return 0;
    return worker_sync(worker, err);
}

int64_t worker_peak_bytes(struct worker *worker, double now)
{
    if (worker->peak_bytes > 0 && now - worker->peak_read < PEAK_EVERY) return worker->peak_bytes;
    worker->peak_read = now;
    memory_resident(NULL, &worker->peak_bytes);
    return worker->peak_bytes;
}

static void fill_provenance(const struct worker *worker, const struct instruction *instruction,
                            const struct report *report, struct stage_provenance *facts)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *facts = (struct stage_provenance){
        .started = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec - report->seconds,
        .seconds = report->seconds,
        .spent = worker->spent,
        .peak_bytes = worker->peak_bytes,
        .flops_per_second = report->work_seconds > 0 ? instruction->flops / report->work_seconds : 0,
        .rank = worker->rank,
        .attempts = instruction->attempts,
    };
    gethostname(facts->host, sizeof facts->host - 1);
    snprintf(facts->reason, sizeof facts->reason, "%.*s", (int)sizeof facts->reason - 1, report->text);
}

static struct checkpoint_name own_name(const struct assignment *assignment)
{
    return (struct checkpoint_name){assignment->state, assignment->record, assignment->copy, false};
}

/* Rows, provenance and mark of a stage; the time for the mark is told to rank 0 only. */
static int write_rows(struct worker *worker, const struct instruction *instruction, const struct view *views,
                      const double *record, struct report *report, struct error *err)
{
    const struct assignment *assignment = &instruction->assignment;
    enum stage_status status = report->kind == REPORT_DONE ? STATUS_DONE : STATUS_DIVERGED;
    double before = clock_seconds(), after;
    struct stage_provenance facts;
    TRY(store_write_record(worker->store, assignment, views, record, status, err));
    after = clock_seconds();
    report->seconds += after - before;
    worker->spent.rows += after - before;
    worker_peak_bytes(worker, after);
    fill_provenance(worker, instruction, report, &facts);
    TRY(store_write_provenance(worker->store, assignment->row, &facts, err));
    TRY(store_write_mark(worker->store, assignment->row, status, record, instruction->record_length, err));
    worker->spent.rows += clock_seconds() - after;
    return 0;
}

/* The order of these writes is the promise: a mark stands only when its rows and its checkpoint do. */
static int commit(struct worker *worker, const struct instruction *instruction, const struct view *views,
                  const struct stage_result *result, struct report *report, struct error *err)
{
    const struct assignment *assignment = &instruction->assignment;
    if (report->kind == REPORT_DONE && assignment->checkpoint) {
        struct checkpoint_name name = own_name(assignment);
        TRY(midway_write(worker, &name, result->state, err));
        report->seconds += worker->checkpoint_seconds;
    }
    TRY(write_rows(worker, instruction, views, result->record, report, err));
    worker->finished++;
    TRY(midway_clear(worker, instruction, err));
    return worker_sync_if_due(worker, err);
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
    worker->spent = (struct time_spent){0};
    worker->paused = 0;
    bool there = inputs_fetch(worker, assignment, report);
    worker->spent.reading = clock_seconds() - started;
    if (there) {
        double before = clock_seconds();
        TRY_DONE(judge(midway_run(worker, instruction, &result, report, err), &result, report, err));
        report->work_seconds = clock_seconds() - before;
        worker->spent.data = result.data_seconds;
        worker->spent.training = fmax(0, result.training_seconds - result.data_seconds - worker->paused);
        worker->spent.measuring = result.measuring_seconds;
        report->seconds = clock_seconds() - started;
        if (report->kind != REPORT_RETURNED) TRY_DONE(commit(worker, instruction, views, &result, report, err));
        if (report->kind == REPORT_DONE && assignment->checkpoint) {
            struct checkpoint_name name = own_name(assignment);
            inputs_hold(worker, &name, result.state);
            result.state = NULL;
        }
    }
done:
    report->seconds = clock_seconds() - started;
    report->spent = worker->spent;
    report->peak_bytes = worker->peak_bytes;
    report->finished = worker->finished;
    report->synced = worker->synced;
    report->checkpoint_seconds = worker->checkpoint_seconds;
    stage_result_reset(&result);
    return status;
}
