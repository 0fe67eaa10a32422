/* Every order of events from a seeded generator keeps the invariants; a replay gives the ledger that the events gave.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>

#include "ledger_private.h"
#include "plan_trees.h"

enum { WORKERS = 5 };

struct trial { /* a ledger that is driven at random, and what it was told */
    struct plan *plan;
    double *cost;
    struct ledger *ledger;
    struct random_cursor random;
    int running_on[WORKERS]; /* stage or -1 */
    int *times_done, *times_skipped;
    unsigned char *on_disk; /* checkpoints as a run would have them */
};

static struct trial *trial_create(uint64_t seed, enum keep keep)
{
    struct trial *t = memory_allocate(sizeof *t);
    t->random = random_at(random_stream("trial", seed, NULL), 0);
    t->plan = tree_random(seed, 1 + (int)random_below(&t->random, 60));
    t->cost = tree_random_costs(t->plan, seed);
    t->ledger = ledger_create(t->plan, t->cost, WORKERS, keep);
    t->times_done = memory_array((size_t)t->plan->stages, sizeof *t->times_done);
    t->times_skipped = memory_array((size_t)t->plan->stages, sizeof *t->times_skipped);
    t->on_disk = memory_array((size_t)t->plan->stages, 1);
    for (int w = 0; w < WORKERS; w++) t->running_on[w] = -1;
    return t;
}

static void trial_destroy(struct trial *t)
{
    ledger_destroy(&t->ledger);
    memory_free(t->on_disk);
    memory_free(t->times_skipped);
    memory_free(t->times_done);
    memory_free(t->cost);
    tree_destroy(&t->plan);
    memory_free(t);
}

static void apply(struct trial *t, enum ledger_event_kind kind, int stage, int worker, enum stage_status status)
{
    ledger_apply(t->ledger, &(struct ledger_event){kind, stage, worker, status});
}

static bool over(enum stage_status status)
{
    return status == STATUS_FAILED || status == STATUS_DIVERGED || status == STATUS_SKIPPED;
}

static void assert_stage_holds(const struct ledger *l, int s)
{
    int missing = 0;
    FOR_INPUTS(l, s, input) missing += !(l->flags[input] & FLAG_STATE);
    bool pending = l->status[s] == STATUS_PENDING;
    if (pending) assert_int_equal(l->waiting_on[s], missing);
    assert_int_equal(l->place[s] >= 0, pending && missing == 0);
    if (l->place[s] >= 0) assert_int_equal(l->heap[l->place[s]], s);
    if (l->place[s] > 0) assert_true(l->path[l->heap[(l->place[s] - 1) / 2]] >= l->path[s]);
    int users = 0, waiting = 0;
    for (int64_t i = l->dependent_first[s]; i < l->dependent_first[s + 1]; i++) {
        enum stage_status status = l->status[l->dependent[i]];
        users += status == STATUS_PENDING || status == STATUS_RUNNING;
        waiting += status == STATUS_PENDING;
        if (over(l->status[s])) assert_int_not_equal(status, STATUS_PENDING);
    }
    assert_int_equal(l->users[s], users);
    if (l->flags[s] & FLAG_STATE) assert_int_equal(l->status[s], STATUS_DONE);
    if (l->status[s] == STATUS_DONE && !(l->flags[s] & FLAG_STATE)) assert_int_equal(waiting, 0);
}

static void assert_ledger_holds(const struct ledger *l)
{
    struct ledger_counts real = {0}, told = ledger_counts(l);
    int64_t unstarted = 0;
    for (int s = 0; s < l->stages; s++) {
        enum stage_status status = l->status[s];
        real.ready += l->place[s] >= 0;
        real.waiting += status == STATUS_PENDING && l->place[s] < 0;
        real.running += status == STATUS_RUNNING;
        real.done += status == STATUS_DONE;
        real.failed += status == STATUS_FAILED || status == STATUS_DIVERGED;
        real.skipped += status == STATUS_SKIPPED;
        if (status == STATUS_PENDING) unstarted += microseconds(l->cost[s]);
        assert_stage_holds(l, s);
    }
    assert_memory_equal(&real, &told, sizeof real);
    assert_int_equal(l->unstarted, unstarted);
}

static void collect(struct trial *t)
{
    for (int s; (s = ledger_skipped(t->ledger)) >= 0;) assert_int_equal(++t->times_skipped[s], 1);
    for (int s; (s = ledger_release(t->ledger)) >= 0;) {
        assert_true(t->on_disk[s]);
        t->on_disk[s] = 0;
    }
}

static void start_one(struct trial *t, int worker)
{
    int stage = ledger_next(t->ledger, worker, INFINITY);
    if (stage < 0) return;
    FOR_INPUTS(t->ledger, stage, input) assert_true(t->on_disk[input]);
    apply(t, EVENT_STARTED, stage, worker, STATUS_RUNNING);
    t->running_on[worker] = stage;
}

static void finish_one(struct trial *t, int worker)
{
    int stage = t->running_on[worker];
    t->on_disk[stage] = ledger_checkpoint(t->ledger, stage);
    apply(t, EVENT_DONE, stage, worker, STATUS_DONE);
    t->times_done[stage]++;
    t->running_on[worker] = -1;
}

/* One random event: mostly starts and ends; `trouble` of a hundred are failures, returns and lost states. */
static void step(struct trial *t, uint32_t failures, uint32_t returns, uint32_t losses)
{
    int worker = (int)random_below(&t->random, WORKERS), stage = t->running_on[worker];
    uint32_t dice = random_below(&t->random, 100);
    if (stage < 0) {
        int lost = (int)random_below(&t->random, (uint32_t)t->plan->stages);
        if (dice < losses && t->on_disk[lost]) {
            t->on_disk[lost] = 0;
            apply(t, EVENT_LOST_STATE, lost, -1, 0);
        } else
            start_one(t, worker);
    } else if (dice < failures) {
        apply(t, EVENT_FAILED, stage, worker, dice % 2 ? STATUS_FAILED : STATUS_DIVERGED);
        t->running_on[worker] = -1;
    } else if (dice < failures + returns) {
        apply(t, EVENT_RETURNED, stage, worker, 0);
        t->running_on[worker] = -1;
    } else
        finish_one(t, worker);
    collect(t);
    assert_ledger_holds(t->ledger);
}

static bool idle(const struct trial *t)
{
    for (int w = 0; w < WORKERS; w++)
        if (t->running_on[w] >= 0) return false;
    return true;
}

static void run_to_the_end(struct trial *t, uint32_t failures, uint32_t returns, uint32_t losses)
{
    for (int events = 0; !(ledger_finished(t->ledger) && idle(t)); events++) {
        assert_true(events < 100 * t->plan->stages + 1000);
        step(t, failures, returns, losses);
    }
    struct ledger_counts counts = ledger_counts(t->ledger);
    assert_int_equal(counts.waiting, 0);
    assert_int_equal(counts.done + counts.failed + counts.skipped, t->plan->stages);
}

static void every_order_of_events_keeps_the_invariants(void **unused)
{
    (void)unused;
    for (uint64_t seed = 0; seed < 3000; seed++) {
        struct trial *t = trial_create(seed, (enum keep)(seed % 3));
        run_to_the_end(t, seed % 4 == 1 ? 8 : 0, seed % 4 == 2 ? 20 : 0, seed % 4 == 3 ? 15 : 0);
        trial_destroy(t);
    }
}

static void failures_returns_and_losses_may_come_together(void **unused)
{
    (void)unused;
    for (uint64_t seed = 10000; seed < 13000; seed++) {
        struct trial *t = trial_create(seed, (enum keep)(seed % 3));
        run_to_the_end(t, 5, 10, 10);
        trial_destroy(t);
    }
}

static void without_trouble_each_stage_is_done_once_and_nothing_unneeded_stays(void **unused)
{
    (void)unused;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct trial *t = trial_create(seed, KEEP_NONE);
        run_to_the_end(t, 0, 0, 0);
        for (int s = 0; s < t->plan->stages; s++) {
            assert_int_equal(t->times_done[s], 1);
            assert_false(t->on_disk[s]);
        }
        trial_destroy(t);
    }
}

static void kept_states_are_never_released(void **unused)
{
    (void)unused;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct trial *t = trial_create(seed, seed % 2 ? KEEP_TRUNK : KEEP_ALL);
        run_to_the_end(t, 0, 0, 0);
        for (int s = 0; s < t->plan->stages; s++) {
            enum stage_kind kind = t->plan->stage[s].kind;
            assert_int_equal(t->on_disk[s], seed % 2 == 0 || kind == STAGE_TRUNK || kind == STAGE_COOLDOWN);
        }
        trial_destroy(t);
    }
}

static void a_failure_skips_exactly_the_descendants_and_a_diverged_trunk_diverges_to_its_end(void **unused)
{
    (void)unused;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct trial *t = trial_create(seed, KEEP_NONE);
        int stages = t->plan->stages, failing = (int)random_below(&t->random, (uint32_t)stages);
        unsigned char *doomed = memory_array((size_t)stages, 1), *diverged = memory_array((size_t)stages, 1);
        for (int s = 0; s < stages; s++) {
            const struct stage *stage = &t->plan->stage[s];
            doomed[s] = diverged[s] = s == failing;
            FOR_INPUTS(t->ledger, s, input) doomed[s] |= doomed[input];
            if (stage->kind == STAGE_TRUNK && stage->parent >= 0 && stage->needs == 0)
                diverged[s] |= diverged[stage->parent] && t->plan->stage[stage->parent].kind == STAGE_TRUNK;
        }
        for (int s; (s = ledger_next(t->ledger, 0, INFINITY)) >= 0;) {
            apply(t, EVENT_STARTED, s, 0, 0);
            apply(t, s == failing ? EVENT_FAILED : EVENT_DONE, s, 0, STATUS_DIVERGED);
        }
        for (int s = 0; s < stages; s++)
            assert_int_equal(ledger_status(t->ledger, s), diverged[s] ? STATUS_DIVERGED
                                                          : doomed[s] ? STATUS_SKIPPED
                                                                      : STATUS_DONE);
        memory_free(diverged);
        memory_free(doomed);
        trial_destroy(t);
    }
}

/* What stands in the results of `live` is told to `again` in the given order. */
static void replay(const struct trial *live, struct trial *again, const uint32_t *order)
{
    for (int i = 0; i < live->plan->stages; i++) {
        int s = (int)order[i];
        enum stage_status status = ledger_status(live->ledger, s);
        if (status == STATUS_DONE) apply(again, EVENT_DONE, s, -1, status);
        if (status == STATUS_FAILED || status == STATUS_DIVERGED) apply(again, EVENT_FAILED, s, -1, status);
    }
}

static void assert_same(struct ledger *a, struct ledger *b)
{
    assert_memory_equal(a->status, b->status, (size_t)a->stages);
    assert_memory_equal(a->users, b->users, (size_t)a->stages * sizeof *a->users);
    assert_memory_equal(a->path, b->path, (size_t)a->stages * sizeof *a->path);
    assert_int_equal(a->unstarted, b->unstarted);
    for (int s = 0; s < a->stages; s++) {
        assert_int_equal(a->flags[s] & FLAG_STATE, b->flags[s] & FLAG_STATE);
        if (a->status[s] == STATUS_PENDING) assert_int_equal(a->waiting_on[s], b->waiting_on[s]);
    }
    struct ledger_counts left = ledger_counts(a), right = ledger_counts(b);
    assert_memory_equal(&left, &right, sizeof left);
}

/* Both go on by themselves; the same questions must get the same answers to the end. */
static void assert_same_future(struct trial *a, struct trial *b)
{
    for (int w = 0; w < WORKERS; w++) a->ledger->last_state[w] = -1; /* a restarted worker has nothing in memory */
    for (;;) {
        int left = ledger_next(a->ledger, 0, INFINITY), right = ledger_next(b->ledger, 0, INFINITY);
        assert_int_equal(left, right);
        if (left < 0) return;
        apply(a, EVENT_STARTED, left, 0, 0);
        apply(b, EVENT_STARTED, left, 0, 0);
        apply(a, EVENT_DONE, left, 0, 0);
        apply(b, EVENT_DONE, left, 0, 0);
    }
}

static void a_replay_in_any_order_gives_the_live_ledger(void **unused)
{
    (void)unused;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        enum keep keep = (enum keep)(seed % 3);
        struct trial *live = trial_create(seed, keep), *again = trial_create(seed, keep);
        uint32_t *order = memory_array((size_t)live->plan->stages, sizeof *order);
        int events = (int)random_below(&live->random, 2 * (uint32_t)live->plan->stages);
        for (int i = 0; i < events; i++) step(live, seed % 2 ? 5 : 0, 5, 0);
        for (int w = 0; w < WORKERS; w++)
            if (live->running_on[w] >= 0) apply(live, EVENT_RETURNED, live->running_on[w], w, 0);
        for (int s = 0; s < live->plan->stages; s++) order[s] = (uint32_t)s;
        if (seed % 3) random_permutation(&live->random, (uint32_t)live->plan->stages, order);
        replay(live, again, order);
        while (ledger_release(again->ledger) >= 0) continue;
        assert_ledger_holds(again->ledger);
        assert_same(live->ledger, again->ledger);
        assert_same_future(live, again);
        memory_free(order);
        trial_destroy(again);
        trial_destroy(live);
    }
}

/* 0 -> 1 -> 2, 0 -> 3: after all of 1 is done and 0 is released, losing 1 brings 0 back, and only because 2 waits. */
static void a_lost_state_is_computed_again_with_what_it_needs(void **unused)
{
    (void)unused;
    struct stage stage[] = {{.parent = -1}, {.parent = 0}, {.parent = 1}};
    struct plan plan = {.stages = 3, .rows = 3, .stage = stage};
    double cost[] = {1, 1, 1};
    struct ledger *ledger = ledger_create(&plan, cost, 1, KEEP_NONE);
    struct ledger_event event[] = {
        {EVENT_STARTED, 0, 0, 0}, {EVENT_DONE, 0, 0, 0}, {EVENT_STARTED, 1, 0, 0}, {EVENT_DONE, 1, 0, 0}};
    for (int i = 0; i < 4; i++) ledger_apply(ledger, &event[i]);
    assert_int_equal(ledger_release(ledger), 0);
    assert_int_equal(ledger_release(ledger), -1);
    assert_true(ledger_needed(ledger, 1));
    ledger_apply(ledger, &(struct ledger_event){.kind = EVENT_LOST_STATE, .stage = 1, .worker = -1});
    assert_int_equal(ledger_next(ledger, 0, INFINITY), 0);
    assert_ledger_holds(ledger);
    for (int s = 0; s < 3; s++) {
        assert_int_equal(ledger_next(ledger, 0, INFINITY), s);
        ledger_apply(ledger, &(struct ledger_event){.kind = EVENT_STARTED, .stage = s});
        assert_int_equal(ledger_checkpoint(ledger, s), s < 2);
        ledger_apply(ledger, &(struct ledger_event){.kind = EVENT_DONE, .stage = s});
    }
    assert_true(ledger_finished(ledger));
    assert_int_equal(ledger_counts(ledger).done, 3);
    ledger_destroy(&ledger);
}

static int memory_is_returned(void **state)
{
    static struct memory_count before;
    if (!*state) {
        before = memory_count();
        *state = &before;
        return 0;
    }
    return memory_count().blocks == before.blocks && memory_count().bytes == before.bytes ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_order_of_events_keeps_the_invariants),
        cmocka_unit_test(failures_returns_and_losses_may_come_together),
        cmocka_unit_test(without_trouble_each_stage_is_done_once_and_nothing_unneeded_stays),
        cmocka_unit_test(kept_states_are_never_released),
        cmocka_unit_test(a_failure_skips_exactly_the_descendants_and_a_diverged_trunk_diverges_to_its_end),
        cmocka_unit_test(a_replay_in_any_order_gives_the_live_ledger),
        cmocka_unit_test(a_lost_state_is_computed_again_with_what_it_needs),
    };
    return cmocka_run_group_tests(tests, memory_is_returned, memory_is_returned);
}
