/* The exact test behind the failed-run flag, against tails summed in rational numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

#include "palimpsest/measure.h"

static bool near(double value, double expected) { return fabs(value - expected) <= 1e-8 * expected; }

static void tails_agree_with_exact_sums(void **unused)
{
    (void)unused;
    assert_true(near(binomial_tail(10, 8, 0.5), 0.0546875)); /* (45 + 10 + 1) / 1024 */
    assert_true(near(binomial_tail(200, 112, 0.5), 0.05181951921892858));
    assert_true(near(binomial_tail(200, 113, 0.5), 0.03841881606563018));
    assert_true(near(binomial_tail(1000, 280, 0.25), 0.016436660364215372));
    assert_true(near(binomial_tail(50, 3, 0.5), 0.9999999999988667));
    assert_true(near(binomial_tail(300, 150, 1.0 / 3), 1.9189830018731973e-09));
}

static void tails_stay_right_for_a_hundred_thousand_items(void **unused)
{
    (void)unused;
    assert_true(near(binomial_tail(100000, 50260, 0.5), 0.05037541897698046));
    assert_true(near(binomial_tail(100000, 50261, 0.5), 0.049722625115752525));
    assert_true(near(binomial_tail(100000, 49000, 0.5), 0.9999999998757588));
    assert_true(binomial_tail(100000, 100000, 0.5) == 0); /* 2^-100000 */
}

static void tails_at_the_ends_are_certain(void **unused)
{
    (void)unused;
    assert_true(binomial_tail(10, 0, 0.3) == 1);
    assert_true(binomial_tail(10, 11, 0.3) == 0);
    assert_true(binomial_tail(10, 1, 0) == 0);
    assert_true(binomial_tail(10, 10, 1) == 1);
    assert_true(near(binomial_tail(10, 10, 0.5), 0x1p-10));
    assert_true(near(binomial_tail(10, 1, 0.5), 1 - 0x1p-10));
}

static void tails_fall_and_two_of_them_sum_to_one(void **unused)
{
    (void)unused;
    for (int k = 1; k <= 60; k++) {
        double tail = binomial_tail(60, k, 0.37);
        assert_true(tail < binomial_tail(60, k - 1, 0.37));
        assert_true(fabs(tail + binomial_tail(60, 60 - k + 1, 0.63) - 1) < 1e-12);
    }
}

static void a_run_fails_unless_it_beats_the_majority_at_five_percent(void **unused)
{
    (void)unused;
    assert_true(score_failed(112.0 / 200, 200, 0.5));  /* 0.0518 */
    assert_false(score_failed(113.0 / 200, 200, 0.5)); /* 0.0384 */
    assert_true(score_failed(0.5, 200, 0.5));
    assert_true(score_failed(0.1, 200, 0.5));
    assert_false(score_failed(1, 200, 0.5));
    assert_true(score_failed(1, 200, 1)); /* one class: nothing to beat */
    assert_true(score_failed(NAN, 200, 0.5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tails_agree_with_exact_sums),
        cmocka_unit_test(tails_stay_right_for_a_hundred_thousand_items),
        cmocka_unit_test(tails_at_the_ends_are_certain),
        cmocka_unit_test(tails_fall_and_two_of_them_sum_to_one),
        cmocka_unit_test(a_run_fails_unless_it_beats_the_majority_at_five_percent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
