/* Values as any reader of CSV takes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "answer_private.h"

static char *written(const char *text, double number)
{
    char *all = NULL;
    size_t size;
    FILE *out = open_memstream(&all, &size);
    if (text)
        csv_text(text, out);
    else
        csv_number(number, out);
    fclose(out);
    return all;
}

static void assert_written(const char *text, const char *expected)
{
    char *all = written(text, 0);
    assert_string_equal(all, expected);
    free(all);
}

static void text_that_would_end_a_field_is_in_quotes(void **context)
{
    (void)context;
    assert_written("tense>topic", "tense>topic");
    assert_written("", "");
    assert_written("a,b", "\"a,b\"");
    assert_written("a \"b\"", "\"a \"\"b\"\"\"");
    assert_written("a\nb", "\"a\nb\"");
}

static void numbers_read_back_as_the_same_bits(void **context)
{
    (void)context;
    const double numbers[] = {1.0 / 3, -0.1, 1e-300, 5e-324, 123456789.123456789, 0};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char *text = written(NULL, numbers[i]);
        assert_true(strtod(text, NULL) == numbers[i]);
        free(text);
    }
}

static void what_is_missing_is_empty(void **context)
{
    (void)context;
    char *text = written(NULL, NAN);
    assert_string_equal(text, "");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_that_would_end_a_field_is_in_quotes),
        cmocka_unit_test(numbers_read_back_as_the_same_bits),
        cmocka_unit_test(what_is_missing_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
