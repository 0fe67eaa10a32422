/* What a worker has ended is committed and reported together: one stage, where stages are long; many, where a write and
 * a message for each would cost more than the stages. */
#include <stdio.h>
#include <string.h>

#include "schedule_private.h"

static const double SYNC_EVERY = 0.5; /* seconds */
static const double PEAK_EVERY = 0.1; /* seconds between two looks at the memory of this rank */
/* Seconds that a stage which has ended waits for others; nobody waits for it, else it would be due. */
static const double GROUP_SECONDS = 5e-3;

/* ---- syncs ---- */

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

/* ---- the commit ---- */

bool worker_due(const struct worker *worker)
{
    if (worker->ended_count == 0) return false;
    return worker->ended_due || worker->ended_count == GROUP_MOST ||
           clock_seconds() - worker->ended_since >= GROUP_SECONDS;
}

static bool has_row(const struct ended *ended)
{
    return ended->report.kind == REPORT_DONE || ended->report.kind == REPORT_FAILED;
}

/* Each of them took its share of what was written for all. */
static void share(struct worker *worker, double seconds)
{
    int rows = 0;
    for (int e = 0; e < worker->ended_count; e++) rows += has_row(&worker->ended[e]);
    for (int e = 0; e < worker->ended_count; e++) {
        struct ended *ended = &worker->ended[e];
        if (!has_row(ended)) continue;
        ended->report.seconds += seconds / rows;
        ended->report.spent.rows += seconds / rows;
    }
}

static void fill_provenance(const struct worker *worker, const struct ended *ended, struct stage_provenance *facts)
{
    const struct report *report = &ended->report;
    *facts = (struct stage_provenance){
        .started = ended->started,
        .seconds = report->seconds,
        .spent = report->spent,
        .peak_bytes = worker->peak_bytes,
        .flops_per_second = report->work_seconds > 0 ? ended->flops / report->work_seconds : 0,
        .rank = worker->rank,
        .attempts = ended->attempts,
    };
    memcpy(facts->host, worker->host, sizeof facts->host);
    snprintf(facts->reason, sizeof facts->reason, "%.*s", (int)sizeof facts->reason - 1, report->text);
}

static int list_rows(const struct worker *worker, struct store_row row[GROUP_MOST])
{
    int rows = 0;
    for (int e = 0; e < worker->ended_count; e++) {
        const struct ended *ended = &worker->ended[e];
        if (!has_row(ended)) continue;
        row[rows++] = (struct store_row){.assignment = &ended->assignment,
                                         .views = ended->views,
                                         .record = ended->record,
                                         .length = ended->record_length,
                                         .status = ended->report.kind == REPORT_DONE ? STATUS_DONE : STATUS_DIVERGED};
    }
    return rows;
}

static int write_rows(struct worker *worker, struct error *err)
{
    struct store_row row[GROUP_MOST];
    int rows = list_rows(worker, row);
    if (rows == 0) return 0;
    TRY(store_write_records(worker->store, row, rows, err));
    worker_peak_bytes(worker, clock_seconds());
    for (int e = 0, r = 0; e < worker->ended_count; e++)
        if (has_row(&worker->ended[e])) fill_provenance(worker, &worker->ended[e], &row[r++].facts);
    TRY(store_write_marks(worker->store, row, rows, err));
    if (worker->synced == worker->finished) worker->unsynced_since = clock_seconds();
    worker->finished += rows;
    return 0;
}

/* The order of these writes is the promise: a mark stands only when its rows and its checkpoint do, and what an attempt
 * has left goes only when the mark is on disk. */
static int commit(struct worker *worker, struct error *err)
{
    TRY(midway_settle(worker, err));
    TRY(write_rows(worker, err));
    for (int e = 0; e < worker->ended_count; e++) TRY(midway_clear(worker, &worker->ended[e], err));
    return worker_sync_if_due(worker, err);
}

static void refuse(struct worker *worker, const struct error *err)
{
    bool told = false;
    for (int e = 0; e < worker->ended_count; e++) {
        struct ended *ended = &worker->ended[e];
        if (!has_row(ended)) continue;
        ended->report.kind = told ? REPORT_RETURNED : REPORT_ERROR;
        report_say(&ended->report, told ? "" : err->text);
        told = true;
    }
}

/* In the middle of a stage the time is that stage's. */
static int commit_timed(struct worker *worker, struct error *err)
{
    double before = clock_seconds(), rows = worker->spent.rows;
    int status = commit(worker, err);
    double seconds = clock_seconds() - before;
    if (worker->within)
        worker->spent.rows = rows + seconds;
    else
        share(worker, seconds);
    return status;
}

int worker_commit(struct worker *worker, worker_report_f *pass_on, void *context)
{
    struct error err;
    int count = worker->ended_count, status = 0;
    if (count == 0) return 0;
    status = commit_timed(worker, &err);
    if (status != 0) refuse(worker, &err);
    worker->ended_count = 0;
    worker->ended_due = false;
    for (int e = 0; e < count; e++) {
        struct ended *ended = &worker->ended[e];
        ended->report.peak_bytes = worker->peak_bytes;
        ended->report.finished = worker->finished;
        ended->report.synced = worker->synced;
        ended->report.checkpoint_seconds = worker->checkpoint_seconds;
        memory_free(ended->record);
        memory_free(ended->views);
        pass_on(context, &ended->report);
    }
    return status;
}
