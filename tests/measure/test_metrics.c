/* Golden values of every named metric, worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

#include "palimpsest/measure.h"

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-12)

/* R, k = 2 (A, then B):  after A: A 0.90
 *                        after B: A 0.70, B 0.80        chance 0.5, 400 items: learnt above 0.5 + 3 x 0.025 = 0.575 */
static const struct history two = {
    .accuracy = {{0.90}, {0.70, 0.80}}, .loss = {{0.30}, {0.75, 0.50}}, .chance = {0.5, 0.5}, .items = {400, 400}};

/* R, k = 3:  after A: A 0.60
 *            after B: A 0.80, B 0.90
 *            after C: A 0.70, B 0.50, C 0.95            chance 0.25; A was best after B, not after A */
static const struct history three = {.accuracy = {{0.60}, {0.80, 0.90}, {0.70, 0.50, 0.95}},
                                     .loss = {{1.00}, {0.50, 0.25}, {0.75, 1.50, 0.10}},
                                     .chance = {0.25, 0.25, 0.25},
                                     .items = {300, 300, 300}};

static void after_two_tasks_every_metric_has_its_value(void **unused)
{
    (void)unused;
    struct forgetting f = forgetting_of(&two, 2);
    NEAR(f.normalised, 0.5);         /* (0.90 - 0.70) / (0.90 - 0.50) = 0.20 / 0.40 */
    NEAR(f.drop, 0.20);              /* 0.90 - 0.70 */
    NEAR(f.loss_rise, 0.45);         /* 0.75 - 0.30 */
    NEAR(f.maximum, 0.20);           /* max over l = 0 only: 0.90 - 0.70 */
    NEAR(f.relative, 0.20 / 0.90);   /* (0.90 - 0.70) / 0.90 */
    NEAR(f.backward_transfer, -0.2); /* 0.70 - 0.90 */
}

static void after_three_tasks_every_metric_has_its_value(void **unused)
{
    (void)unused;
    struct forgetting f = forgetting_of(&three, 3);
    /* A: (0.60 - 0.70) / 0.35 = -2/7; B: (0.90 - 0.50) / 0.65 = 8/13; mean of the two = (-26 + 56) / 182 */
    NEAR(f.normalised, 15.0 / 91);
    NEAR(f.drop, 0.15);               /* (-0.10 + 0.40) / 2 */
    NEAR(f.loss_rise, 0.5);           /* ((0.75 - 1.00) + (1.50 - 0.25)) / 2 = (-0.25 + 1.25) / 2 */
    NEAR(f.maximum, 0.25);            /* A: max(0.60, 0.80) - 0.70 = 0.10; B: 0.90 - 0.50 = 0.40; mean */
    NEAR(f.relative, 5.0 / 36);       /* (-0.10 / 0.60 + 0.40 / 0.90) / 2 = (-1/6 + 4/9) / 2 = (5/18) / 2 */
    NEAR(f.backward_transfer, -0.15); /* (0.10 - 0.40) / 2 */
}

static void the_first_two_of_three_tasks_are_a_sequence_of_their_own(void **unused)
{
    (void)unused;
    struct forgetting f = forgetting_of(&three, 2);
    NEAR(f.drop, -0.20); /* only A: 0.60 - 0.80 */
    NEAR(f.normalised, -0.20 / 0.35);
}

/* Trap: a loop over range(k - 2) runs zero times at k = 2 and calls every model free of forgetting. */
static void two_tasks_are_enough_to_forget(void **unused)
{
    (void)unused;
    struct forgetting f = forgetting_of(&two, 2);
    assert_true(f.drop > 0 && f.maximum > 0 && f.normalised > 0 && f.relative > 0 && f.loss_rise > 0);
}

/* Trap: a maximum that includes the last row is never below the last row, so improvement shows as 0. */
static void improvement_by_the_last_task_is_negative_forgetting(void **unused)
{
    (void)unused;
    struct history better = two;
    better.accuracy[1][0] = 0.96;
    struct forgetting f = forgetting_of(&better, 2);
    NEAR(f.maximum, -0.06); /* 0.90 - 0.96, not max(0.90, 0.96) - 0.96 = 0 */
    NEAR(f.drop, -0.06);
    NEAR(f.backward_transfer, 0.06);
}

/* The score on the last task itself enters no mean: it had no time to be forgotten. */
static void the_last_task_counts_nowhere(void **unused)
{
    (void)unused;
    struct history other = three;
    other.accuracy[2][2] = 0.1;
    other.loss[2][2] = 9;
    other.chance[2] = 0.9;
    struct forgetting a = forgetting_of(&three, 3), b = forgetting_of(&other, 3);
    NEAR(a.normalised, b.normalised);
    NEAR(a.drop, b.drop);
    NEAR(a.loss_rise, b.loss_rise);
    NEAR(a.maximum, b.maximum);
    NEAR(a.relative, b.relative);
    NEAR(a.backward_transfer, b.backward_transfer);
}

/* A score on B before B was learnt (zero-shot) must not be taken for its best. */
static void scores_before_a_task_was_learnt_do_not_count(void **unused)
{
    (void)unused;
    struct history zero_shot = three;
    zero_shot.accuracy[0][1] = 0.99;
    NEAR(forgetting_of(&zero_shot, 3).maximum, 0.25);
}

static void what_was_not_learnt_cannot_be_forgotten(void **unused)
{
    (void)unused;
    struct history none = two;
    none.accuracy[0][0] = 0.575; /* exactly three standard errors is not above them */
    struct forgetting f = forgetting_of(&none, 2);
    assert_true(isnan(f.normalised));
    NEAR(f.drop, -0.125); /* the raw variants stay: 0.575 - 0.70 */
    none.accuracy[0][0] = 0.576;
    assert_false(isnan(forgetting_of(&none, 2).normalised));
}

static void the_mean_is_over_what_was_learnt(void **unused)
{
    (void)unused;
    struct history some = three;
    some.accuracy[0][0] = 0.30; /* 0.25 + 3 x 0.025 = 0.325 is not reached */
    NEAR(forgetting_of(&some, 3).normalised, 8.0 / 13);
}

static void an_accuracy_of_zero_has_no_relative_drop(void **unused)
{
    (void)unused;
    struct history zero = two;
    zero.accuracy[0][0] = 0;
    assert_true(isnan(forgetting_of(&zero, 2).relative));
}

static void learning_is_three_standard_errors_above_chance(void **unused)
{
    (void)unused;
    assert_false(task_learnt(0.5, 0.5, 400));
    assert_false(task_learnt(0.57, 0.5, 400));
    assert_true(task_learnt(0.58, 0.5, 400));
    assert_true(task_learnt(0.53, 0.5, 4000)); /* sqrt(0.25 / 4000) = 0.0079 */
    assert_false(task_learnt(NAN, 0.5, 400));
}

static void progress_lost_is_a_share_of_what_pretraining_gained(void **unused)
{
    (void)unused;
    NEAR(lm_progress_lost(6, 3, 4), 1.0 / 3); /* (4 - 3) / (6 - 3) */
    NEAR(lm_progress_lost(6, 3, 3), 0);
    NEAR(lm_progress_lost(6, 3, 6), 1);
    NEAR(lm_progress_lost(6, 3, 9), 2); /* worse than never pretrained */
    NEAR(lm_progress_lost(6, 3, 2.4), -0.2);
}

static void without_progress_none_can_be_lost(void **unused)
{
    (void)unused;
    assert_true(isnan(lm_progress_lost(6, 6, 7))); /* amount 0 */
    assert_true(isnan(lm_progress_lost(6, 6.1, 7)));
    assert_true(isnan(lm_progress_lost(NAN, 3, 4)));
}

static void a_mean_is_the_sum_over_the_count(void **unused)
{
    (void)unused;
    NEAR(mean_of((const double[]){1, 2, 6}, 3), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_two_tasks_every_metric_has_its_value),
        cmocka_unit_test(after_three_tasks_every_metric_has_its_value),
        cmocka_unit_test(the_first_two_of_three_tasks_are_a_sequence_of_their_own),
        cmocka_unit_test(two_tasks_are_enough_to_forget),
        cmocka_unit_test(improvement_by_the_last_task_is_negative_forgetting),
        cmocka_unit_test(the_last_task_counts_nowhere),
        cmocka_unit_test(scores_before_a_task_was_learnt_do_not_count),
        cmocka_unit_test(what_was_not_learnt_cannot_be_forgotten),
        cmocka_unit_test(the_mean_is_over_what_was_learnt),
        cmocka_unit_test(an_accuracy_of_zero_has_no_relative_drop),
        cmocka_unit_test(learning_is_three_standard_errors_above_chance),
        cmocka_unit_test(progress_lost_is_a_share_of_what_pretraining_gained),
        cmocka_unit_test(without_progress_none_can_be_lost),
        cmocka_unit_test(a_mean_is_the_sum_over_the_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
