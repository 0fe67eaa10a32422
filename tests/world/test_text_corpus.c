/* Corpora from files: documents, the held-out tail, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../src/world/text_private.h"
#include "text_files.h"

static void assert_documents(const char *text, const char *const *expected)
{
    struct text_piece rest = {text, strlen(text)}, document;
    while (next_document(&rest, &document)) {
        assert_non_null(*expected);
        assert_int_equal(document.count, strlen(*expected));
        assert_memory_equal(document.bytes, *expected, document.count);
        expected++;
    }
    assert_null(*expected);
}

static void blank_lines_separate_documents(void **state)
{
    (void)state;
    assert_documents("", (const char *[]){NULL});
    assert_documents("\n \t\n\r\n", (const char *[]){NULL});
    assert_documents("a", (const char *[]){"a", NULL});
    assert_documents("a\nb\n\nc\n", (const char *[]){"a\nb", "c", NULL});
    assert_documents("\n\na\r\n  b\r\n \r\n\r\n c", (const char *[]){"a\r\n  b", " c", NULL});
}

static void assert_shown(const struct tokenizer *tokenizer, const struct token_list *tokens, const char *expected)
{
    char *text = tokenizer_text(tokenizer, tokens->token, (int)tokens->count);
    assert_string_equal(text, expected);
    memory_free(text);
}

/* What the last corpus is cut into, as bytes; documents begin with two line ends. */
static void assert_parts(struct text_files *files, const char *training, const char *held)
{
    struct corpus corpus = {0};
    struct complaints complaints = {0};
    struct tokenizer bytes;
    tokenizer_bytes_create(&bytes);
    corpus_load(&corpus, &files->spec, &files->corpora[files->spec.corpus_count - 1], &complaints);
    corpus_tokenize(&corpus, &bytes, 1, &complaints);
    assert_int_equal(complaints.count, 0);
    assert_shown(&bytes, &corpus.training_tokens, training);
    assert_shown(&bytes, &corpus.held_tokens, held);
    corpus_reset(&corpus);
    tokenizer_destroy(&bytes);
}

static void the_tail_begins_at_the_line_end_after_its_share(void **state)
{
    struct text_files *files = *state;
    corpus_add(files, "lines", "one\ntwo\nthree\n4\n");
    files->spec.held_out = 0.9; /* of 16 bytes: the line end after byte 1 */
    assert_parts(files, "\n\none", "\n\ntwo\nthree\n4");
    files->spec.held_out = 0.5; /* after byte 8 */
    assert_parts(files, "\n\none\ntwo\nthree", "\n\n4");
}

static void a_tail_is_never_empty(void **state)
{
    struct text_files *files = *state;
    files->spec.held_out = 0.01;
    corpus_add(files, "lines", "a\nbcd\n");
    assert_parts(files, "\n\na", "\n\nbcd");
    corpus_add(files, "open", "a\nbcd");
    assert_parts(files, "\n\na", "\n\nbcd");
}

static void a_single_long_line_is_cut_at_a_blank(void **state)
{
    struct text_files *files = *state;
    files->spec.held_out = 0.5;
    corpus_add(files, "line", "abcdefgh ijklmno");
    assert_parts(files, "\n\nabcdefgh ", "\n\nijklmno");
}

static void every_file_of_a_corpus_gives_its_own_tail(void **state)
{
    struct text_files *files = *state;
    files->spec.held_out = 0.5;
    corpus_add(files, "two", "aa\nbb\n");
    corpus_add_file(files, text_file_add(files, "second.txt", "cc\ndd\n", 6));
    assert_parts(files, "\n\naa\n\ncc", "\n\nbb\n\ndd");
}

static void a_byte_order_mark_is_not_text(void **state)
{
    struct text_files *files = *state;
    files->spec.held_out = 0.5;
    corpus_add(files, "marked",
               "\xEF\xBB\xBF"
               "abc\ndef\n");
    assert_parts(files, "\n\nabc", "\n\ndef");
}

static void a_part_shorter_than_a_window_is_refused(void **state)
{
    struct text_files *files = *state;
    files->spec.held_out = 0.5;
    corpus_add(files, "lines", "one\ntwo\nthree\n4\n");
    const char *text = text_world_refused(files, 13);
    assert_string_equal(text, "corpus lines: its held-out tail has 2 tokens; one window of the context takes 14");
}

static void files_that_are_no_text_are_refused_with_file_and_line(void **state)
{
    struct text_files *files = *state;
    corpus_add(files, "latin", "fine\nfine \xC3\xA9\ncaf\xE9\nmore\n");
    corpus_add(files, "empty", " \n\n");
    corpus_add(files, "solid", "thisisoneword");
    corpus_add(files, "good", "one\ntwo\nthree\nfour\nfive\n");
    corpus_add_file(files, text_file_add(files, "nul.txt", "one\ntw\0o\n", 9));
    corpus_add_file(files, "/nowhere/at/all.txt");
    corpus_add_file(files, files->folder);
    const char *text = text_world_refused(files, 4);
    assert_non_null(strstr(text, "latin.txt:3: byte 0xe9 is not UTF-8 here; convert the file (iconv -t UTF-8)\n"));
    assert_non_null(strstr(text, "empty.txt: is empty\n"));
    assert_non_null(strstr(text, "solid.txt: is one line without a blank; no tail can be held out\n"));
    assert_non_null(strstr(text, "nul.txt:2: holds a NUL byte; this is no text\n"));
    assert_non_null(strstr(text, "/nowhere/at/all.txt: cannot be opened: No such file or directory\n"));
    assert_non_null(strstr(text, "is not a regular file"));
}

static void malformed_utf8_is_told_from_rare_utf8(void **state)
{
    static const char *const bad[] = {"\x80",
                                      "\xC0\x80",
                                      "\xC1\xBF",
                                      "\xE0\x9F\xBF",
                                      "\xED\xA0\x80",
                                      "\xF0\x8F\xBF\xBF",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80\x80",
                                      "\xE2\x82",
                                      "\xC3",
                                      "\xF0\x9F\x98"};
    static const char *const good[] = {"\xC2\x80",     "\xDF\xBF",         "\xE0\xA0\x80",     "\xED\x9F\xBF",
                                       "\xEE\x80\x80", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "~"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_int_equal(utf8_length(bad[i], strlen(bad[i])), 0);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(utf8_length(good[i], strlen(good[i])), strlen(good[i]));
}

static void a_spec_without_sense_is_refused(void **state)
{
    struct text_files *files = *state;
    assert_refused(files, "world.corpora: is empty");
    corpus_add(files, "a", "one\ntwo\nthree\nfour\nfive\n");
    files->spec.held_out = 0;
    assert_refused(files, "world.held_out: is 0; a share above 0 and below 1");
    files->spec.held_out = 0.2;
    files->spec.tokenizer = TOKENIZER_BPE;
    files->spec.vocabulary = 65536 - 257;
    assert_refused(files, "world.tokenizer: a vocabulary of 65279; from 1 to 65278");
    files->spec.tokenizer = TOKENIZER_BYTES;
    files->spec.overlap = OVERLAP_TASKS;
    assert_refused(files, "world.overlap: tasks of a text world belong to no corpus");
}

static void at_most_twenty_mistakes_are_told(void **state)
{
    struct text_files *files = *state;
    corpus_add(files, "a", "one\ntwo\nthree\nfour\nfive\n");
    for (int i = 0; i < 23; i++) corpus_add_file(files, "/nowhere.txt");
    const char *text = text_world_refused(files, 4);
    int lines = 1;
    for (const char *at = text; (at = strchr(at, '\n')); at++) lines++;
    assert_int_equal(lines, 21);
    assert_non_null(strstr(text, "\nand 3 more like these"));
}

static void a_file_that_cannot_be_read_is_a_failure_outside(void **state)
{
    struct text_files *files = *state;
    struct world *world = NULL;
    if (geteuid() == 0) skip(); /* root may read everything */
    corpus_add(files, "a", "one\ntwo\nthree\nfour\nfive\n");
    char *locked = text_file_add(files, "locked.txt", "a\nb\n", 4);
    corpus_add_file(files, locked);
    char command[256];
    snprintf(command, sizeof command, "chmod 0 %s", locked);
    assert_int_equal(system(command), 0);
    assert_int_equal(world_create(&files->spec, NULL, 0, 4, &world, &files->err), -1);
    assert_int_equal(files->err.kind, ERROR_OUTSIDE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blank_lines_separate_documents),
        cmocka_unit_test(malformed_utf8_is_told_from_rare_utf8),
        cmocka_unit_test_setup_teardown(the_tail_begins_at_the_line_end_after_its_share, text_files_setup,
                                        text_files_teardown),
        cmocka_unit_test_setup_teardown(a_tail_is_never_empty, text_files_setup, text_files_teardown),
        cmocka_unit_test_setup_teardown(a_single_long_line_is_cut_at_a_blank, text_files_setup, text_files_teardown),
        cmocka_unit_test_setup_teardown(every_file_of_a_corpus_gives_its_own_tail, text_files_setup,
                                        text_files_teardown),
        cmocka_unit_test_setup_teardown(a_byte_order_mark_is_not_text, text_files_setup, text_files_teardown),
        cmocka_unit_test_setup_teardown(a_part_shorter_than_a_window_is_refused, text_files_setup, text_files_teardown),
        cmocka_unit_test_setup_teardown(files_that_are_no_text_are_refused_with_file_and_line, text_files_setup,
                                        text_files_teardown),
        cmocka_unit_test_setup_teardown(a_spec_without_sense_is_refused, text_files_setup, text_files_teardown),
        cmocka_unit_test_setup_teardown(at_most_twenty_mistakes_are_told, text_files_setup, text_files_teardown),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_read_is_a_failure_outside, text_files_setup,
                                        text_files_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
