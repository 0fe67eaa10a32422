/* sweeps/README.md documents every setting with its default, range, unit and meaning, exactly as settings_table has
 * them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "palimpsest/spec.h"

/* The row of the table as it must stand in the file. */
static void row_text(int row, char *text, size_t size)
{
    const struct setting *setting = &settings_table[row];
    char range[128];
    setting_range(row, range, sizeof range);
    snprintf(text, size, "| `%s` | %s | %s | %s | %s |\n", setting->path,
             setting->standard ? setting->standard : "as for the first task", range, setting->unit, setting->meaning);
}

static char *readme(void)
{
    static struct error err;
    char *text;
    size_t count;
    if (file_read(TEST_FOLDER "/../sweeps/README.md", 1 << 20, &text, &count, &err) != 0) fail_msg("%s", err.text);
    return text;
}

static void every_setting_stands_in_the_readme_as_in_the_table(void **state)
{
    (void)state;
    char *text = readme(), expected[1024];
    int missing = 0;
    for (int row = 0; row < settings_count; row++) {
        row_text(row, expected, sizeof expected);
        if (strstr(text, expected)) continue;
        print_error("sweeps/README.md lacks the line\n%s", expected);
        missing++;
    }
    memory_free(text);
    assert_int_equal(0, missing);
}

/* A row that begins with a settings path but is none (any more) would promise what is not there. */
static void the_readme_has_no_setting_that_does_not_exist(void **state)
{
    (void)state;
    static const char *const sections[] = {"model.",     "pretrain.",   "finetune.", "evaluate.", "mediators.",
                                           "codelength.", "frontier.", "recovery.", "probes.",   "similarity."};
    char *text = readme();
    int rows = 0;
    for (const char *at = text; (at = strstr(at, "\n| `")); at++) {
        char path[128];
        if (sscanf(at, "\n| `%127[^`]`", path) != 1 || strcmp(path, "model.sizes") == 0) continue;
        for (size_t s = 0; s < sizeof sections / sizeof *sections; s++) {
            if (strncmp(path, sections[s], strlen(sections[s])) != 0) continue;
            rows++;
            if (setting_find(path) < 0) fail_msg("%s is documented but no setting", path);
        }
    }
    memory_free(text);
    assert_int_equal(settings_count, rows);
}

static void every_task_and_instrument_is_named(void **state)
{
    (void)state;
    char *text = readme(), word[NAME_MAX_BYTES + 2];
#define NAMED(name) assert_non_null(strstr(text, "`" #name "`"));
    GRAMMAR_TASKS(NAMED)
#undef NAMED
    for (int i = 0; i < INSTRUMENT_COUNT; i++) {
        snprintf(word, sizeof word, "`%s`", instrument_name((enum instrument)i));
        assert_non_null(strstr(text, word));
    }
    memory_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_setting_stands_in_the_readme_as_in_the_table),
        cmocka_unit_test(the_readme_has_no_setting_that_does_not_exist),
        cmocka_unit_test(every_task_and_instrument_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
