/* Stages whose process died.
 *
 * A death has a cause, and mostly it is outside: a node that fails, a job that is killed.  What ran then simply runs
 * again.  A stage that was running at two deaths and got no further in between, as far as was noted, is a suspect: it
 * runs alone, everybody else idle, and notes every step.  Only a death while alone counts against it, and only in a row
 * at the same step: a stage that kills its process does so at one place, since its numbers are the same every time;
 * kills from outside come anywhere.  After --attempts of them it is failed.  A drain is no death. */
#include <stdlib.h>

#include "schedule_private.h"

static int by_stage(const void *left, const void *right)
{
    const struct suspect *a = left, *b = right;
    return (a->stage > b->stage) - (a->stage < b->stage);
}

static struct suspect *find(const struct coordinator *c, int stage)
{
    struct suspect wanted = {.stage = stage};
    if (c->suspects == 0) return NULL;
    return bsearch(&wanted, c->suspect, c->suspects, sizeof wanted, by_stage);
}

struct stage_attempt suspects_attempt(const struct coordinator *c, int stage)
{
    const struct suspect *known = find(c, stage);
    struct stage_attempt attempt = known ? known->attempt : (struct stage_attempt){.furthest = -1};
    attempt.running = c->alone == stage ? 2 : 1;
    return attempt;
}

int suspects_next(const struct coordinator *c)
{
    for (size_t i = 0; i < c->suspects; i++)
        if (c->suspect[i].attempt.suspect && ledger_ready(c->ledger, c->suspect[i].stage)) return c->suspect[i].stage;
    return -1;
}

void suspects_clear(struct coordinator *c, int stage)
{
    struct suspect *known = find(c, stage);
    if (known) known->attempt.suspect = false;
    if (c->alone == stage) c->alone = -1;
}

/* What a death in this attempt tells. */
static void settle(struct stage_attempt *attempt)
{
    bool further = attempt->step > attempt->furthest;
    if (attempt->running == 2) {
        attempt->deaths = attempt->step == attempt->furthest ? attempt->deaths + 1 : 1;
    } else {
        attempt->suspect = attempt->furthest >= 0 && !further;
        if (further) attempt->deaths = 0; /* those were at a place that it has passed */
    }
    if (attempt->running == 2 || further) attempt->furthest = attempt->step;
    attempt->running = 0;
}

static int condemn(struct coordinator *c, int stage, const struct stage_attempt *attempt, struct error *err)
{
    const struct stage *at = &c->plan->stage[stage];
    char *reason = memory_format("its process died %d times at step %lld while nothing else ran", attempt->deaths,
                                 (long long)attempt->furthest);
    log_line(LOG_WARNING, "stage %d is failed: %s", stage, reason);
    int status = write_empty_row(c, stage, STATUS_FAILED, reason, err);
    memory_free(reason);
    if (status != 0) return -1;
    return store_write_attempt(c->store, at->row, &(struct stage_attempt){.furthest = -1}, err);
}

static int judge(struct coordinator *c, int stage, struct stage_attempt *attempt, enum stage_status *row,
                 struct error *err)
{
    struct ledger_event failure = {EVENT_FAILED, stage, -1, STATUS_FAILED};
    bool died = attempt->running > 0;
    int most = c->options->attempts > 0 ? c->options->attempts : 1;
    if (died) settle(attempt);
    if (attempt->deaths >= most) {
        *row = STATUS_FAILED;
        ledger_apply(c->ledger, &failure);
        return condemn(c, stage, attempt, err);
    }
    if (!died && !attempt->suspect && attempt->furthest < 0) return 0;
    c->suspect = memory_grow(c->suspect, &c->suspect_capacity, c->suspects + 1, sizeof *c->suspect);
    c->suspect[c->suspects++] = (struct suspect){stage, *attempt};
    return died ? store_write_attempt(c->store, c->plan->stage[stage].row, attempt, err) : 0;
}

int suspects_read(struct coordinator *c, struct store_reader *reader, enum stage_status *row, struct error *err)
{
    struct stage_attempt *attempt = memory_array((size_t)c->plan->rows, sizeof *attempt);
    int status = store_read_attempts(reader, attempt, c->plan->rows, err);
    for (int s = 0; s < c->plan->stages && status == 0; s++) {
        const struct stage *stage = &c->plan->stage[s];
        if (stage->copy > 0 || ledger_status(c->ledger, s) != STATUS_PENDING) continue;
        status = judge(c, s, &attempt[stage->row], &row[stage->row], err);
    }
    c->own_rows = true;
    memory_free(attempt);
    return status;
}
