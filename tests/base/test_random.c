#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "palimpsest/base.h"

/* Known answer of Philox 4x32-10 for key 0 and counter 0 (Random123, kat_vectors). */
static void words_are_those_of_the_published_generator(void **context)
{
    (void)context;
    struct random_cursor cursor = random_at((struct random_stream){{0, 0}}, 0);
    const uint32_t known[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    for (int i = 0; i < 4; i++) assert_int_equal(random_word(&cursor), known[i]);
}

static void streams_differ_by_purpose_seed_name_and_sample(void **context)
{
    (void)context;
    struct random_cursor cursors[] = {
        random_at(random_stream("a", 1, "x"), 0), random_at(random_stream("b", 1, "x"), 0),
        random_at(random_stream("a", 2, "x"), 0), random_at(random_stream("a", 1, "y"), 0),
        random_at(random_stream("a", 1, "x"), 1), random_at(random_stream("a", 1, NULL), 0),
    };
    enum { COUNT = sizeof cursors / sizeof *cursors };
    uint32_t first[COUNT];
    for (int i = 0; i < COUNT; i++) first[i] = random_word(&cursors[i]);
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < i; j++) assert_int_not_equal(first[i], first[j]);
    struct random_cursor again = random_at(random_stream("a", 1, "x"), 0);
    assert_int_equal(random_word(&again), first[0]);
}

static void units_and_normals_have_the_right_mean_and_spread(void **context)
{
    (void)context;
    enum { COUNT = 200000 };
    struct random_cursor cursor = random_at(random_stream("moments", 0, NULL), 0);
    double unit = 0, normal = 0, square = 0;
    for (int i = 0; i < COUNT; i++) {
        double u = random_unit(&cursor), n = random_normal(&cursor);
        assert_true(u >= 0 && u < 1);
        unit += u;
        normal += n;
        square += n * n;
    }
    assert_true(fabs(unit / COUNT - 0.5) < 0.003); /* 4.6 standard errors */
    assert_true(fabs(normal / COUNT) < 0.01);
    assert_true(fabs(square / COUNT - 1) < 0.015);
}

/* P(|X| < 1), P(|X| < 2), P(|X| < 3) of the normal distribution. */
static void normals_lie_within_one_two_and_three_deviations_as_often_as_they_should(void **context)
{
    (void)context;
    enum { COUNT = 200000 };
    const double expected[] = {0.682689, 0.954500, 0.997300};
    struct random_cursor cursor = random_at(random_stream("tails", 0, NULL), 0);
    int within[3] = {0};
    for (int i = 0; i < COUNT; i++) {
        double size = fabs(random_normal(&cursor));
        for (int d = 0; d < 3; d++) within[d] += size < d + 1;
    }
    for (int d = 0; d < 3; d++) {
        double error = sqrt(expected[d] * (1 - expected[d]) / COUNT);
        assert_true(fabs((double)within[d] / COUNT - expected[d]) < 4 * error);
    }
}

/* Initial weights rest on these bits, on every machine. */
static void the_first_normal_is_the_same_number_everywhere(void **context)
{
    (void)context;
    struct random_cursor cursor = random_at(random_stream("bits", 1, NULL), 0);
    double sum = 0;
    for (int i = 0; i < 1000; i++) sum += random_normal(&cursor);
    char text[64];
    snprintf(text, sizeof text, "%a", sum);
    assert_string_equal(text, "-0x1.ca3b47f0eb1e8p+2");
}

static void every_value_below_a_bound_is_equally_likely(void **context)
{
    (void)context;
    enum { BOUND = 7, COUNT = 70000 };
    struct random_cursor cursor = random_at(random_stream("below", 0, NULL), 0);
    int count[BOUND] = {0};
    double chi = 0;
    for (int i = 0; i < COUNT; i++) count[random_below(&cursor, BOUND)]++;
    for (int v = 0; v < BOUND; v++) chi += pow(count[v] - COUNT / BOUND, 2) / (COUNT / BOUND);
    assert_true(chi < 22.5); /* 6 degrees: one in a thousand */
}

static void a_permutation_holds_every_number_once(void **context)
{
    (void)context;
    enum { COUNT = 257 };
    uint32_t order[COUNT];
    char seen[COUNT] = {0};
    struct random_cursor cursor = random_at(random_stream("permutation", 3, NULL), 9);
    random_permutation(&cursor, COUNT, order);
    for (int i = 0; i < COUNT; i++) {
        assert_true(order[i] < COUNT && !seen[order[i]]);
        seen[order[i]] = 1;
    }
    int moved = 0;
    for (uint32_t i = 0; i < COUNT; i++) moved += order[i] != i;
    assert_true(moved > COUNT - 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_those_of_the_published_generator),
        cmocka_unit_test(streams_differ_by_purpose_seed_name_and_sample),
        cmocka_unit_test(units_and_normals_have_the_right_mean_and_spread),
        cmocka_unit_test(normals_lie_within_one_two_and_three_deviations_as_often_as_they_should),
        cmocka_unit_test(the_first_normal_is_the_same_number_everywhere),
        cmocka_unit_test(every_value_below_a_bound_is_equally_likely),
        cmocka_unit_test(a_permutation_holds_every_number_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
