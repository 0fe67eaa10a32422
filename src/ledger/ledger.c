/* The ledger's arrays, made once; what depends on predictions alone (paths); and the questions that only look. */
#include <math.h>

#include "ledger_private.h"

/* Counts, sums, then fills backwards: the usual compressed rows. */
static void list_dependents(struct ledger *ledger)
{
    int64_t total = 0;
    for (int s = 0; s < ledger->stages; s++) {
        FOR_INPUTS(ledger, s, input)
        {
            CHECK(input < s, "stage %d stands before its input %d", s, input);
            ledger->dependent_first[input]++;
            total++;
        }
    }
    ledger->dependent = memory_array((size_t)total, sizeof *ledger->dependent);
    for (int s = 0; s < ledger->stages; s++) ledger->dependent_first[s + 1] += ledger->dependent_first[s];
    for (int s = ledger->stages - 1; s >= 0; s--)
        FOR_INPUTS(ledger, s, input) ledger->dependent[--ledger->dependent_first[input]] = s;
    ledger->dependent_first[ledger->stages] = total;
}

static void update_paths(struct ledger *ledger)
{
    const double *path = ledger->path;
    for (int s = ledger->stages - 1; s >= 0; s--) {
        double longest = 0;
        for (int64_t i = ledger->dependent_first[s]; i < ledger->dependent_first[s + 1]; i++)
            longest = fmax(longest, path[ledger->dependent[i]]);
        ledger->path[s] = ledger->cost[s] + longest;
    }
}

void chain_init(struct chain *chain, int stages)
{
    chain->first = chain->last = -1;
    chain->link = memory_array((size_t)stages, sizeof *chain->link);
    for (int s = 0; s < stages; s++) chain->link[s] = CHAIN_OUT;
}

void chain_push(struct chain *chain, int stage)
{
    if (chain->link[stage] != CHAIN_OUT) return;
    chain->link[stage] = -1;
    if (chain->last >= 0)
        chain->link[chain->last] = stage;
    else
        chain->first = stage;
    chain->last = stage;
}

int chain_pop(struct chain *chain)
{
    int stage = chain->first;
    if (stage < 0) return -1;
    chain->first = chain->link[stage];
    if (chain->first < 0) chain->last = -1;
    chain->link[stage] = CHAIN_OUT;
    return stage;
}

static void allocate(struct ledger *ledger)
{
    size_t stages = (size_t)ledger->stages;
    ledger->dependent_first = memory_array(stages + 1, sizeof *ledger->dependent_first);
    ledger->status = memory_array(stages, sizeof *ledger->status);
    ledger->flags = memory_array(stages, sizeof *ledger->flags);
    ledger->waiting_on = memory_array(stages, sizeof *ledger->waiting_on);
    ledger->users = memory_array(stages, sizeof *ledger->users);
    ledger->opened = memory_array(stages, sizeof *ledger->opened);
    ledger->cost = memory_array(stages, sizeof *ledger->cost);
    ledger->path = memory_array(stages, sizeof *ledger->path);
    ledger->key = ledger->order == ORDER_CRITICAL_PATH ? ledger->path : memory_array(stages, sizeof *ledger->key);
    ledger->heap = memory_array(stages, sizeof *ledger->heap);
    ledger->place = memory_array(stages, sizeof *ledger->place);
    ledger->stack = memory_array(stages, sizeof *ledger->stack);
    ledger->last_state = memory_array((size_t)ledger->workers, sizeof *ledger->last_state);
    chain_init(&ledger->released, ledger->stages);
    chain_init(&ledger->skipped, ledger->stages);
}

struct ledger *ledger_create_ordered(const struct plan *plan, const double *cost, int workers, enum keep keep,
                                     enum order order, uint64_t seed)
{
    struct ledger *ledger = memory_allocate(sizeof *ledger);
    *ledger = (struct ledger){.plan = plan, .keep = keep, .order = order, .stages = plan->stages, .workers = workers};
    ledger->random = random_at(random_stream("order of stages", seed, NULL), 0);
    allocate(ledger);
    list_dependents(ledger);
    for (int w = 0; w < workers; w++) ledger->last_state[w] = -1;
    ledger_recost(ledger, cost);
    for (int s = 0; s < ledger->stages; s++) {
        ledger->place[s] = -1;
        ledger->users[s] = (int)(ledger->dependent_first[s + 1] - ledger->dependent_first[s]);
        FOR_INPUTS(ledger, s, input) ledger->waiting_on[s]++;
        if (ledger->waiting_on[s] == 0) ready_insert(ledger, s);
    }
    ledger->counts.waiting = ledger->stages - ledger->heap_size;
    return ledger;
}

struct ledger *ledger_create(const struct plan *plan, const double *cost, int workers, enum keep keep)
{
    return ledger_create_ordered(plan, cost, workers, keep, ORDER_CRITICAL_PATH, 0);
}

void ledger_destroy(struct ledger **ledger)
{
    struct ledger *l = *ledger;
    if (!l) return;
    if (l->key != l->path) memory_free(l->key);
    void *blocks[] = {l->dependent_first, l->dependent, l->status,     l->flags,         l->waiting_on,
                      l->users,           l->opened,    l->cost,       l->path,          l->heap,
                      l->place,           l->stack,     l->last_state, l->released.link, l->skipped.link};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) memory_free(blocks[i]);
    memory_free(l);
    *ledger = NULL;
}

void ledger_recost(struct ledger *ledger, const double *cost)
{
    ledger->unstarted = 0;
    for (int s = 0; s < ledger->stages; s++) {
        ledger->cost[s] = cost[s];
        if (ledger->status[s] == STATUS_PENDING) ledger->unstarted += microseconds(cost[s]);
    }
    update_paths(ledger);
    if (ledger->order == ORDER_CRITICAL_PATH) ready_rebuild(ledger);
}

bool ledger_keeps(const struct ledger *ledger, int stage)
{
    enum stage_kind kind = ledger->plan->stage[stage].kind;
    bool pretrained = kind == STAGE_TRUNK || kind == STAGE_COOLDOWN;
    return ledger->keep == KEEP_ALL || (ledger->keep == KEEP_TRUNK && pretrained);
}

bool ledger_checkpoint(const struct ledger *ledger, int stage) { return ledger->flags[stage] & FLAG_CHECKPOINT; }

bool ledger_needed(const struct ledger *ledger, int stage)
{
    return ledger->flags[stage] & FLAG_STATE && ledger->users[stage] > 0;
}

bool ledger_ready(const struct ledger *ledger, int stage) { return ledger->place[stage] >= 0; }

bool ledger_committed(const struct ledger *ledger, int stage) { return ledger->flags[stage] & FLAG_COMMITTED; }

enum stage_status ledger_status(const struct ledger *ledger, int stage) { return ledger->status[stage]; }

struct ledger_counts ledger_counts(const struct ledger *ledger)
{
    struct ledger_counts counts = ledger->counts;
    counts.ready = ledger->heap_size;
    return counts;
}

bool ledger_finished(const struct ledger *ledger) { return ledger->heap_size == 0 && ledger->counts.running == 0; }

double ledger_cost(const struct ledger *ledger, int stage) { return ledger->cost[stage]; }

double ledger_remaining_path(const struct ledger *ledger, int stage) { return ledger->path[stage]; }

double ledger_unstarted(const struct ledger *ledger) { return 1e-6 * (double)ledger->unstarted; }
