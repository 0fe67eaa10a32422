/* Intervals as pictures, and how many digits tell values apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

#include "answer_private.h"

enum { WIDTH = 11 };

static void assert_drawn(double low_end, double high_end, double low, double mean, double high, const char *expected)
{
    char text[WIDTH + 1];
    struct scale scale = {low_end, high_end};
    struct interval interval = {.mean = mean, .low = low, .high = high};
    strip_draw(&scale, &interval, WIDTH, text);
    assert_string_equal(text, expected);
}

static void an_interval_within_the_scale_is_a_line_with_its_mean_on_it(void **context)
{
    (void)context;
    assert_drawn(0, 1, 0.2, 0.5, 0.7, "| ---o--   ");
    assert_drawn(1, 2, 1, 1.5, 2, "-----o-----");
}

static void zero_is_shown_where_it_is_on_the_scale(void **context)
{
    (void)context;
    assert_drawn(-1, 1, 0.4, 0.6, 0.8, "     | -o- ");
    assert_drawn(1, 2, 1.4, 1.5, 1.6, "    -o-    ");
}

static void ends_beyond_the_scale_are_arrows(void **context)
{
    (void)context;
    assert_drawn(1, 2, 0, 1.5, 1.6, "<----o-    ");
    assert_drawn(1, 2, 1.4, 1.5, 9, "    -o---->");
}

static void a_mean_without_interval_is_a_point_and_nothing_is_blank(void **context)
{
    (void)context;
    assert_drawn(1, 2, NAN, 1.2, NAN, "  o        ");
    assert_drawn(1, 2, NAN, NAN, NAN, "           ");
}

static struct scale scale_of_three(double a, double b, double c, double half)
{
    const double mean[] = {a, b, c};
    struct estimate estimate[3] = {{.applies = true}};
    for (int i = 0; i < 3; i++)
        estimate[i].value = (struct interval){.mean = mean[i], .low = mean[i] - half, .high = mean[i] + half};
    return scale_of(estimate, 3);
}

static void the_scale_holds_all_intervals_where_they_are_short(void **context)
{
    (void)context;
    struct scale scale = scale_of_three(1, 2, NAN, 0.5);
    assert_true(scale.low == 0.5 && scale.high == 2.5);
}

static void a_wide_interval_does_not_push_the_means_together(void **context)
{
    (void)context;
    struct scale scale = scale_of_three(1, 2, 1.5, 100);
    assert_true(scale.low == 0 && scale.high == 3);
}

static void equal_means_and_no_means_have_a_scale_too(void **context)
{
    (void)context;
    struct scale equal = scale_of_three(1, 1, NAN, 0), nothing = scale_of_three(NAN, NAN, NAN, 0);
    assert_true(equal.low < 1 && equal.high > 1);
    assert_true(nothing.low < nothing.high);
}

static void four_digits_or_so_are_printed(void **context)
{
    (void)context;
    assert_int_equal(decimals_for(0), 3);
    assert_int_equal(decimals_for(0.75), 3);
    assert_int_equal(decimals_for(5.8), 3);
    assert_int_equal(decimals_for(58), 2);
    assert_int_equal(decimals_for(5800), 0);
    assert_int_equal(decimals_for(1e9), 0);
    assert_int_equal(decimals_for(0.058), 4);
    assert_int_equal(decimals_for(0.00058), 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_interval_within_the_scale_is_a_line_with_its_mean_on_it),
        cmocka_unit_test(zero_is_shown_where_it_is_on_the_scale),
        cmocka_unit_test(ends_beyond_the_scale_are_arrows),
        cmocka_unit_test(a_mean_without_interval_is_a_point_and_nothing_is_blank),
        cmocka_unit_test(the_scale_holds_all_intervals_where_they_are_short),
        cmocka_unit_test(a_wide_interval_does_not_push_the_means_together),
        cmocka_unit_test(equal_means_and_no_means_have_a_scale_too),
        cmocka_unit_test(four_digits_or_so_are_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
