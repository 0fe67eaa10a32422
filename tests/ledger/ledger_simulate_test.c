/* The simulator against exhaustive search on small plans; on large ones: tests/bench. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>

#include "palimpsest/ledger.h"

#include "plan_trees.h"

/* ---- the shortest makespan there is, by trying every order ---- */

struct search {
    const struct plan *plan;
    const double *cost;
    int ranks;
    double best, end[16], free_at[4];
};

static double inputs_ready(const struct search *search, int stage, unsigned placed, bool *possible)
{
    const struct stage *s = &search->plan->stage[stage];
    double ready = 0;
    *possible = true;
    for (int i = -1; i < s->needs; i++) {
        int input = i < 0 ? s->parent : search->plan->need[s->first_need + i];
        if (input < 0) continue;
        if (!(placed >> input & 1)) *possible = false;
        ready = fmax(ready, search->end[input]);
    }
    return ready;
}

/* Every active schedule comes from some order of list scheduling on the rank that is free first. */
static void try_all(struct search *search, unsigned placed, double makespan)
{
    if (makespan >= search->best) return;
    if (placed == (1u << search->plan->stages) - 1) {
        search->best = makespan;
        return;
    }
    for (int s = 0; s < search->plan->stages; s++) {
        bool possible;
        double ready = inputs_ready(search, s, placed, &possible);
        if (!possible || placed >> s & 1) continue;
        for (int rank = 0; rank < search->ranks; rank++) {
            double before = search->free_at[rank];
            search->end[s] = search->free_at[rank] = fmax(before, ready) + search->cost[s];
            try_all(search, placed | 1u << s, fmax(makespan, search->end[s]));
            search->free_at[rank] = before;
        }
    }
}

static void assert_accounts(const struct certificate *c)
{
    double idle = c->idle_parent + c->idle_tail + c->idle_io + c->idle_drain;
    assert_true(fabs(c->work + idle - c->ranks * c->makespan) < 1e-6 * c->ranks * c->makespan);
    assert_true(c->makespan >= c->lower_bound * (1 - 1e-12));
}

static void small_plans_come_close_to_the_best_schedule(void **unused)
{
    (void)unused;
    double worst = 1, sum = 0;
    enum { CASES = 150 };
    for (uint64_t seed = 0; seed < CASES; seed++) {
        struct plan *plan = tree_random(seed, 6);
        double *cost = tree_random_costs(plan, seed);
        struct search search = {.plan = plan, .cost = cost, .ranks = 2, .best = INFINITY};
        try_all(&search, 0, 0);
        struct certificate certificate;
        ledger_simulate(plan, cost, cost, 2, ORDER_CRITICAL_PATH, 0, &certificate);
        assert_accounts(&certificate);
        double ratio = certificate.makespan / search.best;
        assert_true(ratio > 1 - 1e-12);
        worst = fmax(worst, ratio);
        sum += ratio;
        memory_free(cost);
        tree_destroy(&plan);
    }
    assert_true(worst < 4. / 3); /* Graham's bound for two ranks, longest first */
    assert_true(sum / CASES < 1.02);
}

static void one_rank_takes_as_long_as_the_work(void **unused)
{
    (void)unused;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct plan *plan = tree_random(seed, 100);
        double *cost = tree_random_costs(plan, seed);
        struct certificate c;
        ledger_simulate(plan, cost, cost, 1, (enum order)(seed % 3), seed, &c);
        assert_true(fabs(c.makespan - c.work) < 1e-9 * c.work);
        assert_int_equal(c.stages_done, 100);
        assert_int_equal(c.steps_executed, c.steps_tree);
        assert_true(fabs(c.idle_parent + c.idle_tail) < 1e-9 * c.work);
        memory_free(cost);
        tree_destroy(&plan);
    }
}

static void with_ranks_enough_only_the_critical_path_counts(void **unused)
{
    (void)unused;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct plan *plan = tree_random(seed, 100);
        double *cost = tree_random_costs(plan, seed);
        struct certificate c;
        ledger_simulate(plan, cost, cost, 100, ORDER_CRITICAL_PATH, 0, &c);
        assert_true(fabs(c.makespan - c.critical_path) < 1e-9 * c.makespan);
        assert_accounts(&c);
        memory_free(cost);
        tree_destroy(&plan);
    }
}

/* 0 (2 s) then 1 (3 s), beside 2 (1 s), on two ranks: rank 1 waits 1 s for 0, then 3 s with nothing left. */
static void idle_time_is_told_by_its_cause(void **unused)
{
    (void)unused;
    struct stage stage[] = {{.parent = -1}, {.parent = 0}, {.parent = -1}};
    struct plan plan = {.stages = 3, .stage = stage};
    double cost[] = {2, 3, 1};
    struct certificate c;
    ledger_simulate(&plan, cost, cost, 2, ORDER_CRITICAL_PATH, 0, &c);
    assert_true(c.makespan == 5 && c.work == 6 && c.critical_path == 5 && c.lower_bound == 5);
    assert_true(c.idle_parent == 1 && c.idle_tail == 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_plans_come_close_to_the_best_schedule),
        cmocka_unit_test(one_rank_takes_as_long_as_the_work),
        cmocka_unit_test(with_ranks_enough_only_the_critical_path_counts),
        cmocka_unit_test(idle_time_is_told_by_its_cause),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed || memory_count().blocks != 0;
}
