/* Which stage comes next: the longest remaining path, and what is in the worker's memory when that costs nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>

#include "palimpsest/ledger.h"

#include "plan_trees.h"

static void started(struct ledger *ledger, int stage)
{
    ledger_apply(ledger, &(struct ledger_event){.kind = EVENT_STARTED, .stage = stage});
}

static void done(struct ledger *ledger, int stage, int worker)
{
    ledger_apply(ledger, &(struct ledger_event){.kind = EVENT_DONE, .stage = stage, .worker = worker});
}

static void remaining_paths_are_the_longest_chains(void **unused)
{
    (void)unused;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct plan *plan = tree_random(seed, 40);
        double *cost = tree_random_costs(plan, seed), longest = 0;
        struct ledger *ledger = ledger_create(plan, cost, 1, KEEP_NONE);
        for (int s = 0; s < plan->stages; s++) {
            double path = ledger_remaining_path(ledger, s), best = 0;
            for (int d = 0; d < plan->stages; d++) {
                bool depends = plan->stage[d].parent == s;
                for (int n = 0; n < plan->stage[d].needs; n++)
                    depends |= plan->need[plan->stage[d].first_need + n] == s;
                if (depends) best = fmax(best, ledger_remaining_path(ledger, d));
            }
            assert_true(path == cost[s] + best);
            longest = fmax(longest, path);
        }
        assert_true(fabs(longest - ledger_critical_path(plan, cost)) < 1e-9 * longest);
        ledger_destroy(&ledger);
        memory_free(cost);
        tree_destroy(&plan);
    }
}

static void the_longest_remaining_path_goes_first(void **unused)
{
    (void)unused;
    struct stage stage[] = {{.parent = -1}, {.parent = -1}, {.parent = 1}, {.parent = -1}};
    struct plan plan = {.stages = 4, .stage = stage};
    double cost[] = {4, 1, 5, 5};
    struct ledger *ledger = ledger_create(&plan, cost, 1, KEEP_NONE);
    int expected[] = {1, 2, 3, 0}; /* 2 and 3 are as long: plan order */
    for (int i = 0; i < 4; i++) {
        assert_int_equal(ledger_next(ledger, 0, INFINITY), expected[i]);
        started(ledger, expected[i]);
        done(ledger, expected[i], -1);
    }
    assert_int_equal(ledger_next(ledger, 0, INFINITY), -1);
    ledger_destroy(&ledger);
}

/* 0 has the child 2; 1 is alone; 3 .. 12 are further work of one second each. */
static int next_after_0(double child, double alone, int workers)
{
    struct stage stage[13] = {{.parent = -1}, {.parent = -1}, {.parent = 0}};
    double cost[13] = {1, alone, child};
    for (int s = 3; s < 13; s++) {
        stage[s].parent = -1;
        cost[s] = 1;
    }
    struct plan plan = {.stages = 13, .stage = stage};
    struct ledger *ledger = ledger_create(&plan, cost, workers, KEEP_NONE);
    started(ledger, 0);
    done(ledger, 0, 0);
    int next = ledger_next(ledger, 0, INFINITY);
    ledger_destroy(&ledger);
    return next;
}

static void a_child_of_what_is_in_memory_goes_first_when_that_costs_nothing(void **unused)
{
    (void)unused;
    assert_int_equal(next_after_0(2, 3, 1), 2);  /* one worker has to do everything anyway */
    assert_int_equal(next_after_0(2, 3, 3), 2);  /* 15 s of work on 3 workers: 3 can still start after 2 */
    assert_int_equal(next_after_0(2, 3, 4), 1);  /* 15 s on 4: it could not */
    assert_int_equal(next_after_0(3, 3, 50), 2); /* as urgent */
}

static void siblings_are_near_too(void **unused)
{
    (void)unused;
    struct stage stage[] = {{.parent = -1}, {.parent = -1}, {.parent = 0}, {.parent = 0}};
    struct plan plan = {.stages = 4, .stage = stage};
    double cost[] = {9, 5, 1, 1};
    struct ledger *ledger = ledger_create(&plan, cost, 1, KEEP_NONE);
    started(ledger, 0);
    done(ledger, 0, 0);
    started(ledger, 2);
    done(ledger, 2, 0);
    assert_int_equal(ledger_next(ledger, 0, INFINITY), 3);
    ledger_destroy(&ledger);
}

static void what_takes_too_long_is_passed_over(void **unused)
{
    (void)unused;
    struct stage stage[] = {{.parent = -1}, {.parent = -1}, {.parent = -1}};
    struct plan plan = {.stages = 3, .stage = stage};
    double cost[] = {2, 9, 4};
    struct ledger *ledger = ledger_create(&plan, cost, 1, KEEP_NONE);
    assert_int_equal(ledger_next(ledger, 0, 10), 1);
    assert_int_equal(ledger_next(ledger, 0, 8), 2);
    assert_int_equal(ledger_next(ledger, 0, 3), 0);
    assert_int_equal(ledger_next(ledger, 0, 1), -1);
    ledger_destroy(&ledger);
}

static void priorities_follow_new_predictions(void **unused)
{
    (void)unused;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct plan *plan = tree_random(seed, 50);
        double *old = tree_random_costs(plan, seed), *new = tree_random_costs(plan, seed + 1000);
        struct ledger *a = ledger_create(plan, old, 3, KEEP_NONE), *b = ledger_create(plan, new, 3, KEEP_NONE);
        for (int i = 0; i < 20; i++) { /* the same history, so that many are ready */
            int s = ledger_next(a, 0, INFINITY);
            started(a, s), started(b, s);
            done(a, s, 0), done(b, s, 0);
        }
        ledger_recost(a, new);
        for (int s; (s = ledger_next(b, 0, INFINITY)) >= 0;) {
            assert_int_equal(ledger_next(a, 0, INFINITY), s);
            started(a, s), started(b, s);
            done(a, s, 0), done(b, s, 0);
        }
        ledger_destroy(&a);
        ledger_destroy(&b);
        memory_free(old);
        memory_free(new);
        tree_destroy(&plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(remaining_paths_are_the_longest_chains),
        cmocka_unit_test(the_longest_remaining_path_goes_first),
        cmocka_unit_test(a_child_of_what_is_in_memory_goes_first_when_that_costs_nothing),
        cmocka_unit_test(siblings_are_near_too),
        cmocka_unit_test(what_takes_too_long_is_passed_over),
        cmocka_unit_test(priorities_follow_new_predictions),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed || memory_count().blocks != 0;
}
