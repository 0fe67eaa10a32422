/* Which known word a mistyped one is taken for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "palimpsest/base_words.h"

static const char *const known[] = {"forgetting", "forgetting_drop", "second_lm_rise", "transfer", "axes.tokens"};
enum { KNOWN = sizeof known / sizeof *known };

static void a_slip_of_the_keys_finds_the_word(void **context)
{
    (void)context;
    assert_int_equal(word_nearest("forgeting", known, KNOWN), 0);   /* a letter left out */
    assert_int_equal(word_nearest("forgettings", known, KNOWN), 0); /* one too many */
    assert_int_equal(word_nearest("tarnsfer", known, KNOWN), 3);    /* two exchanged */
    assert_int_equal(word_nearest("second_lm_ries", known, KNOWN), 2);
}

static void a_word_that_is_only_begun_or_only_the_last_part_is_near(void **context)
{
    (void)context;
    assert_int_equal(word_nearest("second", known, KNOWN), 2);
    assert_int_equal(word_nearest("tokens", known, KNOWN), 4);
}

static void what_is_far_from_all_is_taken_for_none(void **context)
{
    (void)context;
    assert_int_equal(word_nearest("accuracy", known, KNOWN), -1);
    assert_int_equal(word_nearest("", known, KNOWN), -1);
    assert_int_equal(word_nearest("transfer", known, 0), -1);
    assert_int_equal(word_nearest("a word that is longer than any that a table of sixty-four letters can hold at once",
                                  known, KNOWN),
                     -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slip_of_the_keys_finds_the_word),
        cmocka_unit_test(a_word_that_is_only_begun_or_only_the_last_part_is_near),
        cmocka_unit_test(what_is_far_from_all_is_taken_for_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
