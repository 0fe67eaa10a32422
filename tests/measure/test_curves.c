/* Where curves reach a level, what is read there, and what relearning saves: worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

#include "palimpsest/measure.h"

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-12)
enum { LOOKS = 5 };
static const double steps[LOOKS] = {0, 2, 8, 18, 32};

/* 0.70 lies between the looks after 8 and 18 steps, a quarter of the way from 0.60 to 1.00. */
static void a_level_is_reached_between_two_looks(void **unused)
{
    (void)unused;
    const double curve[LOOKS] = {0.40, 0.50, 0.60, 1.00, 0.90};
    struct reach reach = curve_reach(curve, LOOKS, 0.70, false);
    assert_int_equal(reach.at, 3);
    NEAR(reach.share, 0.25);
    NEAR(curve_at(steps, reach), 10.5); /* 8 + 0.25 x 10 */
    NEAR(curve_at(curve, reach), 0.70);
    const double falling[LOOKS] = {5.0, 4.0, 3.5, 3.0, 2.0};
    NEAR(curve_at(steps, curve_reach(falling, LOOKS, 3.6, true)), 6.8); /* 2 + 0.8 x 6 */
}

/* Traps: the last crossing instead of the first; the look after it instead of the place between. */
static void the_first_crossing_counts_and_not_a_later_one(void **unused)
{
    (void)unused;
    const double curve[LOOKS] = {0.2, 0.6, 0.1, 0.3, 0.9};
    NEAR(curve_at(steps, curve_reach(curve, LOOKS, 0.5, false)), 1.5); /* 0 + 0.75 x 2; the last would be 18 + 14 / 3 */
    NEAR(curve_at(steps, curve_reach(curve, LOOKS, 0.15, true)), 7.4); /* 2 + 0.9 x 6 */
}

static void what_is_there_from_the_start_took_no_steps(void **unused)
{
    (void)unused;
    const double curve[LOOKS] = {0.8, 0.2, 0.9, 0.9, 0.9};
    assert_true(curve_at(steps, curve_reach(curve, LOOKS, 0.8, false)) == 0);
    assert_true(curve_at(curve, curve_reach(curve, LOOKS, 0.5, false)) == 0.8); /* and is what it was then */
}

static void a_level_met_by_a_look_itself_is_at_that_look_exactly(void **unused)
{
    (void)unused;
    const double curve[LOOKS] = {0.1, 0.3, 0.7, 0.7, 1.0};
    assert_true(curve_at(steps, curve_reach(curve, LOOKS, 0.7, false)) == 8);
    assert_true(curve_at(steps, curve_reach(curve, LOOKS, 1.0, false)) == 32);
}

static void what_is_never_reached_is_nowhere(void **unused)
{
    (void)unused;
    const double curve[LOOKS] = {0.1, 0.3, 0.7, 0.7, 0.8};
    struct reach never = curve_reach(curve, LOOKS, 0.80001, false);
    assert_int_equal(never.at, -1);
    assert_true(isnan(curve_at(steps, never)));
    assert_int_equal(curve_reach(curve, LOOKS, 0.0999, true).at, -1);
    assert_int_equal(curve_reach(curve, LOOKS, NAN, false).at, -1);
}

static void what_is_not_a_number_reaches_nothing_and_spoils_nothing(void **unused)
{
    (void)unused;
    const double curve[LOOKS] = {NAN, 0.3, NAN, 0.9, 1.0};
    struct reach reach = curve_reach(curve, LOOKS, 0.6, false);
    assert_int_equal(reach.at, 3);
    assert_true(curve_at(steps, reach) == 18); /* nothing before it to start from */
    assert_true(curve_at(steps, curve_reach(curve, LOOKS, 0.2, false)) == 2);
}

static void savings_are_one_minus_the_ratio_of_the_steps(void **unused)
{
    (void)unused;
    NEAR(savings_of(40, 10), 0.75);
    NEAR(savings_of(40, 0), 1); /* nothing was forgotten */
    NEAR(savings_of(40, 40), 0);
    NEAR(savings_of(40, 60), -0.5);       /* it was harder than the first time */
    assert_true(isnan(savings_of(0, 0))); /* known before it was learnt */
    assert_true(isnan(savings_of(NAN, 3)));
    assert_true(isnan(savings_of(40, NAN)));
}

/* After A 0.90; chance 0.5.  B, of three classes, at half of what is above chance: 1/3 + 0.5 x 2/3 = 2/3, which its
 * curve reaches 2/3 of the way from 0.40 to 0.80.  A is 0.80 + 2/3 x (0.65 - 0.80) = 0.70 there: half of 0.40 is gone.
 * At the end of the training it is 0.55. */
static void forgetting_at_equal_success_is_read_where_the_last_task_gets_there(void **unused)
{
    (void)unused;
    const struct history history = {.accuracy = {{0.90}, {0.55, 0.95}}, .chance = {0.5, 1.0 / 3}, .items = {400, 400}};
    const double first[LOOKS] = {0.90, 0.80, 0.65, 0.60, 0.55}, last[LOOKS] = {0.30, 0.40, 0.80, 0.90, 0.95};
    struct reach reach = curve_reach(last, LOOKS, 1.0 / 3 + 0.5 * (1 - 1.0 / 3), false);
    double now[] = {curve_at(first, reach)};
    NEAR(now[0], 0.70);
    NEAR(forgetting_normalised(&history, 2, now), 0.5);
    NEAR(forgetting_of(&history, 2).normalised, 0.875); /* 0.35 / 0.40: further on in B, more is gone */
    now[0] = curve_at(first, curve_reach(last, LOOKS, 0.99, false));
    assert_true(isnan(forgetting_normalised(&history, 2, now)));
    now[0] = curve_at(first, curve_reach(last, LOOKS, 0.25, false)); /* before B's first step */
    assert_true(forgetting_normalised(&history, 2, now) == 0);
}

/* A and B were learnt, C was not, D is the last: (0.9 - 0.8) / 0.4 and (0.7 - 0.6) / 0.2. */
static void forgetting_at_equal_success_is_the_mean_over_tasks_that_were_learnt(void **unused)
{
    (void)unused;
    const struct history history = {.accuracy = {{0.9}, {0.9, 0.7}, {0.9, 0.7, 0.51}, {0, 0, 0, 1}},
                                    .chance = {0.5, 0.5, 0.5, 0.5},
                                    .items = {400, 400, 400, 400}};
    NEAR(forgetting_normalised(&history, 4, (double[]){0.8, 0.6, 0.1}), 0.375);
    assert_true(isnan(forgetting_normalised(&history, 4, (double[]){0.8, NAN, 0.1})));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_level_is_reached_between_two_looks),
        cmocka_unit_test(the_first_crossing_counts_and_not_a_later_one),
        cmocka_unit_test(what_is_there_from_the_start_took_no_steps),
        cmocka_unit_test(a_level_met_by_a_look_itself_is_at_that_look_exactly),
        cmocka_unit_test(what_is_never_reached_is_nowhere),
        cmocka_unit_test(what_is_not_a_number_reaches_nothing_and_spoils_nothing),
        cmocka_unit_test(savings_are_one_minus_the_ratio_of_the_steps),
        cmocka_unit_test(forgetting_at_equal_success_is_read_where_the_last_task_gets_there),
        cmocka_unit_test(forgetting_at_equal_success_is_the_mean_over_tasks_that_were_learnt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
