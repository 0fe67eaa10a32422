/* The ready stages: an indexed binary heap, largest key on top; equal keys in plan order, so that the order of
 * insertion never matters. */
#include "ledger_private.h"

static bool before(const struct ledger *ledger, int a, int b)
{
    return ledger->key[a] != ledger->key[b] ? ledger->key[a] > ledger->key[b] : a < b;
}

static void put(struct ledger *ledger, int at, int stage)
{
    ledger->heap[at] = stage;
    ledger->place[stage] = at;
}

static void sift_up(struct ledger *ledger, int at, int stage)
{
    while (at > 0 && before(ledger, stage, ledger->heap[(at - 1) / 2])) {
        put(ledger, at, ledger->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(ledger, at, stage);
}

static void sift_down(struct ledger *ledger, int at, int stage)
{
    for (int child; (child = 2 * at + 1) < ledger->heap_size; at = child) {
        if (child + 1 < ledger->heap_size && before(ledger, ledger->heap[child + 1], ledger->heap[child])) child++;
        if (!before(ledger, ledger->heap[child], stage)) break;
        put(ledger, at, ledger->heap[child]);
    }
    put(ledger, at, stage);
}

void ready_insert(struct ledger *ledger, int stage)
{
    ASSERT(ledger->place[stage] < 0, "stage %d is in the heap already", stage);
    if (ledger->order == ORDER_FIRST_IN) ledger->key[stage] = -(double)ledger->arrivals++;
    if (ledger->order == ORDER_RANDOM) ledger->key[stage] = random_unit(&ledger->random);
    sift_up(ledger, ledger->heap_size++, stage);
}

void ready_remove(struct ledger *ledger, int stage)
{
    int at = ledger->place[stage];
    ASSERT(at >= 0, "stage %d is not in the heap", stage);
    ledger->place[stage] = -1;
    int moved = ledger->heap[--ledger->heap_size];
    if (moved == stage) return;
    if (at > 0 && before(ledger, moved, ledger->heap[(at - 1) / 2]))
        sift_up(ledger, at, moved);
    else
        sift_down(ledger, at, moved);
}

void ready_rebuild(struct ledger *ledger)
{
    for (int at = ledger->heap_size / 2 - 1; at >= 0; at--) sift_down(ledger, at, ledger->heap[at]);
}
