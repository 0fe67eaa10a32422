/* Intervals against tables of Student's t and an interval worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

#include "palimpsest/answer.h"

static void assert_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance)) fail_msg("%.12g, not %.12g", value, expected);
}

/* One degree is the Cauchy distribution: tan(pi (p - 1/2)); two have the closed form (2p - 1) sqrt(2 / (4 p (1 - p))).
 */
static void quantiles_of_one_and_two_degrees_have_closed_forms(void **context)
{
    (void)context;
    for (double p = 0.01; p < 1; p += 0.07) {
        assert_near(student_quantile(p, 1), tan(3.141592653589793 * (p - 0.5)),
                    1e-9 * (1 + fabs(tan(3.14159 * (p - 0.5)))));
        assert_near(student_quantile(p, 2), (2 * p - 1) * sqrt(2 / (4 * p * (1 - p))), 1e-9);
    }
}

static void quantiles_agree_with_the_printed_table(void **context)
{
    (void)context;
    assert_near(student_quantile(0.975, 4), 2.776, 5e-4);
    assert_near(student_quantile(0.975, 9), 2.262, 5e-4);
    assert_near(student_quantile(0.95, 29), 1.699, 5e-4);
    assert_near(student_quantile(0.995, 120), 2.617, 5e-4);
    assert_near(student_quantile(0.975, 1e6), 1.95996, 1e-4);
}

/* 1, 2, 3: mean 2, deviation 1, half width t(.975, 2) / sqrt(3) = 4.302653 / 1.7320508 = 2.484138. */
static void interval_of_three_values_is_the_one_by_hand(void **context)
{
    (void)context;
    const double values[] = {1, NAN, 2, 3};
    struct interval interval = interval_of(values, 4, 0.95);
    assert_int_equal(interval.count, 3);
    assert_near(interval.mean, 2, 1e-15);
    assert_near(interval.deviation, 1, 1e-15);
    assert_near(interval.low, 2 - 2.484138, 1e-6);
    assert_near(interval.high, 2 + 2.484138, 1e-6);
}

static void one_value_has_a_mean_and_no_interval(void **context)
{
    (void)context;
    const double values[] = {NAN, 0.5};
    struct interval interval = interval_of(values, 2, 0.95);
    assert_near(interval.mean, 0.5, 0);
    assert_true(isnan(interval.low) && isnan(interval.high));
    assert_true(isnan(interval_of(values, 1, 0.95).mean));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_of_one_and_two_degrees_have_closed_forms),
        cmocka_unit_test(quantiles_agree_with_the_printed_table),
        cmocka_unit_test(interval_of_three_values_is_the_one_by_hand),
        cmocka_unit_test(one_value_has_a_mean_and_no_interval),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
