/* The sweep in virtual time: the same ledger, an event queue of finishing ranks, and the account at the end. */
#include <math.h>

#include "ledger_private.h"

struct finish { /* of a stage on a rank */
    double time;
    int rank, stage;
};
struct simulation {
    struct ledger *ledger;
    const double *actual;
    int ranks;
    double now;
    struct finish *queue; /* [ranks]: binary heap, earliest on top */
    int running;
    int *idle, idle_count; /* the last to become idle is asked first: what it has in memory is what was just made */
};

double ledger_critical_path(const struct plan *plan, const double *seconds)
{
    double *end = memory_array((size_t)plan->stages, sizeof *end), longest = 0;
    for (int s = 0; s < plan->stages; s++) {
        for (int at = -1; at < plan->stage[s].needs; at++) {
            int input = stage_input(plan, s, at);
            if (input >= 0) end[s] = fmax(end[s], end[input]);
        }
        end[s] += seconds[s];
        longest = fmax(longest, end[s]);
    }
    memory_free(end);
    return longest;
}

static bool earlier(struct finish a, struct finish b) { return a.time != b.time ? a.time < b.time : a.rank < b.rank; }

static void queue_push(struct simulation *run, struct finish finish)
{
    int at = run->running++;
    for (; at > 0 && earlier(finish, run->queue[(at - 1) / 2]); at = (at - 1) / 2)
        run->queue[at] = run->queue[(at - 1) / 2];
    run->queue[at] = finish;
}

static struct finish queue_pop(struct simulation *run)
{
    struct finish first = run->queue[0], last = run->queue[--run->running];
    int at = 0;
    for (int child; (child = 2 * at + 1) < run->running; at = child) {
        if (child + 1 < run->running && earlier(run->queue[child + 1], run->queue[child])) child++;
        if (!earlier(run->queue[child], last)) break;
        run->queue[at] = run->queue[child];
    }
    run->queue[at] = last;
    return first;
}

static void hand_out(struct simulation *run)
{
    while (run->idle_count > 0) {
        int rank = run->idle[run->idle_count - 1];
        int stage = ledger_next(run->ledger, rank, INFINITY);
        if (stage < 0) return;
        run->idle_count--;
        ledger_apply(run->ledger, &(struct ledger_event){.kind = EVENT_STARTED, .stage = stage, .worker = rank});
        queue_push(run, (struct finish){run->now + run->actual[stage], rank, stage});
    }
}

/* All stages that end at the next moment, and the idle time until then by its cause: with stages still waiting, for a
 * parent; with none left to start, the tail. */
static void advance(struct simulation *run, struct certificate *account)
{
    struct ledger_counts counts = ledger_counts(run->ledger);
    double next = run->queue[0].time, idle = (next - run->now) * run->idle_count;
    if (counts.waiting > 0)
        account->idle_parent += idle;
    else
        account->idle_tail += idle;
    run->now = next;
    while (run->running > 0 && run->queue[0].time <= next) {
        struct finish ended = queue_pop(run);
        ledger_apply(run->ledger,
                     &(struct ledger_event){.kind = EVENT_DONE, .stage = ended.stage, .worker = ended.rank});
        run->idle[run->idle_count++] = ended.rank;
    }
    while (ledger_release(run->ledger) >= 0) continue;
}

static void account_work(const struct plan *plan, const double *actual, int ranks, struct certificate *account)
{
    account->ranks = ranks;
    for (int s = 0; s < plan->stages; s++) account->work += actual[s];
    account->critical_path = ledger_critical_path(plan, actual);
    account->lower_bound = fmax(account->work / ranks, account->critical_path);
    account->steps_tree = plan->steps_tree;
    for (int s = 0; s < plan->stages; s++)
        account->steps_executed += plan->stage[s].stop_step - plan->stage[s].start_step;
    account->flops_per_cell_alone = plan->flops_per_cell_alone;
    account->flops_one_pretraining_each = plan->flops_one_pretraining_each;
    account->flops_tree = plan->flops_tree;
}

void ledger_simulate(const struct plan *plan, const double *predicted, const double *actual, int ranks,
                     enum order order, uint64_t seed, struct certificate *certificate)
{
    CHECK(ranks > 0, "%d ranks", ranks);
    struct simulation run = {.actual = actual, .ranks = ranks};
    struct certificate account = {0};
    run.ledger = ledger_create_ordered(plan, predicted, ranks, KEEP_NONE, order, seed);
    run.queue = memory_array((size_t)ranks, sizeof *run.queue);
    run.idle = memory_array((size_t)ranks, sizeof *run.idle);
    for (int rank = ranks - 1; rank >= 0; rank--) run.idle[run.idle_count++] = rank;
    hand_out(&run);
    while (run.running > 0) {
        advance(&run, &account);
        hand_out(&run);
    }
    struct ledger_counts counts = ledger_counts(run.ledger);
    CHECK(counts.done == plan->stages, "%d of %d stages done", counts.done, plan->stages);
    account.makespan = run.now;
    account.stages_done = counts.done;
    account_work(plan, actual, ranks, &account);
    *certificate = account;
    memory_free(run.idle);
    memory_free(run.queue);
    ledger_destroy(&run.ledger);
}
