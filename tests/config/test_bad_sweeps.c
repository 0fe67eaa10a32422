/* Every file in tests/sweeps/bad/ is refused with exactly the messages that its first comment lines expect. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "palimpsest/config.h"

enum { MOST_FILES = 1000, LEAST_FILES = 70 };
#define EXPECT "# expect: "

static int is_sweep(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 5 && strcmp(entry->d_name + length - 5, ".yaml") == 0;
}

/* The expectations of a file as the message should be: "file:" before each, one a line. */
static char *expected_of(const char *name, const char *text)
{
    char *all = memory_text("");
    while (strncmp(text, EXPECT, strlen(EXPECT)) == 0) {
        size_t length = strcspn(text, "\n");
        char *longer = memory_format("%s%s%s:%.*s", all, *all ? "\n" : "", name, (int)(length - strlen(EXPECT)),
                                     text + strlen(EXPECT));
        memory_free(all);
        all = longer;
        text += length + 1;
    }
    return all;
}

static int check_file(const char *name)
{
    static struct error err;
    struct sweep *sweep = NULL;
    char *text;
    size_t count;
    assert_int_equal(0, file_read(name, CONFIG_MOST_BYTES, &text, &count, &err));
    char *expected = expected_of(name, text);
    int refused = config_read_file(name, &sweep, &err);
    bool good =
        refused == -1 && sweep == NULL && err.kind == ERROR_INPUT && *expected && strcmp(err.text, expected) == 0;
    if (!good)
        print_error("%s\n--- expected\n%s\n--- found\n%s\n", name, *expected ? expected : "(no `# expect:` line)",
                    refused ? err.text : "(no complaint)");
    sweep_destroy(&sweep);
    memory_free(expected);
    memory_free(text);
    return good ? 0 : 1;
}

static void every_bad_sweep_is_refused_with_the_expected_messages(void **state)
{
    (void)state;
    struct dirent **entries;
    int failed = 0, files = scandir(".", &entries, is_sweep, alphasort);
    assert_true(files >= LEAST_FILES && files < MOST_FILES);
    size_t blocks = memory_count().blocks;
    for (int i = 0; i < files; i++) {
        failed += check_file(entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    assert_int_equal(0, failed);
    assert_int_equal(blocks, memory_count().blocks);
}

static void a_file_longer_than_a_mebibyte_is_refused(void **state)
{
    (void)state;
    static struct error err;
    struct sweep *sweep = NULL;
    char *text = memory_allocate(CONFIG_MOST_BYTES + 2);
    memset(text, '\n', CONFIG_MOST_BYTES + 1);
    assert_int_equal(-1, config_read("long.yaml", text, &sweep, &err));
    assert_string_equal("long.yaml:1:1: YAML: longer than 1 MiB; a sweep file is a few kilobytes", err.text);
    memory_free(text);
}

static void a_zero_byte_is_refused_where_it_stands(void **state)
{
    (void)state;
    static struct error err;
    struct sweep *sweep = NULL;
    const char bytes[] = "name: t\nwo\0rld: {kind: grammar}\n";
    char path[] = "/tmp/palimpsest-zero-XXXXXX";
    close(mkstemp(path));
    assert_int_equal(0, file_write_atomic(path, bytes, sizeof bytes - 1, &err));
    assert_int_equal(-1, config_read_file(path, &sweep, &err));
    assert_string_equal(":2:3: YAML: a zero byte; the file must be UTF-8 text", err.text + strlen(path));
    unlink(path);
}

/* More messages than the text of an error holds: whole lines, and how many more there are. */
static void messages_that_do_not_fit_are_counted(void **state)
{
    (void)state;
    static struct error err;
    struct sweep *sweep = NULL;
    char *text = memory_text("name: t\nworld: {kind: grammar}\naxes: {}\n");
    for (int i = 0; i < 400; i++) {
        char *longer = memory_format("%scolour%d: red\n", text, i);
        memory_free(text);
        text = longer;
    }
    assert_int_equal(-1, config_read("many.yaml", text, &sweep, &err));
    int lines = 0, rest = 0;
    const char *last = err.text;
    for (const char *at = err.text; (at = strchr(at, '\n')); last = ++at) lines++;
    assert_int_equal(1, sscanf(last, "... and %d more", &rest));
    assert_int_equal(400, lines + rest);
    memory_free(text);
}

static void a_missing_file_is_a_failure_outside(void **state)
{
    (void)state;
    static struct error err;
    struct sweep *sweep = NULL;
    assert_int_equal(-1, config_read_file("there-is-no-such-file.yaml", &sweep, &err));
    assert_int_equal(ERROR_OUTSIDE, err.kind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bad_sweep_is_refused_with_the_expected_messages),
        cmocka_unit_test(a_file_longer_than_a_mebibyte_is_refused),
        cmocka_unit_test(a_zero_byte_is_refused_where_it_stands),
        cmocka_unit_test(messages_that_do_not_fit_are_counted),
        cmocka_unit_test(a_missing_file_is_a_failure_outside),
    };
    unsetenv("PALIMPSEST_NEVER_SET");
    if (chdir(TEST_FOLDER "/sweeps/bad") != 0) return 1; /* file names in messages are relative to it */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
