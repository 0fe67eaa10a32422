/* The corruption of the masked objective. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "palimpsest/train.h"

enum { COUNT = 40, MASK = 99, WORDS = 100, WINDOWS = 5000 };

static void fill(uint16_t *token)
{
    for (int i = 0; i < COUNT; i++) token[i] = (uint16_t)i;
}

static void mask_sample(uint64_t sample, uint16_t *token, int32_t *target)
{
    struct random_cursor cursor = random_at(random_stream("test mask", 1, NULL), sample);
    fill(token);
    mask_window(&cursor, COUNT, MASK, WORDS, token, target);
}

static void every_window_has_fifteen_in_a_hundred_targets(void **unused)
{
    (void)unused;
    uint16_t token[COUNT];
    int32_t target[COUNT];
    for (uint64_t sample = 0; sample < 100; sample++) {
        mask_sample(sample, token, target);
        int targets = 0;
        for (int i = 0; i < COUNT; i++) targets += target[i] >= 0;
        assert_int_equal(targets, 6); /* 0.15 x 40 */
    }
}

static void targets_are_the_old_tokens_and_the_rest_is_untouched(void **unused)
{
    (void)unused;
    uint16_t token[COUNT];
    int32_t target[COUNT];
    for (uint64_t sample = 0; sample < 100; sample++) {
        mask_sample(sample, token, target);
        for (int i = 0; i < COUNT; i++) {
            if (target[i] >= 0)
                assert_int_equal(target[i], i);
            else
                assert_int_equal(token[i], i);
        }
    }
}

static void eight_of_ten_are_masked_one_is_random_and_one_stays(void **unused)
{
    (void)unused;
    uint16_t token[COUNT];
    int32_t target[COUNT];
    int masked = 0, kept = 0, other = 0, place[COUNT] = {0};
    for (uint64_t sample = 0; sample < WINDOWS; sample++) {
        mask_sample(sample, token, target);
        for (int i = 0; i < COUNT; i++) {
            if (target[i] < 0) continue;
            place[i]++;
            if (token[i] == MASK)
                masked++;
            else if (token[i] == i)
                kept++;
            else
                other++;
        }
    }
    /* A random token is the mask or the old token in 1 of 100 each. Five standard errors. */
    double n = 6.0 * WINDOWS;
    assert_true(fabs(masked / n - 0.801) < 5 * sqrt(0.16 / n));
    assert_true(fabs(kept / n - 0.101) < 5 * sqrt(0.09 / n));
    assert_true(fabs(other / n - 0.098) < 5 * sqrt(0.09 / n));
    for (int i = 0; i < COUNT; i++)
        assert_true(fabs((double)place[i] / WINDOWS - 0.15) < 5 * sqrt(0.15 * 0.85 / WINDOWS));
}

static void a_short_window_has_one_target(void **unused)
{
    (void)unused;
    for (uint64_t sample = 0; sample < 20; sample++) {
        uint16_t token[2] = {3, 4};
        int32_t target[2];
        struct random_cursor cursor = random_at(random_stream("test mask", 1, NULL), sample);
        mask_window(&cursor, 2, MASK, WORDS, token, target);
        assert_true((target[0] >= 0) + (target[1] >= 0) == 1);
    }
}

static void one_sample_is_always_corrupted_alike_and_two_differ(void **unused)
{
    (void)unused;
    uint16_t a[COUNT], b[COUNT];
    int32_t target_a[COUNT], target_b[COUNT];
    mask_sample(7, a, target_a);
    mask_sample(7, b, target_b);
    assert_memory_equal(a, b, sizeof a);
    assert_memory_equal(target_a, target_b, sizeof target_a);
    mask_sample(8, b, target_b);
    assert_true(memcmp(target_a, target_b, sizeof target_a) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_window_has_fifteen_in_a_hundred_targets),
        cmocka_unit_test(targets_are_the_old_tokens_and_the_rest_is_untouched),
        cmocka_unit_test(eight_of_ten_are_masked_one_is_random_and_one_stays),
        cmocka_unit_test(a_short_window_has_one_target),
        cmocka_unit_test(one_sample_is_always_corrupted_alike_and_two_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
