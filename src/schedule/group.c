/* What a worker has ended is committed and reported together: one stage, where stages are long; many, where a write and
 * a message for each would cost more than the stages. */
#include <stdio.h>
#include <string.h>

#include "schedule_private.h"

/* Seconds that a stage which has ended waits for others, and that it has taken at most; nobody waits for it, else it
 * would be due. */
static const double GROUP_SECONDS = 5e-3;

static bool has_row(const struct ended *ended)
{
    return ended->report.kind == REPORT_DONE || ended->report.kind == REPORT_FAILED;
}

/* Short stages wait for each other, but none that somebody waits for, or that leaves more to do than its row. */
void worker_add_ended(struct worker *worker, const struct instruction *instruction, const struct view *views,
                      struct stage_result *result)
{
    struct ended *ended = &worker->ended[worker->ended_count++];
    const struct assignment *assignment = &instruction->assignment;
    ended->assignment = *assignment;
    ended->views = memory_array((size_t)assignment->views, sizeof *views);
    if (assignment->views > 0) memcpy(ended->views, views, (size_t)assignment->views * sizeof *views);
    ended->record = result->record;
    result->record = NULL;
    ended->record_length = instruction->record_length;
    ended->attempts = instruction->attempts;
    ended->flops = instruction->flops;
    ended->leftovers = has_row(ended) ? midway_leftovers(worker, instruction) : 0;
    if (worker->ended_count == 1) worker->ended_since = clock_seconds();
    worker->ended_due |= ended->report.kind != REPORT_DONE || assignment->checkpoint || ended->leftovers ||
                         ended->report.seconds >= GROUP_SECONDS;
}

/* ---- the commit ---- */

bool worker_due(const struct worker *worker)
{
    if (worker->ended_count == 0) return false;
    return worker->ended_due || worker->ended_count == GROUP_MOST ||
           clock_seconds() - worker->ended_since >= GROUP_SECONDS;
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
 * has left goes only when the mark is on disk.  *stand: the marks do, whatever failed after them. */
static int commit(struct worker *worker, bool *stand, struct error *err)
{
    unsigned leftovers = 0;
    *stand = false;
    TRY(midway_settle(worker, err));
    TRY(write_rows(worker, err));
    for (int e = 0; e < worker->ended_count; e++) leftovers |= worker->ended[e].leftovers;
    TRY(leftovers ? worker_sync(worker, err) : worker_sync_if_due(worker, err));
    *stand = true;
    for (int e = 0; e < worker->ended_count; e++) TRY(midway_clear(worker, &worker->ended[e], err));
    return 0;
}

/* The first that has a row bears the reason; where none has, the first of all: it must be told. */
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
    if (told) return;
    worker->ended[0].report.kind = REPORT_ERROR;
    report_say(&worker->ended[0].report, err->text);
}

/* In the middle of a stage the time is that stage's. */
static int commit_timed(struct worker *worker, bool *stand, struct error *err)
{
    double before = clock_seconds(), rows = worker->spent.rows;
    int status = commit(worker, stand, err);
    double seconds = clock_seconds() - before;
    if (worker->within)
        worker->spent.rows = rows + seconds;
    else
        share(worker, seconds);
    return status;
}

static void complete(const struct worker *worker, struct report *report)
{
    report->peak_bytes = worker->peak_bytes;
    report->finished = worker->finished;
    report->synced = worker->synced;
    report->checkpoint_seconds = worker->checkpoint_seconds;
}

int worker_commit(struct worker *worker, worker_report_f *pass_on, void *context)
{
    struct error err;
    struct report failure = {.version = MESSAGE_VERSION, .kind = REPORT_ERROR, .stage = -1};
    int count = worker->ended_count;
    bool stand;
    if (count == 0) return 0;
    int status = commit_timed(worker, &stand, &err);
    if (status != 0 && !stand) refuse(worker, &err);
    worker->ended_count = 0;
    worker->ended_due = false;
    for (int e = 0; e < count; e++) {
        struct ended *ended = &worker->ended[e];
        complete(worker, &ended->report);
        memory_free(ended->record);
        memory_free(ended->views);
        pass_on(context, &ended->report);
    }
    if (status == 0 || !stand) return status;
    complete(worker, &failure);
    report_say(&failure, err.text);
    pass_on(context, &failure);
    return status;
}
