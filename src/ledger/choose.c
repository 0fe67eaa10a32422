/* Which stage a worker should run next.
 *
 * Later, a gang: a stage of width w goes to w workers at once.  Then this function answers with a set of workers for
 * the most urgent stage (those that hold its parent first), EVENT_STARTED names the set, and last_state is set for all.
 */
#include <math.h>

#include "ledger_private.h"

/* How far the two searches look, so that an answer costs the same however wide the tree is. */
enum { CHILDREN_LOOKED_AT = 16, READY_LOOKED_AT = 512 };

/* Ready child of `state` with the longest path that fits into most_seconds, or -1. */
static int ready_child(const struct ledger *ledger, int state, double most_seconds)
{
    if (state < 0) return -1;
    int best = -1;
    int64_t first = ledger->dependent_first[state] + ledger->opened[state];
    int64_t end = ledger->dependent_first[state + 1];
    if (end - first > CHILDREN_LOOKED_AT) end = first + CHILDREN_LOOKED_AT;
    for (int64_t i = first; i < end; i++) {
        int child = ledger->dependent[i];
        if (ledger->plan->stage[child].parent != state || ledger->place[child] < 0) continue;
        if (ledger->cost[child] > most_seconds) continue;
        if (best < 0 || ledger->path[child] > ledger->path[best]) best = child;
    }
    return best;
}

/* The most urgent ready stage, or, when it takes too long, the most urgent of those near the top that do not. */
static int most_urgent(const struct ledger *ledger, double most_seconds)
{
    int looked_at = ledger->heap_size < READY_LOOKED_AT ? ledger->heap_size : READY_LOOKED_AT;
    int best = -1;
    for (int at = 0; at < looked_at; at++) {
        int stage = ledger->heap[at];
        if (ledger->cost[stage] > most_seconds) continue;
        if (at == 0) return stage;
        if (best < 0 || ledger->key[stage] > ledger->key[best]) best = stage;
    }
    return best;
}

int ledger_next(const struct ledger *ledger, int worker, double most_seconds)
{
    int urgent = most_urgent(ledger, most_seconds);
    int state = ledger->last_state[worker];
    if (urgent < 0 || state < 0 || ledger->order != ORDER_CRITICAL_PATH) return urgent;
    int near = ready_child(ledger, state, most_seconds);
    if (near < 0) near = ready_child(ledger, ledger->plan->stage[state].parent, most_seconds);
    if (near < 0 || near == urgent) return urgent;
    double slack = ledger_unstarted(ledger) / ledger->workers - ledger->path[urgent];
    return ledger->path[near] >= ledger->path[urgent] || ledger->cost[near] <= slack ? near : urgent;
}
