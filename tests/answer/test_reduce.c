/* A variable of 2 sizes, 3 pairs and 2 seeds whose value at (s, p, r) is 100 s + 10 p + r. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "palimpsest/answer.h"

static double values[12];

static struct variable variable_of_counting(void)
{
    struct variable variable = {.dimensions = 3, .length = {2, 3, 2}, .count = 12, .values = values};
    strcpy(variable.dimension[0], "size");
    strcpy(variable.dimension[1], "pair");
    strcpy(variable.dimension[2], "seed");
    for (int i = 0; i < 12; i++) values[i] = 100 * (i / 6) + 10 * (i / 2 % 3) + i % 2;
    return variable;
}

static void means_are_taken_over_everything_but_the_dimension_and_the_seed(void **context)
{
    (void)context;
    size_t blocks = memory_count().blocks;
    struct variable variable = variable_of_counting();
    struct reduction reduction;
    reduce(&variable, "size", &reduction);
    assert_int_equal(reduction.values, 2);
    assert_int_equal(reduction.seeds, 2);
    assert_true(reduction.mean[0] == 10 && reduction.mean[1] == 11); /* size 0: 0 10 20, and one more for seed 1 */
    assert_true(reduction.mean[2] == 110 && reduction.mean[3] == 111);
    assert_int_equal(reduction.used[0], 6);
    reduction_reset(&reduction);
    reduce(&variable, "pair", &reduction);
    assert_int_equal(reduction.values, 3);
    assert_true(reduction.mean[4] == 70 && reduction.mean[5] == 71); /* pair 2: 20 and 120 */
    reduction_reset(&reduction);
    assert_int_equal(memory_count().blocks, blocks);
}

static void missing_values_are_left_out_and_counted(void **context)
{
    (void)context;
    struct variable variable = variable_of_counting();
    struct reduction reduction;
    values[0] = values[2] = values[4] = NAN; /* size 0, seed 0: all gone */
    reduce(&variable, "size", &reduction);
    assert_true(isnan(reduction.mean[0]) && reduction.mean[1] == 11);
    assert_int_equal(reduction.used[0], 3);
    reduction_reset(&reduction);
}

static void a_dimension_that_is_not_there_gives_the_mean_over_all(void **context)
{
    (void)context;
    struct variable variable = variable_of_counting();
    struct reduction reduction;
    reduce(&variable, "variety", &reduction);
    assert_int_equal(reduction.values, 1);
    assert_true(reduction.mean[0] == 60 && reduction.mean[1] == 61);
    reduction_reset(&reduction);
}

/* Along pair each value is 10 more than the one before it, whatever the size and the seed. */
static void changes_are_taken_between_neighbours_in_the_same_places(void **context)
{
    (void)context;
    size_t blocks = memory_count().blocks;
    struct variable variable = variable_of_counting();
    struct reduction reduction;
    reduce_changes(&variable, "pair", &reduction);
    assert_int_equal(reduction.values, 3);
    assert_true(isnan(reduction.mean[0]) && isnan(reduction.mean[1])); /* nothing is before the first */
    assert_int_equal(reduction.used[0], 0);
    for (int p = 2; p < 6; p++) assert_true(reduction.mean[p] == 10);
    assert_int_equal(reduction.used[1], 4); /* 2 sizes, 2 seeds */
    reduction_reset(&reduction);
    reduce_changes(&variable, "size", &reduction);
    assert_true(reduction.mean[2] == 100 && reduction.mean[3] == 100);
    reduction_reset(&reduction);
    assert_int_equal(memory_count().blocks, blocks);
}

/* Size 0 has only pair 0 left in seed 0, and there the sizes differ by 100; the means over what is left, 0 and 110,
 * would differ by 110. */
static void a_change_leaves_out_places_of_which_one_side_is_missing(void **context)
{
    (void)context;
    struct variable variable = variable_of_counting();
    struct reduction reduction;
    values[2] = values[4] = NAN;
    reduce(&variable, "size", &reduction);
    assert_true(reduction.mean[2] - reduction.mean[0] == 110);
    reduction_reset(&reduction);
    reduce_changes(&variable, "size", &reduction);
    assert_true(reduction.mean[2] == 100 && reduction.mean[3] == 100);
    assert_int_equal(reduction.used[1], 4); /* 1 pair in seed 0, 3 in seed 1 */
    reduction_reset(&reduction);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(means_are_taken_over_everything_but_the_dimension_and_the_seed),
        cmocka_unit_test(missing_values_are_left_out_and_counted),
        cmocka_unit_test(changes_are_taken_between_neighbours_in_the_same_places),
        cmocka_unit_test(a_change_leaves_out_places_of_which_one_side_is_missing),
        cmocka_unit_test(a_dimension_that_is_not_there_gives_the_mean_over_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
