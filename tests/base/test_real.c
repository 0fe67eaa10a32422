#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>

#include "palimpsest/base.h"

static void assert_close(double value, double expected)
{
    if (!(fabs(value - expected) <= 4e-16 * fabs(expected))) fail_msg("%.17g, not %.17g", value, expected);
}

static void logarithm_and_exponential_agree_with_the_c_library(void **context)
{
    (void)context;
    struct random_cursor cursor = random_at(random_stream("real", 0, NULL), 0);
    for (int i = 0; i < 100000; i++) {
        double exponent = 1400 * random_unit(&cursor) - 700, near = 1 + 0.4 * (random_unit(&cursor) - 0.5);
        assert_close(real_exp(exponent), exp(exponent));
        assert_close(real_log(exp(exponent)), log(exp(exponent)));
        if (!(fabs(real_log(near) - log(near)) <= 2e-16)) fail_msg("log %a", near);
    }
}

static void ends_of_the_range_are_right(void **context)
{
    (void)context;
    assert_true(isinf(real_log(0)) && real_log(0) < 0);
    assert_true(isnan(real_log(-1)) && isnan(real_exp(NAN)));
    assert_true(isinf(real_log(INFINITY)) && isinf(real_exp(1000)));
    assert_true(real_exp(-1000) == 0 && real_exp(0) == 1 && real_log(1) == 0);
    assert_close(real_log(0x1p-1074), -1074 * log(2));
}

static void powers_agree_with_repeated_multiplication(void **context)
{
    (void)context;
    double product = 1;
    for (uint64_t n = 0; n < 3000; n++, product *= 0.999)
        assert_true(fabs(real_power(0.999, n) - product) <= 1e-12 * product);
    assert_true(real_power(0, 0) == 1 && real_power(2, 10) == 1024);
}

/* Bits of results rest on these: the same with every compiler, processor and C library. */
static void sums_have_the_committed_bits(void **context)
{
    (void)context;
    double sum = 0;
    char text[64];
    for (int i = 1; i < 2000; i++) sum += real_log(i / 7.0) + real_exp(-i / 100.0) + real_power(0.99, (uint64_t)i);
    snprintf(text, sizeof text, "%a", sum);
    assert_string_equal(text, "0x1.291c662e51473p+13");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logarithm_and_exponential_agree_with_the_c_library),
        cmocka_unit_test(ends_of_the_range_are_right),
        cmocka_unit_test(powers_agree_with_repeated_multiplication),
        cmocka_unit_test(sums_have_the_committed_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
