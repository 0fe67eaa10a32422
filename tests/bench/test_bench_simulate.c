/* The promises of the scheduler on a large grid, and the bound that they are held against. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

#include "palimpsest/bench.h"

static void assert_accounts(const struct certificate *c)
{
    double idle = c->idle_parent + c->idle_tail + c->idle_io + c->idle_drain;
    assert_true(fabs(c->work + idle - c->ranks * c->makespan) < 1e-6 * c->ranks * c->makespan);
    assert_true(c->makespan >= c->lower_bound * (1 - 1e-12));
}

static const char *text_of(const struct bench_order *order)
{
    static const char *const words[] = {
        [ORDER_CRITICAL_PATH] = "critical path", [ORDER_FIRST_IN] = "first in, first out", [ORDER_RANDOM] = "random"};
    return order->errors ? "critical path, with errors" : words[order->order];
}

/* The largest makespan / bound of each order over 4 to 4096 ranks. */
static void worst_ratios(double worst[BENCH_ORDERS])
{
    double *seconds;
    struct plan *plan = bench_grid_plan(&bench_grid, &seconds);
    for (int o = 0; o < BENCH_ORDERS; o++) worst[o] = 1;
    for (int ranks = 4; ranks <= 4096; ranks *= 2) {
        struct certificate found[BENCH_ORDERS];
        double bound = bench_sharper_bound(plan, seconds, ranks);
        bench_simulate(plan, seconds, ranks, 7, found);
        for (int o = 0; o < BENCH_ORDERS; o++) {
            assert_accounts(&found[o]);
            assert_true(found[o].lower_bound <= bound * (1 + 1e-12));
            assert_true(found[o].makespan >= bound * (1 - 1e-12));
            print_message("%s, %d ranks: makespan %.0f, certificate's bound %.0f, ratio to the sharper one %.4f\n",
                          text_of(&bench_orders[o]), ranks, found[o].makespan, found[o].lower_bound,
                          found[o].makespan / bound);
            worst[o] = fmax(worst[o], found[o].makespan / bound);
        }
    }
    memory_free(seconds);
    bench_plan_destroy(&plan);
}

static void the_critical_path_first_stays_near_the_lower_bound_and_other_orders_do_not(void **unused)
{
    (void)unused;
    double worst[BENCH_ORDERS];
    worst_ratios(worst);
    for (int o = 0; o < BENCH_ORDERS; o++) {
        if (bench_orders[o].order != ORDER_CRITICAL_PATH)
            assert_true(worst[o] > 1.05);
        else
            assert_true(worst[o] <= (bench_orders[o].errors ? 1.05 : 1.02));
    }
}

static void the_grid_has_the_stages_of_its_cells_and_their_cost(void **unused)
{
    (void)unused;
    struct bench_grid grid = {.sizes = 2, .varieties = 3, .seeds = 1, .amounts = 2, .tasks = 2, .finetune = 0.5};
    double *seconds, work = 0;
    struct plan *plan = bench_grid_plan(&grid, &seconds);
    /* Of each size: an initial state, and of each variety: trunk to 0.8, cooldown 0.2, trunk 0.8 on to 1.6, cooldown
     * 0.4, and for each of the two amounts four fine-tunings of 0.5. */
    assert_int_equal(plan->stages, 2 * (1 + 3 * 2 * (2 + 4)));
    for (int s = 0; s < plan->stages; s++) {
        assert_true(plan->stage[s].parent < s);
        work += seconds[s];
    }
    assert_true(fabs(work - (1 + 4) * (0.01 + 3 * (0.8 + 0.2 + 0.8 + 0.4 + 8 * 0.5))) < 1e-9);
    assert_true(fabs(ledger_critical_path(plan, seconds) - 4 * (0.01 + 1.6 + 0.4 + 2 * 0.5)) < 1e-9);
    memory_free(seconds);
    bench_plan_destroy(&plan);
    assert_null(plan);
}

static void errors_are_those_of_a_log_normal_factor_and_of_their_seed(void **unused)
{
    (void)unused;
    double *seconds, sum = 0, squares = 0;
    struct plan *plan = bench_grid_plan(&bench_grid, &seconds);
    double *wrong = bench_with_errors(plan, seconds, 0.3, 1), *same = bench_with_errors(plan, seconds, 0.3, 1);
    double *other = bench_with_errors(plan, seconds, 0.3, 2);
    int equal = 0;
    for (int s = 0; s < plan->stages; s++) {
        double error = log(wrong[s] / seconds[s]);
        sum += error;
        squares += error * error;
        assert_true(wrong[s] == same[s]);
        equal += wrong[s] == other[s];
    }
    assert_int_equal(equal, 0);
    double mean = sum / plan->stages, deviation = sqrt(squares / plan->stages - mean * mean);
    assert_true(fabs(mean) < 5 * 0.3 / sqrt(plan->stages));
    assert_true(fabs(deviation / 0.3 - 1) < 5 / sqrt(2.0 * plan->stages));
    memory_free(other);
    memory_free(same);
    memory_free(wrong);
    memory_free(seconds);
    bench_plan_destroy(&plan);
}

/* 0 (2 s), then 1 to 4 (3 s each) after it, of which 4 is a need of 5 (1 s), on two ranks: 13 s of the work cannot
 * start before second 2, and 2 + 13 / 2 is more than the critical path of 6 and half of all 15. */
static void the_sharper_bound_counts_what_waits_for_a_parent_or_a_need(void **unused)
{
    (void)unused;
    int need[] = {4};
    struct stage stage[] = {{.parent = -1}, {.parent = 0}, {.parent = 0},
                            {.parent = 0},  {.parent = 0}, {.parent = -1, .needs = 1}};
    struct plan plan = {.stages = 6, .stage = stage, .need = need, .need_count = 1};
    double seconds[] = {2, 3, 3, 3, 3, 1};
    assert_true(fabs(bench_sharper_bound(&plan, seconds, 2) - 8.5) < 1e-12);
    assert_true(fabs(bench_sharper_bound(&plan, seconds, 1) - 15) < 1e-12);
    assert_true(fabs(bench_sharper_bound(&plan, seconds, 100) - 6) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_critical_path_first_stays_near_the_lower_bound_and_other_orders_do_not),
        cmocka_unit_test(the_grid_has_the_stages_of_its_cells_and_their_cost),
        cmocka_unit_test(errors_are_those_of_a_log_normal_factor_and_of_their_seed),
        cmocka_unit_test(the_sharper_bound_counts_what_waits_for_a_parent_or_a_need),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed || memory_count().blocks != 0;
}
