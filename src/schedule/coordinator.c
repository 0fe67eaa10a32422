/* Rank 0: messages become events, the ledger's wishes become messages.  It sleeps whenever there is nothing to do. */
#include <math.h>
#include <string.h>

#include "schedule_private.h"

static const double HEADROOM = 1.1; /* a stage may take so much longer than predicted and still end in time */
/* Stages this short are handed out before the worker asks, so that it never waits for an answer: seconds of work that
 * may lie ready at a worker beside what it runs. */
static const double AHEAD_SECONDS = 5e-3;

static void apply(struct coordinator *c, enum ledger_event_kind kind, int stage, int worker, enum stage_status status)
{
    ledger_apply(c->ledger, &(struct ledger_event){kind, stage, worker, status});
}

static void tell_all(struct coordinator *c, enum instruction_kind kind)
{
    struct instruction instruction = {.version = MESSAGE_VERSION, .kind = kind};
    for (int w = 0; w < c->workers && !c->self; w++) send_instruction(c->comm, w + 1, &instruction, NULL);
}

void coordinator_drain(struct coordinator *c)
{
    if (c->draining) return;
    account_idle(c);
    c->draining = true;
    tell_all(c, TELL_DRAIN);
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
    c->seconds[report->stage] += report->work_seconds;
    if (done) {
        c->any_observed = true;
        cost_model_observe(c->model, report->stage, report->seconds);
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
    if (slot->reported) return;
    slot->reported = true;
    c->reported[c->reported_count++] = worker;
}

static void take_report(struct coordinator *c, int worker, const struct report *report)
{
    struct slot *slot = &c->slot[worker];
    account_idle(c);
    note_sync(slot, report);
    switch (report->kind) {
    case REPORT_DONE:
    case REPORT_FAILED:
    case REPORT_RETURNED: on_ended(c, worker, report); break;
    case REPORT_LOST: on_lost_input(c, report); break;
    case REPORT_ERROR: on_error(c, worker, report); break;
    case REPORT_STEP: slot->step = report->steps; return;
    case REPORT_SYNCED: return;
    case REPORT_STOPPED: slot->stopped = true; return;
    }
    if (report->stage >= 0) next_in_queue(c, worker, report->stage);
    after_events(c);
}

static bool take_reports(struct coordinator *c)
{
    struct report report;
    int rank;
    bool any = false;
    while (receive_report(c->comm, &report, &rank)) {
        take_report(c, rank - 1, &report);
        any = true;
    }
    return any;
}

/* ---- handing out ---- */

static void carry_out_here(struct coordinator *c, const struct instruction *instruction)
{
    struct report report;
    struct error err;
    const struct view *views = plan_views(c->plan, instruction->assignment.stage);
    if (worker_carry_out(c->self, instruction, views, &report, &err) != 0) {
        report.kind = REPORT_ERROR;
        report_say(&report, err.text);
    }
    take_report(c, 0, &report);
}

static void start(struct coordinator *c, int worker, int stage)
{
    const struct stage *at = &c->plan->stage[stage];
    struct instruction instruction = {.version = MESSAGE_VERSION, .kind = TELL_RUN};
    apply(c, EVENT_STARTED, stage, worker, STATUS_RUNNING);
    plan_assign(c->plan, stage, &instruction.assignment);
    instruction.assignment.checkpoint = ledger_checkpoint(c->ledger, stage);
    instruction.attempts = ++c->attempts[stage];
    instruction.flops = at->training_flops + at->measuring_flops;
    instruction.record_length = plan_record_length(c->plan, stage);
    struct slot *slot = &c->slot[worker];
    if (slot->queued == 0) slot->since = clock_seconds();
    slot->queue[slot->queued++] = stage;
    if (c->self)
        carry_out_here(c, &instruction);
    else
        send_instruction(c->comm, worker + 1, &instruction, plan_views(c->plan, stage));
}

/* Workers that have just ended short stages get more of them ahead. */
static void hand_out_ahead(struct coordinator *c)
{
    while (c->reported_count > 0) {
        int worker = c->reported[--c->reported_count];
        struct slot *slot = &c->slot[worker];
        double ahead = 0;
        slot->reported = false;
        for (int i = 0; i < slot->queued; i++) ahead += ledger_cost(c->ledger, slot->queue[i]);
        while (!c->self && !c->draining && slot->queued > 0 && slot->queued < AHEAD) {
            int stage = ledger_next(c->ledger, worker, fmin(AHEAD_SECONDS - ahead, seconds_left(c) / HEADROOM));
            if (stage < 0) break;
            ahead += ledger_cost(c->ledger, stage);
            start(c, worker, stage);
        }
    }
}

/* The next stage that is predicted to end in time.  Predictions may be wrong, those before the first stages most of
 * all: while half of the time is left and nothing runs, the most urgent stage is tried all the same, else a run that is
 * repeated at every time limit might never get on. */
static int next_in_time(const struct coordinator *c, int worker)
{
    double left = seconds_left(c);
    int stage = ledger_next(c->ledger, worker, left / HEADROOM);
    bool early = left > 0.5 * c->options->time_limit;
    if (stage >= 0 || !early || ledger_counts(c->ledger).running > 0) return stage;
    return ledger_next(c->ledger, worker, INFINITY);
}

/* True when something was started. */
static bool hand_out(struct coordinator *c)
{
    bool any = false;
    while (c->idle_count > 0 && !c->draining) {
        int worker = c->idle[c->idle_count - 1];
        int stage = next_in_time(c, worker);
        if (stage < 0) break;
        account_idle(c);
        c->idle_count--;
        start(c, worker, stage);
        any = true;
        if (c->self) upkeep(c, false);
    }
    hand_out_ahead(c);
    return any;
}

/* ---- the loop ---- */

/* Rank 0's own stage is interrupted by the same upkeep that runs between messages. */
static bool poll_here(void *context)
{
    struct coordinator *c = context;
    upkeep(c, false);
    return c->draining;
}

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
    tell_all(c, TELL_STOP);
    patience_reset(&patience);
    while (!all_stopped(c)) {
        if (take_reports(c)) patience_reset(&patience);
        upkeep(c, false);
        patience_wait(&patience);
    }
    c->draining = true; /* nobody listens from here on */
    tell_all(c, TELL_LEAVE);
}

static void stop_here(struct coordinator *c)
{
    struct error err;
    if (worker_sync(c->self, &err) != 0)
        coordinator_fail(c, &err);
    else
        c->slot[0].synced = c->slot[0].finished;
}

static void work_through(struct coordinator *c)
{
    struct patience patience;
    patience_reset(&patience);
    for (;;) {
        bool busy = !c->self && take_reports(c);
        upkeep(c, false);
        busy |= hand_out(c);
        if (ledger_counts(c->ledger).running == 0 && !busy) return; /* finished, drained, or nothing ends in time */
        if (busy)
            patience_reset(&patience);
        else
            patience_wait(&patience);
    }
}

int coordinator_run(struct coordinator *c)
{
    c->started = c->accounted = clock_seconds();
    if (c->self) {
        c->self->poll = poll_here;
        c->self->poll_context = c;
    }
    queue_releases(c);
    work_through(c);
    account_idle(c);
    if (c->self)
        stop_here(c);
    else
        stop_workers(c);
    account_idle(c);
    CHECK(!ledger_finished(c->ledger) || ledger_counts(c->ledger).waiting == 0, "stages wait for what cannot come");
    if (c->failure.kind == ERROR_NONE && !ledger_finished(c->ledger))
        error_set(&c->failure, ERROR_STOPPED, "%s; %d of %d stages are done; run the same command again to go on",
                  drain_requested() ? "stopped on request" : "the time limit is reached", ledger_counts(c->ledger).done,
                  c->plan->stages);
    c->own_sync = 0; /* rows of its own are synced now */
    upkeep(c, true);
    return c->failure.kind == ERROR_NONE ? 0 : -1;
}
