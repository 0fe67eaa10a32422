/* Rank 0: messages become events, the ledger's wishes become messages.  It sleeps whenever there is nothing to do. */
#include <math.h>
#include <string.h>

#include "schedule_private.h"

static const double LATELY = 0.1; /* the weight of the last stage in what stages take lately */

static void apply(struct coordinator *c, enum ledger_event_kind kind, int stage, int worker, enum stage_status status)
{
    ledger_apply(c->ledger, &(struct ledger_event){kind, stage, worker, status});
}

void tell_workers(struct coordinator *c, enum instruction_kind kind)
{
    struct instruction instruction = {.version = MESSAGE_VERSION, .kind = kind};
    for (int w = 0; w < c->workers && !c->self; w++) {
        outbox_put_instruction(&c->slot[w].steering, &instruction, NULL);
        outbox_send(&c->slot[w].steering);
    }
}

void coordinator_drain(struct coordinator *c)
{
    if (c->draining) return;
    account_idle(c);
    c->draining = true;
    c->called_back = clock_seconds();
    tell_workers(c, TELL_DRAIN);
}

/* The first failure is the one that is told; what runs comes back, then all leave. */
void coordinator_fail(struct coordinator *c, const struct error *err)
{
    if (c->failure.kind == ERROR_NONE) c->failure = *err;
    coordinator_drain(c);
}

/* ---- reports ---- */

/* What was not carried out to its end is no attempt. */
static void give_back(struct coordinator *c, int stage)
{
    apply(c, EVENT_RETURNED, stage, -1, STATUS_PENDING);
    c->attempts[stage]--;
}

/* A checkpoint that could not be read is computed again, but not for ever. */
static void on_lost_input(struct coordinator *c, const struct report *report)
{
    const struct stage *stage = &c->plan->stage[report->stage];
    int input = report->lost_input < 0 ? stage->parent : plan_needs(c->plan, report->stage)[report->lost_input];
    int most = c->options->attempts > 0 ? c->options->attempts : 1;
    bool news = ledger_needed(c->ledger, input); /* else another stage has missed it already */
    apply(c, EVENT_LOST_STATE, input, -1, STATUS_DONE);
    give_back(c, report->stage);
    if (!news) return;
    log_line(LOG_WARNING, "%s; it is computed again", report->text);
    if (++c->losses[input] <= most) return;
    struct error err;
    error_set(&err, ERROR_OUTSIDE, "%.*s; this happened %d times to one checkpoint", REPORT_TEXT, report->text,
              c->losses[input]);
    coordinator_fail(c, &err);
}

static void on_error(struct coordinator *c, int worker, const struct report *report)
{
    struct error err;
    if (report->stage >= 0) give_back(c, report->stage);
    error_set(&err, ERROR_OUTSIDE, "rank %d: %s", c->self ? 0 : worker + 1, report->text);
    coordinator_fail(c, &err);
}

static void on_ended(struct coordinator *c, int worker, const struct report *report)
{
    bool done = report->kind == REPORT_DONE;
    c->ended += report->kind != REPORT_RETURNED;
    c->account.steps_executed += report->steps;
    c->account.work += report->work_seconds;
    account_spent(c, &report->spent);
    c->seconds[report->stage] += report->work_seconds;
    c->checkpoint_seconds = fmax(c->checkpoint_seconds, report->checkpoint_seconds);
    c->stage_seconds += LATELY * (report->seconds - c->stage_seconds);
    if (done && report->from_start) { /* the rest of a stage says nothing of a whole one */
        c->any_observed = true;
        cost_model_observe(c->model, report->stage, report->seconds);
    }
    if (report->kind != REPORT_RETURNED) {
        c->begun[report->stage] = 0;
        suspects_clear(c, report->stage);
    }
    if (done) {
        apply(c, EVENT_DONE, report->stage, worker, STATUS_DONE);
    } else if (report->kind == REPORT_FAILED) {
        log_line(LOG_WARNING, "a stage failed: %s", report->text);
        apply(c, EVENT_FAILED, report->stage, worker, STATUS_DIVERGED);
    } else
        give_back(c, report->stage);
}

static void note_sync(struct slot *slot, const struct report *report)
{
    slot->finished = report->finished;
    slot->synced = report->synced;
    if (slot->synced < slot->mark) return;
    slot->safe_time = slot->mark_time;
    slot->mark = slot->finished;
    slot->mark_time = clock_seconds();
}

static void after_events(struct coordinator *c)
{
    struct error err;
    for (int stage; (stage = ledger_skipped(c->ledger)) >= 0;)
        if (c->failure.kind == ERROR_NONE && write_skipped_row(c, stage, &err) != 0) coordinator_fail(c, &err);
    queue_releases(c);
}

/* A worker ends its stages in the order in which it was given them. */
static void next_in_queue(struct coordinator *c, int worker, int ended)
{
    struct slot *slot = &c->slot[worker];
    CHECK(slot->queued > 0 && slot->queue[0] == ended, "worker %d ended stage %d, which is not its next", worker,
          ended);
    memmove(slot->queue, slot->queue + 1, (size_t)--slot->queued * sizeof *slot->queue);
    slot->since = clock_seconds();
    slot->step = 0;
    slot->tokens_per_step = 0;
    if (slot->queued == 0) c->idle[c->idle_count++] = worker;
    slot->reported = true;
    visit_later(c, worker);
}

/* What ran alone has got past the place where it died. */
static void on_step(struct coordinator *c, struct slot *slot, const struct report *report)
{
    slot->step = report->steps;
    slot->step_told = clock_seconds();
    c->checkpoint_seconds = fmax(c->checkpoint_seconds, report->checkpoint_seconds);
    if (c->alone >= 0 && c->alone == report->stage && !report->alone) suspects_clear(c, report->stage);
}

void coordinator_take_report(struct coordinator *c, int worker, const struct report *report)
{
    struct slot *slot = &c->slot[worker];
    account_idle(c);
    note_sync(slot, report);
    if (report->peak_bytes > c->account.peak_bytes) c->account.peak_bytes = report->peak_bytes;
    switch (report->kind) {
    case REPORT_DONE:
    case REPORT_FAILED:
    case REPORT_RETURNED: on_ended(c, worker, report); break;
    case REPORT_LOST: on_lost_input(c, report); break;
    case REPORT_ERROR: on_error(c, worker, report); break;
    case REPORT_STEP: on_step(c, slot, report); return;
    case REPORT_SYNCED: return;
    case REPORT_STOPPED: slot->stopped = true; return;
    }
    if (report->stage >= 0) {
        if (c->alone == report->stage) c->alone = -1;
        next_in_queue(c, worker, report->stage);
    }
    after_events(c);
}

/* All that wait, before anything is handed out. */
static bool take_reports(struct coordinator *c)
{
    struct report report;
    int rank;
    bool any = false;
    while (message_receive(c->comm, TAG_REPORT, &c->in, &rank)) {
        while (message_next_report(&c->in, &report)) coordinator_take_report(c, rank - 1, &report);
        any = true;
    }
    return any;
}

/* ---- the loop ---- */

static bool all_stopped(const struct coordinator *c)
{
    for (int w = 0; w < c->workers; w++)
        if (!c->slot[w].stopped) return false;
    return true;
}

/* Every worker syncs and says so; only then does anybody leave, so that no rank waits spinning in a collective call. */
static void stop_workers(struct coordinator *c)
{
    struct patience patience;
    tell_workers(c, TELL_STOP);
    patience_reset(&patience, 0, false);
    c->stopping = true;
    c->called_back = clock_seconds();
    while (!all_stopped(c)) {
        if (take_reports(c)) patience_reset(&patience, 0, false);
        upkeep(c, false);
        leave_when_overdue(c);
        patience_wait(&patience);
    }
    c->draining = true; /* nobody listens from here on */
    tell_workers(c, TELL_LEAVE);
}

static void work_through(struct coordinator *c)
{
    struct patience patience;
    patience_reset(&patience, 0, false);
    for (;;) {
        bool busy = !c->self && take_reports(c);
        upkeep(c, false);
        busy |= hand_out(c);
        if (ledger_counts(c->ledger).running == 0 && !busy) return; /* finished, drained, or nothing ends in time */
        leave_when_overdue(c);
        if (busy)
            patience_reset(&patience, c->stage_seconds, false);
        else
            patience_wait(&patience);
    }
}

int coordinator_run(struct coordinator *c)
{
    c->started = c->accounted = clock_seconds();
    if (c->self) begin_here(c);
    queue_releases(c);
    work_through(c);
    account_idle(c);
    if (c->self)
        stop_here(c);
    else
        stop_workers(c);
    account_idle(c);
    CHECK(!ledger_finished(c->ledger) || ledger_counts(c->ledger).waiting == 0, "stages wait for what cannot come");
    c->own_sync = 0; /* rows of its own are synced now, and if they cannot be, it is that which is told */
    upkeep(c, true);
    if (c->failure.kind == ERROR_NONE && !ledger_finished(c->ledger))
        error_set(&c->failure, ERROR_STOPPED, "%s; %d of %d stages are done; run the same command again to go on",
                  c->asked ? "stopped on request" : "the time limit is reached", ledger_counts(c->ledger).done,
                  c->plan->stages);
    return c->failure.kind == ERROR_NONE ? 0 : -1;
}
