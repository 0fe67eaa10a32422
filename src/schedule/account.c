/* Where the ranks' time goes, and what the display shows of it. */
#include <math.h>

#include "schedule_private.h"

/* Time since the last call, of all idle ranks, by its cause.  With stages ready, either the time limit keeps them from
 * starting, or a message is on its way: that is left for the rest in account_finish. */
void account_idle(struct coordinator *c)
{
    double now = clock_seconds(), idle = (now - c->accounted) * c->idle_count;
    struct ledger_counts counts = ledger_counts(c->ledger);
    c->accounted = now;
    if (c->draining || (counts.ready > 0 && c->options->time_limit > 0))
        c->account.idle_drain += idle;
    else if (counts.ready == 0 && counts.waiting > 0)
        c->account.idle_parent += idle;
    else if (counts.ready == 0)
        c->account.idle_tail += idle;
}

void account_spent(struct coordinator *c, const struct time_spent *spent)
{
#define ADD(member, name) c->account.spent.member += spent->member;
    TIME_SPENT(ADD)
#undef ADD
}

/* Reading, writing and messages are what is left: then the sum is exact. */
void account_finish(struct coordinator *c)
{
    struct certificate *account = &c->account;
    struct ledger_counts counts = ledger_counts(c->ledger);
    account->ranks = c->workers;
    account->makespan = c->accounted - c->started;
    account->critical_path = ledger_critical_path(c->plan, c->seconds);
    account->lower_bound = fmax(account->work / c->workers, account->critical_path);
    double known = account->work + account->idle_parent + account->idle_tail + account->idle_drain;
    account->idle_io = fmax(0, c->workers * account->makespan - known);
    account->steps_tree = c->plan->steps_tree;
    account->flops_per_cell_alone = c->plan->flops_per_cell_alone;
    account->flops_one_pretraining_each = c->plan->flops_one_pretraining_each;
    account->flops_tree = c->plan->flops_tree;
    account->stages_done = counts.done;
    account->stages_failed = counts.failed;
    account->stages_skipped = counts.skipped;
    if (c->options->began > 0) account->starting = c->workers * (c->started - c->options->began);
    memory_resident(NULL, &account->peak_bytes_rank_0);
    if (c->self) account->peak_bytes = account->peak_bytes_rank_0;
}

static struct worker_progress worker_progress(struct coordinator *c, struct slot *slot, double now)
{
    struct worker_progress shown = {.stage = slot->queued > 0 ? slot->queue[0] : -1, .tokens_per_second = NAN};
    if (shown.stage < 0) return shown;
    const struct stage *stage = &c->plan->stage[shown.stage];
    int64_t step = c->self ? c->self->step : slot->step;
    shown.seconds = now - slot->since;
    if (step > 0 && slot->tokens_per_step == 0) slot->tokens_per_step = plan_tokens_per_step(c->plan, shown.stage);
    double steps = (double)(step - stage->start_step), passed = (c->self ? now : slot->step_told) - slot->since;
    if (steps > 0 && passed > 0) shown.tokens_per_second = slot->tokens_per_step * steps / passed;
    return shown;
}

/* Seconds: all ranks share what is left, but nothing is faster than the longest chain that is ready. */
static double remaining(const struct coordinator *c, double now)
{
    if (!c->any_observed) return NAN;
    double work = ledger_unstarted(c->ledger), longest = 0;
    for (int w = 0; w < c->workers; w++) {
        const struct slot *slot = &c->slot[w];
        for (int i = 0; i < slot->queued; i++) {
            double passed = i == 0 ? now - slot->since : 0;
            work += fmax(0, ledger_cost(c->ledger, slot->queue[i]) - passed);
            longest = fmax(longest, ledger_remaining_path(c->ledger, slot->queue[i]) - passed);
        }
    }
    return fmax(work / c->workers, longest);
}

void show_progress(struct coordinator *c)
{
    if (!c->options->progress) return;
    double now = clock_seconds();
    for (int w = 0; w < c->workers; w++) c->shown[w] = worker_progress(c, &c->slot[w], now);
    struct progress progress = {.elapsed = now - c->started,
                                .remaining = remaining(c, now),
                                .counts = ledger_counts(c->ledger),
                                .stages = c->plan->stages,
                                .workers = c->workers,
                                .worker = c->shown};
    c->options->progress(c->options->progress_context, c->plan, &progress);
}
