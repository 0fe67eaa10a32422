/* What each event changes.  Every change of a status goes through leave_pending and enter_pending or touches no count
 * of pending stages, so the invariants of ledger_private.h hold after each event, in whatever order events come. */
#include "ledger_private.h"

#define FOR_DEPENDENTS(ledger, stage_number, dependent_stage)                                                          \
    for (int64_t i_ = (ledger)->dependent_first[stage_number], dependent_stage;                                        \
         i_ < (ledger)->dependent_first[(stage_number) + 1] && (dependent_stage = (ledger)->dependent[i_], true);      \
         i_++)

static bool pending(const struct ledger *ledger, int64_t stage) { return ledger->status[stage] == STATUS_PENDING; }

static bool has_state(const struct ledger *ledger, int stage) { return ledger->flags[stage] & FLAG_STATE; }

static void leave_pending(struct ledger *ledger, int stage)
{
    if (ledger->place[stage] >= 0)
        ready_remove(ledger, stage);
    else
        ledger->counts.waiting--;
    ledger->unstarted -= microseconds(ledger->cost[stage]);
}

static void release_if_unused(struct ledger *ledger, int stage)
{
    if (ledger->users[stage] == 0 && has_state(ledger, stage) && !ledger_keeps(ledger, stage))
        chain_push(&ledger->released, stage);
}

/* The stage has ended: it uses its inputs no longer. */
static void drop_inputs(struct ledger *ledger, int stage)
{
    FOR_INPUTS(ledger, stage, input)
    {
        ledger->users[input]--;
        release_if_unused(ledger, input);
    }
}

static bool is_doomed(const struct ledger *ledger, int stage)
{
    FOR_INPUTS(ledger, stage, input)
    {
        enum stage_status status = ledger->status[input];
        if (status == STATUS_FAILED || status == STATUS_DIVERGED || status == STATUS_SKIPPED) return true;
    }
    return false;
}

/* A trunk is cut where somebody branches off; what diverged before the cut has diverged after it as well, as it would
 * have in one piece. */
static bool continues_diverged_trunk(const struct ledger *ledger, int number)
{
    const struct stage *stage = &ledger->plan->stage[number];
    return stage->kind == STAGE_TRUNK && stage->needs == 0 && stage->parent >= 0 &&
           ledger->plan->stage[stage->parent].kind == STAGE_TRUNK && ledger->status[stage->parent] == STATUS_DIVERGED;
}

/* A stage that is no longer pending or running and never will be; a row that was committed stays. */
static void skip(struct ledger *ledger, int stage)
{
    if (ledger->flags[stage] & FLAG_COMMITTED) {
        ledger->status[stage] = STATUS_DONE;
        ledger->counts.done++;
    } else {
        bool diverged = continues_diverged_trunk(ledger, stage);
        ledger->status[stage] = diverged ? STATUS_DIVERGED : STATUS_SKIPPED;
        *(diverged ? &ledger->counts.failed : &ledger->counts.skipped) += 1;
        chain_push(&ledger->skipped, stage);
    }
    drop_inputs(ledger, stage);
}

static void skip_dependents(struct ledger *ledger, int stage)
{
    int height = 0;
    ledger->stack[height++] = stage;
    while (height > 0) {
        int from = ledger->stack[--height];
        FOR_DEPENDENTS(ledger, from, d)
        {
            if (!pending(ledger, d)) continue;
            leave_pending(ledger, (int)d);
            skip(ledger, (int)d);
            ledger->stack[height++] = (int)d;
        }
    }
}

static void reopen(struct ledger *ledger, int stage);

/* Waits or is ready, and what is missing for it comes back first; in the course of that it may be skipped. */
static void enter_pending(struct ledger *ledger, int stage)
{
    ledger->status[stage] = STATUS_PENDING;
    ledger->unstarted += microseconds(ledger->cost[stage]);
    ledger->waiting_on[stage] = 0;
    FOR_INPUTS(ledger, stage, input) ledger->waiting_on[stage] += !has_state(ledger, input);
    if (ledger->waiting_on[stage] == 0)
        ready_insert(ledger, stage);
    else
        ledger->counts.waiting++;
    if (ledger->plan->stage[stage].parent >= 0) ledger->opened[ledger->plan->stage[stage].parent] = 0;
    FOR_INPUTS(ledger, stage, input)
    if (pending(ledger, stage) && ledger->status[input] == STATUS_DONE && !has_state(ledger, input))
        reopen(ledger, input);
}

/* A done stage whose state is gone is computed again, and before it whatever it needs that is gone too.  The recursion
 * is as deep as the plan's longest path of lost states. */
static void reopen(struct ledger *ledger, int stage)
{
    if (is_doomed(ledger, stage)) {
        skip_dependents(ledger, stage);
        return;
    }
    ledger->counts.done--;
    FOR_INPUTS(ledger, stage, input) ledger->users[input]++;
    enter_pending(ledger, stage);
}

static bool awaited(const struct ledger *ledger, int stage)
{
    FOR_DEPENDENTS(ledger, stage, d)
    if (pending(ledger, d)) return true;
    return false;
}

static void on_started(struct ledger *ledger, int stage)
{
    CHECK(ledger->place[stage] >= 0, "stage %d starts but is not ready", stage);
    leave_pending(ledger, stage);
    ledger->status[stage] = STATUS_RUNNING;
    ledger->counts.running++;
    if (ledger->users[stage] > 0 || ledger_keeps(ledger, stage)) ledger->flags[stage] |= FLAG_CHECKPOINT;
    int parent = ledger->plan->stage[stage].parent;
    if (parent < 0) return;
    int64_t at = ledger->dependent_first[parent] + ledger->opened[parent];
    for (; at < ledger->dependent_first[parent + 1] && !pending(ledger, ledger->dependent[at]); at++)
        ledger->opened[parent]++;
}

/* Out of pending (replay) or running: true when the stage's state was to be kept for someone. */
static bool end(struct ledger *ledger, int stage)
{
    if (pending(ledger, stage)) {
        leave_pending(ledger, stage);
        bool has_dependents = ledger->dependent_first[stage] < ledger->dependent_first[stage + 1];
        return has_dependents || ledger_keeps(ledger, stage);
    }
    CHECK(ledger->status[stage] == STATUS_RUNNING, "stage %d ends but does not run", stage);
    ledger->counts.running--;
    bool checkpoint = ledger->flags[stage] & FLAG_CHECKPOINT;
    ledger->flags[stage] &= (unsigned char)~FLAG_CHECKPOINT;
    return checkpoint;
}

static void offer_state(struct ledger *ledger, int stage)
{
    ledger->flags[stage] |= FLAG_STATE;
    FOR_DEPENDENTS(ledger, stage, d)
    {
        if (!pending(ledger, d) || --ledger->waiting_on[d] > 0) continue;
        ledger->counts.waiting--;
        ready_insert(ledger, (int)d);
    }
    release_if_unused(ledger, stage);
}

static void on_done(struct ledger *ledger, int stage, int worker)
{
    bool kept = end(ledger, stage);
    ledger->status[stage] = STATUS_DONE;
    ledger->flags[stage] |= FLAG_COMMITTED;
    ledger->counts.done++;
    if (worker >= 0) ledger->last_state[worker] = stage;
    drop_inputs(ledger, stage);
    if (kept)
        offer_state(ledger, stage);
    else if (awaited(ledger, stage)) /* somebody came to need it while it ran */
        reopen(ledger, stage);
}

static void on_failed(struct ledger *ledger, int stage, enum stage_status status)
{
    CHECK(status == STATUS_FAILED || status == STATUS_DIVERGED, "stage %d failed with status %d", stage, status);
    if (!pending(ledger, stage) && ledger->status[stage] != STATUS_RUNNING)
        return; /* a replay: what it needs has failed as well */
    end(ledger, stage);
    ledger->status[stage] = (unsigned char)status;
    ledger->counts.failed++;
    drop_inputs(ledger, stage);
    skip_dependents(ledger, stage);
}

static void on_returned(struct ledger *ledger, int stage)
{
    CHECK(ledger->status[stage] == STATUS_RUNNING, "stage %d is returned but does not run", stage);
    end(ledger, stage);
    if (is_doomed(ledger, stage)) {
        skip(ledger, stage);
        skip_dependents(ledger, stage);
    } else
        enter_pending(ledger, stage);
}

static void on_lost_state(struct ledger *ledger, int stage)
{
    if (!has_state(ledger, stage)) return;
    ledger->flags[stage] &= (unsigned char)~FLAG_STATE;
    bool wanted = false;
    FOR_DEPENDENTS(ledger, stage, d)
    {
        if (!pending(ledger, d)) continue;
        wanted = true;
        ledger->waiting_on[d]++;
        if (ledger->place[d] < 0) continue;
        ready_remove(ledger, (int)d);
        ledger->counts.waiting++;
    }
    if (wanted) reopen(ledger, stage);
}

void ledger_apply(struct ledger *ledger, const struct ledger_event *event)
{
    CHECK(event->stage >= 0 && event->stage < ledger->stages, "event for stage %d", event->stage);
    CHECK(event->worker < ledger->workers, "event of worker %d", event->worker);
    switch (event->kind) {
    case EVENT_STARTED: on_started(ledger, event->stage); break;
    case EVENT_DONE: on_done(ledger, event->stage, event->worker); break;
    case EVENT_FAILED: on_failed(ledger, event->stage, event->status); break;
    case EVENT_RETURNED: on_returned(ledger, event->stage); break;
    case EVENT_LOST_STATE: on_lost_state(ledger, event->stage); break;
    }
}

int ledger_release(struct ledger *ledger)
{
    for (int stage; (stage = chain_pop(&ledger->released)) >= 0;) {
        if (!has_state(ledger, stage) || ledger->users[stage] > 0) continue; /* lost or needed again meanwhile */
        ledger->flags[stage] &= (unsigned char)~FLAG_STATE;
        return stage;
    }
    return -1;
}

int ledger_skipped(struct ledger *ledger) { return chain_pop(&ledger->skipped); }
