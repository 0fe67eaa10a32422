/* Handing out: which stage goes to which idle worker now.  The ledger says what is most urgent; here stand the reasons
 * to wait: a time limit, and stages that must be alone. */
#include <math.h>

#include "schedule_private.h"

static const double HEADROOM = 1.1; /* a stage may take so much longer than predicted and still end in time */
/* Stages this short are handed out before the worker asks, so that it never waits for an answer: seconds of work that
 * may lie ready at a worker beside what it runs. */
static const double AHEAD_SECONDS = 5e-3;
static const double WORTH_STARTING = 1; /* seconds of work before a drain that make it worth to begin a longer stage */

static void carry_out_here(struct coordinator *c, const struct instruction *instruction)
{
    struct report report;
    struct error err;
    const struct view *views = plan_views(c->plan, instruction->assignment.stage);
    if (worker_carry_out(c->self, instruction, views, &report, &err) != 0) {
        report.kind = REPORT_ERROR;
        report_say(&report, err.text);
    }
    coordinator_take_report(c, 0, &report);
}

static void compose(struct coordinator *c, int stage, struct instruction *instruction)
{
    const struct stage *at = &c->plan->stage[stage];
    *instruction = (struct instruction){.version = MESSAGE_VERSION, .kind = TELL_RUN};
    plan_assign(c->plan, stage, &instruction->assignment);
    instruction->assignment.checkpoint = ledger_checkpoint(c->ledger, stage);
    instruction->attempts = ++c->attempts[stage];
    instruction->begun = c->begun[stage];
    /* A row that stands is not taken back by what happens to its stage now; copies of one stage share a row. */
    instruction->noted = at->copy == 0 && !ledger_committed(c->ledger, stage);
    instruction->attempt = suspects_attempt(c, stage);
    instruction->flops = at->training_flops + at->measuring_flops;
    instruction->record_length = plan_record_length(c->plan, stage);
}

static void start(struct coordinator *c, int worker, int stage)
{
    struct instruction instruction;
    struct slot *slot = &c->slot[worker];
    ledger_apply(c->ledger, &(struct ledger_event){EVENT_STARTED, stage, worker, STATUS_RUNNING});
    compose(c, stage, &instruction);
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
    bool wait = c->self || c->draining || c->alone >= 0 || suspects_next(c) >= 0;
    while (c->reported_count > 0) {
        int worker = c->reported[--c->reported_count];
        struct slot *slot = &c->slot[worker];
        double ahead = 0;
        slot->reported = false;
        for (int i = 0; i < slot->queued; i++) ahead += ledger_cost(c->ledger, slot->queue[i]);
        while (!wait && slot->queued > 0 && slot->queued < AHEAD) {
            int stage = ledger_next(c->ledger, worker, fmin(AHEAD_SECONDS - ahead, seconds_left(c) / HEADROOM));
            if (stage < 0) break;
            ahead += ledger_cost(c->ledger, stage);
            start(c, worker, stage);
        }
    }
}

/* Seconds that pass between a drain and the stage's checkpoint: a step, or the measuring that cannot be interrupted. */
static double seconds_to_checkpoint(const struct coordinator *c, int stage)
{
    const struct stage *at = &c->plan->stage[stage];
    double cost = ledger_cost(c->ledger, stage), steps = fmax(1, (double)(at->stop_step - at->start_step));
    double flops = at->training_flops + at->measuring_flops;
    double measuring = flops > 0 ? cost * at->measuring_flops / flops : 0;
    return fmax((cost - measuring) / steps, measuring);
}

double drain_seconds(const struct coordinator *c)
{
    double longest = 0;
    for (int w = 0; w < c->workers; w++)
        if (c->slot[w].queued > 0) longest = fmax(longest, seconds_to_checkpoint(c, c->slot[w].queue[0]));
    return longest + c->checkpoint_seconds;
}

/* The next stage that is predicted to end in time; else the most urgent one that gets some work done and can leave a
 * checkpoint of it.  Before the first stages have ended predictions are worth little: while half of the time is left
 * and nothing runs, the most urgent stage is tried all the same, else a run that is repeated at every time limit might
 * never get on. */
static int next_in_time(const struct coordinator *c, int worker)
{
    double left = seconds_left(c);
    int stage = ledger_next(c->ledger, worker, left / HEADROOM);
    if (stage >= 0) return stage;
    stage = ledger_next(c->ledger, worker, INFINITY);
    if (stage < 0 || left <= 0) return -1;
    bool early = left > 0.5 * c->options->time_limit && ledger_counts(c->ledger).running == 0;
    double needed = HEADROOM * seconds_to_checkpoint(c, stage) + c->checkpoint_seconds + WORTH_STARTING;
    return early || left > needed ? stage : -1;
}

/* A stage that may kill its process starts when nothing else runs, and nothing else starts before it has ended or is
 * cleared. */
static bool hand_out_suspect(struct coordinator *c, int stage)
{
    if (ledger_counts(c->ledger).running > 0 || c->idle_count == 0 || seconds_left(c) <= 0) return false;
    account_idle(c);
    c->alone = stage;
    start(c, c->idle[--c->idle_count], stage);
    return true;
}

bool hand_out(struct coordinator *c)
{
    bool any = false;
    while (c->idle_count > 0 && !c->draining && c->alone < 0) {
        int suspect = suspects_next(c);
        if (suspect >= 0) {
            if (!hand_out_suspect(c, suspect)) break;
            any = true;
            continue;
        }
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
