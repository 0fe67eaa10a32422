#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "palimpsest/base_profile.h"

static void pass(double seconds)
{
    double stop = clock_seconds() + seconds;
    while (clock_seconds() < stop) continue;
}

static double sum_of(const struct profile *profile)
{
    double sum = 0;
    for (int p = 0; p < PROFILE_PART_COUNT; p++) sum += profile->seconds[p];
    return sum;
}

static void time_counts_for_the_work_that_was_named_last(void **unused)
{
    (void)unused;
    struct profile profile;
    profile_start();
    pass(2e-3);
    profile_part(PROFILE_NORM);
    pass(4e-3);
    profile_part(PROFILE_LOSS);
    pass(1e-3);
    profile_part(PROFILE_NORM);
    pass(4e-3);
    profile_stop(&profile);
    assert_int_equal(profile.changes, 3);
    assert_true(profile.seconds[PROFILE_OTHER] >= 2e-3);
    assert_true(profile.seconds[PROFILE_NORM] >= 8e-3);
    assert_true(profile.seconds[PROFILE_LOSS] >= 1e-3);
    assert_true(profile.seconds[PROFILE_GELU] == 0);
}

static void the_parts_add_up_to_the_whole(void **unused)
{
    (void)unused;
    struct profile profile;
    double before = clock_seconds();
    profile_start();
    double started = clock_seconds();
    for (int i = 0; i < 5000; i++) profile_part((enum profile_part)(i % PROFILE_PART_COUNT));
    double stopping = clock_seconds();
    profile_stop(&profile);
    double after = clock_seconds();
    assert_true(sum_of(&profile) >= stopping - started - 1e-9);
    assert_true(sum_of(&profile) <= after - before + 1e-9);
}

static void nothing_counts_while_no_profile_is_taken(void **unused)
{
    (void)unused;
    struct profile profile;
    profile_part(PROFILE_GELU);
    profile_start();
    profile_stop(&profile);
    profile_part(PROFILE_GELU);
    pass(2e-3);
    profile_start();
    profile_stop(&profile);
    assert_int_equal(profile.changes, 0);
    assert_true(sum_of(&profile) < 2e-3);
    assert_true(profile.seconds[PROFILE_GELU] == 0);
}

static void the_cost_of_naming_is_measured(void **unused)
{
    (void)unused;
    double seconds = profile_change_seconds();
    assert_true(seconds > 0 && seconds < 1e-4);
    assert_false(profile_is_taken);
}

static void every_part_has_a_word_and_a_key_of_its_own(void **unused)
{
    (void)unused;
    for (enum profile_part a = 0; a < PROFILE_PART_COUNT; a++)
        for (enum profile_part b = 0; b < a; b++) {
            assert_string_not_equal(profile_word(a), profile_word(b));
            assert_string_not_equal(profile_key(a), profile_key(b));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_counts_for_the_work_that_was_named_last),
        cmocka_unit_test(the_parts_add_up_to_the_whole),
        cmocka_unit_test(nothing_counts_while_no_profile_is_taken),
        cmocka_unit_test(the_cost_of_naming_is_measured),
        cmocka_unit_test(every_part_has_a_word_and_a_key_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
