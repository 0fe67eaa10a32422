/* Shared between the sources of ledger only. */
#ifndef PALIMPSEST_LEDGER_PRIVATE_H
#define PALIMPSEST_LEDGER_PRIVATE_H

#include "palimpsest/ledger.h"

/* One int list through an array of links, so that a stage is in it at most once and nothing is allocated. */
struct chain {
    int first, last; /* -1: empty */
    int *link;       /* [stages]: the next stage, -1: the last, CHAIN_OUT: not in the list */
};
enum { CHAIN_OUT = -2 };

enum flag {
    FLAG_STATE = 1,      /* the stage's state can be had: it is done, and its checkpoint was not released or lost */
    FLAG_CHECKPOINT = 2, /* runs and was told to leave a checkpoint */
    FLAG_COMMITTED = 4,  /* was done at some time: its row stands in the results */
};

/* A stage's inputs are its parent and its needs; its dependents are the stages that it is an input of.
 * Invariants between events, for every stage s:
 *   waiting_on[s]  inputs without FLAG_STATE, while s is pending
 *   users[s]       dependents that are pending or running
 *   s is in the heap  <=>  s is pending and waiting_on[s] == 0
 *   FLAG_STATE implies done; done without FLAG_STATE implies that no dependent is pending */
struct ledger {
    const struct plan *plan;
    enum keep keep;
    enum order order;
    int stages, workers;
    int64_t *dependent_first; /* [stages + 1] into dependent */
    int *dependent;
    unsigned char *status, *flags; /* enum stage_status; enum flag */
    int *waiting_on, *users;
    int *opened;         /* leading dependents that have started, been skipped or ended: where to look for a child */
    double *cost, *path; /* seconds; path: from the stage's start to the end of the longest chain */
    double *key;         /* what the heap sorts by: path, or an array of its own for other orders */
    int *heap, *place;   /* ready stages, largest key on top; place of a stage in it, or -1 */
    int heap_size;
    int *last_state;   /* [workers]: stage whose state the worker has in memory, or -1 */
    int64_t unstarted; /* microseconds of all pending stages; whole, so that the order of events cannot round */
    int64_t arrivals;  /* for ORDER_FIRST_IN */
    struct random_cursor random;
    struct chain released, skipped;
    int *stack; /* [stages]: scratch of one event */
    struct ledger_counts counts;
};

struct ledger *ledger_create_ordered(const struct plan *plan, const double *cost, int workers, enum keep keep,
                                     enum order order, uint64_t seed);

static inline int64_t microseconds(double seconds) { return (int64_t)(seconds * 1e6); }

/* Calls `each(ledger, input)` for the parent and the needs of a stage. */
#define FOR_INPUTS(ledger, stage_number, input)                                                                        \
    for (int input##_at = -1, input; input##_at < (ledger)->plan->stage[stage_number].needs &&                         \
                                     (input = stage_input((ledger)->plan, stage_number, input##_at), true);            \
         input##_at++)                                                                                                 \
        if (input >= 0)

/* Input number `at`: -1 is the parent (which may be -1), then the needs. */
static inline int stage_input(const struct plan *plan, int stage, int at)
{
    return at < 0 ? plan->stage[stage].parent : plan->need[plan->stage[stage].first_need + at];
}

void chain_init(struct chain *chain, int stages);
void chain_push(struct chain *chain, int stage); /* nothing when it is in the list */
int chain_pop(struct chain *chain);              /* or -1 */

void ready_insert(struct ledger *ledger, int stage);
void ready_remove(struct ledger *ledger, int stage);
void ready_rebuild(struct ledger *ledger); /* after keys have changed */

bool ledger_keeps(const struct ledger *ledger, int stage); /* by --keep */

#endif
