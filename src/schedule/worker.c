/* A worker: inputs from its memory or from checkpoints, the stage, its checkpoint; what comes after that, rows and
 * marks, stands in group.c. */
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
    worker->ended = memory_array(GROUP_MOST, sizeof *worker->ended);
    gethostname(worker->host, sizeof worker->host - 1);
}

void worker_reset(struct worker *worker)
{
    CHECK(worker->ended_count == 0, "%d stages have ended and were not reported", worker->ended_count);
    for (int i = 0; i < STATES_HELD; i++) state_destroy(&worker->held[i].state);
    memory_free(worker->ended);
}

/* ---- syncs, and memory ---- */

int worker_sync(struct worker *worker, struct error *err)
{
    double before = clock_seconds();
    if (worker->sync_failed) /* the system tells a lost write once; the next sync would succeed and lie */
        return error_set(err, ERROR_OUTSIDE, "%s: what was written may not be on disk", worker->results_path);
    if (worker->synced == worker->finished) return 0;
    worker->sync_failed = store_sync(worker->store, err) != 0;
    worker->spent.rows += clock_seconds() - before;
    if (worker->sync_failed) return -1;
    worker->synced = worker->finished;
    return 0;
}

/* Group commit: many rows share one sync, and none waits longer than half a second for it. */
int worker_sync_if_due(struct worker *worker, struct error *err)
{
    if (worker->synced == worker->finished || clock_seconds() - worker->unsynced_since < SYNC_EVERY) return 0;
    return worker_sync(worker, err);
}

int64_t worker_peak_bytes(struct worker *worker, double now)
{
    if (worker->peak_bytes > 0 && now - worker->peak_read < PEAK_EVERY) return worker->peak_bytes;
    worker->peak_read = now;
    memory_resident(NULL, &worker->peak_bytes);
    return worker->peak_bytes;
}

/* ---- the stage ---- */

static struct checkpoint_name own_name(const struct assignment *assignment)
{
    return (struct checkpoint_name){assignment->state, assignment->record, assignment->copy, false};
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

/* The stage itself, and the checkpoint of its state, which must stand before its row does. */
static int carry_out(struct worker *worker, const struct instruction *instruction, struct stage_result *result,
                     struct report *report, struct error *err)
{
    const struct assignment *assignment = &instruction->assignment;
    double before = clock_seconds();
    TRY(judge(midway_run(worker, instruction, result, report, err), result, report, err));
    report->work_seconds = clock_seconds() - before - worker->paused;
    worker->spent.data = result->data_seconds;
    worker->spent.training = fmax(0, result->training_seconds - result->data_seconds - worker->paused);
    worker->spent.measuring = result->measuring_seconds;
    if (report->kind != REPORT_DONE || !assignment->checkpoint) return 0;
    struct checkpoint_name name = own_name(assignment);
    TRY(midway_settle(worker, err));
    TRY(midway_write(worker, &name, result->state, err));
    inputs_hold(worker, &name, result->state);
    result->state = NULL;
    return 0;
}

static double seconds_since_1970(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int worker_carry_out(struct worker *worker, const struct instruction *instruction, const struct view *views,
                     struct error *err)
{
    const struct assignment *assignment = &instruction->assignment;
    struct stage_result result = {0};
    double started = clock_seconds(), calendar = seconds_since_1970();
    struct report report = {.version = MESSAGE_VERSION, .kind = REPORT_LOST, .stage = assignment->stage};
    worker->spent = (struct time_spent){0};
    worker->paused = 0;
    if (instruction->begun || !inputs_held(worker, assignment))
        TRY(midway_settle(worker, err)); /* reading takes time */
    double reading = clock_seconds();
    bool there = inputs_fetch(worker, assignment, &report);
    worker->spent.reading = clock_seconds() - reading;
    int status = there ? carry_out(worker, instruction, &result, &report, err) : 0;
    if (status == 0) {
        CHECK(worker->ended_count < GROUP_MOST, "there is no room for another stage that has ended");
        worker->stage_seconds = report.seconds = clock_seconds() - started;
        report.spent = worker->spent;
        worker->ended[worker->ended_count].report = report;
        worker->ended[worker->ended_count].started = calendar;
        worker_add_ended(worker, instruction, views, &result);
    }
    stage_result_reset(&result);
    return status;
}
