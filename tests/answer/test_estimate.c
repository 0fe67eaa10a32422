/* Estimates of a metric of 2 sizes, 2 pairs and 3 seeds, worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "answer_private.h"

/* By size, pair, seed.  One number of the larger size is missing, one failed. */
static double values[12] = {.1, .2, .3, /**/ .3, .4, .5, /**/ .5, .6, .7, /**/ .7, NAN, NAN};
static unsigned char presence[12] = {PRESENT, PRESENT, PRESENT, PRESENT, PRESENT, PRESENT,
                                     PRESENT, PRESENT, PRESENT, PRESENT, MISSING, FAILED};
static struct row row[] = {{NULL, 0, "all"},   {"size", 0, "small"}, {"size", 1, "large"},
                           {"pair", 0, "a>b"}, {"pair", 1, "b>a"},   {"tokens", 0, "0"}};
static const struct rows rows = {.row = row, .count = sizeof row / sizeof *row};

static struct estimate *estimates(void)
{
    struct metric metric = {.name = "forgetting",
                            .variable = {.dimensions = 3, .length = {2, 2, 3}, .count = 12, .values = values},
                            .presence = presence};
    strcpy(metric.variable.dimension[0], "size");
    strcpy(metric.variable.dimension[1], "pair");
    strcpy(metric.variable.dimension[2], "seed");
    return estimate_rows(&metric, &rows);
}

static void assert_near(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-6)) fail_msg("%.12g, not %.12g", value, expected);
}

/* small: seeds .2 .3 .4: mean .3, deviation .1, half width t(.975, 2) .1 / sqrt(3) = 4.302653 .1 / 1.7320508 =
 * .2484138. large: seeds .6 .6 .7: mean .6333333, deviation .0577350, half width 4.302653 .0577350 / 1.7320508 =
 * .1434218. */
static void intervals_are_those_by_hand(void **context)
{
    (void)context;
    struct estimate *estimate = estimates();
    assert_near(estimate[1].value.mean, .3);
    assert_near(estimate[1].value.low, .3 - .2484138);
    assert_near(estimate[1].value.high, .3 + .2484138);
    assert_near(estimate[2].value.mean, .6333333);
    assert_near(estimate[2].value.low, .6333333 - .1434218);
    assert_int_equal(estimate[2].value.count, 3);
    memory_free(estimate);
}

/* In the same places both pairs rise by .4 in seed 1, only a>b in seeds 2 and 3, by .4 as well: the rise is .4 without
 * spread, although the rows' means differ by .333. */
static void the_change_is_of_the_same_places(void **context)
{
    (void)context;
    struct estimate *estimate = estimates();
    assert_near(estimate[2].change.mean, .4);
    assert_near(estimate[2].change.low, .4);
    assert_near(estimate[2].change.high, .4);
    assert_int_equal(estimate[2].compared, 4);
    assert_true(isnan(estimate[1].change.mean));
    memory_free(estimate);
}

static void sequences_have_no_order_and_so_no_change(void **context)
{
    (void)context;
    struct estimate *estimate = estimates();
    assert_true(isnan(estimate[4].change.mean));
    assert_int_equal(estimate[4].compared, 0);
    memory_free(estimate);
}

static void every_place_is_counted_once_in_its_row(void **context)
{
    (void)context;
    struct estimate *estimate = estimates();
    assert_int_equal(estimate[0].count[PRESENT], 10);
    assert_int_equal(estimate[0].count[MISSING], 1);
    assert_int_equal(estimate[0].count[FAILED], 1);
    assert_near(estimate[0].sum, 4.3);
    assert_int_equal(estimate[1].count[PRESENT], 6);
    assert_int_equal(estimate[2].count[PRESENT], 4);
    assert_int_equal(estimate[4].count[PRESENT], 4);
    assert_int_equal(estimate[4].count[MISSING], 1);
    memory_free(estimate);
}

static void a_row_of_a_dimension_that_the_metric_does_not_have_is_marked(void **context)
{
    (void)context;
    struct estimate *estimate = estimates();
    for (int r = 0; r < 5; r++) assert_true(estimate[r].applies);
    assert_false(estimate[5].applies);
    assert_true(isnan(estimate[5].value.mean));
    memory_free(estimate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intervals_are_those_by_hand),
        cmocka_unit_test(the_change_is_of_the_same_places),
        cmocka_unit_test(sequences_have_no_order_and_so_no_change),
        cmocka_unit_test(every_place_is_counted_once_in_its_row),
        cmocka_unit_test(a_row_of_a_dimension_that_the_metric_does_not_have_is_marked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
