/* Good files damaged at random: each is read, or refused with messages that all name a place; never anything else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "palimpsest/config.h"

enum { ROUNDS = 4000, DAMAGES = 3 };

static const char *const files[] = {TEST_FOLDER "/sweeps/good/everything.yaml", TEST_FOLDER "/sweeps/good/words.yaml",
                                    TEST_FOLDER "/sweeps/good/exclusion_saves_combination.yaml",
                                    TEST_FOLDER "/../sweeps/quickstart.yaml"};
enum { FILES = sizeof files / sizeof files[0] };

struct damaged {
    char bytes[32768];
    size_t length;
};

static void replace(struct damaged *text, size_t at, size_t removed, const char *bytes, size_t count)
{
    if (text->length - removed + count >= sizeof text->bytes) return;
    memmove(text->bytes + at + count, text->bytes + at + removed, text->length - at - removed + 1);
    memcpy(text->bytes + at, bytes, count);
    text->length += count - removed;
}

/* Start and length, newline included, of the line around a byte. */
static void line_around(const struct damaged *text, size_t at, size_t *start, size_t *length)
{
    *start = at;
    while (*start > 0 && text->bytes[*start - 1] != '\n') --*start;
    *length = strcspn(text->bytes + *start, "\n");
    if (text->bytes[*start + *length]) ++*length;
}

/* Words that mean something somewhere, put where they may not. */
static void put_word(struct damaged *text, size_t at, struct random_cursor *cursor)
{
    static const char *const words[] = {
        "all",   "[",    "]",   "{",     "}",   ": ",        ", ",    "\n",   "  ", "-1",
        "1e999", "0",    "20x", "64Ki",  "*b",  "&b ",       "tense", "size", "~",  "99999999999999999999",
        "#",     "\"",   "<<",  "---\n", "zip", "seed: 3\n", "nan",   "[[",   "]]", ">",
        "./",    "${X}", "*"};
    const char *word = words[random_below(cursor, sizeof words / sizeof words[0])];
    replace(text, at, 0, word, strlen(word));
}

static void damage(struct damaged *text, struct random_cursor *cursor)
{
    char line[1024], byte = (char)(1 + random_below(cursor, 255));
    size_t at = random_below(cursor, (uint32_t)text->length + 1), start, length;
    line_around(text, at, &start, &length);
    if (length > sizeof line) length = sizeof line;
    memcpy(line, text->bytes + start, length);
    switch (random_below(cursor, 6)) {
    case 0: replace(text, start, length, "", 0); break;   /* drop a line */
    case 1: replace(text, start, 0, line, length); break; /* twice */
    case 2:
        if (at < text->length) replace(text, at, 1, &byte, 1);
        break;
    case 3:
        if (at < text->length) replace(text, at, 1, "", 0);
        break;
    case 4: put_word(text, at, cursor); break;
    case 5: text->bytes[text->length = at] = 0; break; /* the end is missing */
    }
    if (text->length == 0) put_word(text, 0, cursor);
}

static bool every_line_names_a_place(const char *message)
{
    for (const char *at = message; *at;) {
        int line = 0, column = 0, used = 0;
        size_t length = strcspn(at, "\n");
        bool placed = sscanf(at, "m.yaml:%d:%d: %n", &line, &column, &used) == 2 && used > 0;
        if (!(placed && line >= 1 && column >= 1) && strncmp(at, "... and ", 8) != 0) return false;
        at += length;
        if (*at) at++;
    }
    return *message != 0;
}

static void check(const struct damaged *text, int round, int counts[2])
{
    static struct error err;
    struct sweep *sweep = NULL;
    err.text[0] = 0;
    int status = config_read("m.yaml", text->bytes, &sweep, &err);
    counts[status == 0]++;
    if (status == 0) {
        char *explained = config_explain(sweep, true);
        assert_true(strlen(explained) > 0);
        memory_free(explained);
    } else if (sweep || err.kind != ERROR_INPUT || !every_line_names_a_place(err.text))
        fail_msg("round %d:\n%s\n--- says\n%s", round, text->bytes, err.text);
    sweep_destroy(&sweep);
}

static void damaged_sweeps_are_read_or_refused_with_a_place(void **state)
{
    (void)state;
    static struct damaged whole[FILES], text;
    static struct error err;
    int counts[2] = {0, 0};
    for (int f = 0; f < FILES; f++) {
        char *bytes;
        assert_int_equal(0, file_read(files[f], sizeof whole[f].bytes - 1, &bytes, &whole[f].length, &err));
        memcpy(whole[f].bytes, bytes, whole[f].length + 1);
        memory_free(bytes);
    }
    for (int round = 0; round < ROUNDS; round++) {
        struct random_cursor cursor = random_at(random_stream("damaged sweeps", 1, NULL), (uint64_t)round);
        text = whole[round % FILES];
        for (uint32_t i = 1 + random_below(&cursor, DAMAGES); i > 0; i--) damage(&text, &cursor);
        check(&text, round, counts);
    }
    print_message("%d read, %d refused\n", counts[1], counts[0]);
    assert_true(counts[0] > ROUNDS / 2);
    assert_true(counts[1] > 0);
    assert_int_equal(0, memory_count().blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(damaged_sweeps_are_read_or_refused_with_a_place)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
