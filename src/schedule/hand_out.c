/* Handing out: which stages go to which worker now, one to an idle one, more ahead where they are short.  The ledger
 * says what is most urgent; here stand the reasons to wait: a time limit, and stages that must be alone. */
#include <math.h>

#include "schedule_private.h"

static const double HEADROOM = 1.1; /* a stage may take so much longer than predicted and still end in time */
/* Stages this short are handed out before the worker asks, so that it never waits for an answer, and many go in one
 * message: seconds of work that may lie at a worker, with what it runs. */
static const double AHEAD_SECONDS = 50e-3;
static const double WORTH_STARTING = 1; /* seconds of work before a drain that make it worth to begin a longer stage */

void visit_later(struct coordinator *c, int worker)
{
    if (c->slot[worker].to_visit) return;
    c->slot[worker].to_visit = true;
    c->to_visit[c->to_visit_count++] = worker;
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
    outbox_put_instruction(&slot->out, &instruction, plan_views(c->plan, stage));
    visit_later(c, worker);
}

/* Nobody gets more of what is ready than would be left for each of the others. */
static int most_ahead(const struct coordinator *c)
{
    int fair = 1 + ledger_counts(c->ledger).ready / c->workers;
    return fair < AHEAD ? fair : AHEAD;
}

static void fill_up(struct coordinator *c, int worker)
{
    struct slot *slot = &c->slot[worker];
    int most = most_ahead(c);
    double ahead = 0, left = fmin(AHEAD_SECONDS, seconds_left(c) / HEADROOM);
    for (int i = 0; i < slot->queued; i++) ahead += ledger_cost(c->ledger, slot->queue[i]);
    while (slot->queued > 0 && slot->queued < most) {
        int stage = ledger_next(c->ledger, worker, left - ahead);
        if (stage < 0) break;
        ahead += ledger_cost(c->ledger, stage);
        start(c, worker, stage);
    }
}

/* Workers that have just ended short stages get more of them ahead; then all hear what they were given. */
static void visit_workers(struct coordinator *c)
{
    bool wait = c->draining || c->alone >= 0 || suspects_next(c) >= 0;
    while (c->to_visit_count > 0) {
        int worker = c->to_visit[c->to_visit_count - 1];
        struct slot *slot = &c->slot[worker];
        if (slot->reported && !wait) fill_up(c, worker);
        slot->reported = slot->to_visit = false;
        c->to_visit_count--;
        outbox_send(&slot->out);
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
    double given = c->options->time_limit - (c->started - c->called); /* what the replay has left of it */
    bool early = left > 0.5 * given && ledger_counts(c->ledger).running == 0;
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

/* ---- all of it ---- */

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
    }
    visit_workers(c);
    if (c->self) work_here(c);
    return any;
}
