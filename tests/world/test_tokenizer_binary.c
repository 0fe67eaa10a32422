/* Files of tokens, with and without the header, and tasks of token ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "text_files.h"

enum { VOCABULARY = 500, CONTEXT = 4 };

static void put_word(unsigned char *bytes, uint32_t word)
{
    for (int i = 0; i < 4; i++) bytes[i] = (unsigned char)(word >> 8 * i);
}

/* A file of llm.c with `said` tokens in its header and `count` tokens 0, 1, ... after it. */
static char *headed_file(struct text_files *files, const char *name, uint32_t magic, uint32_t version, uint32_t said,
                         uint32_t count)
{
    unsigned char bytes[1024 + 1000] = {0};
    put_word(bytes, magic);
    put_word(bytes + 4, version);
    put_word(bytes + 8, said);
    for (uint32_t i = 0; i < count; i++) bytes[1024 + 2 * i] = (unsigned char)i;
    return text_file_add(files, name, bytes, 1024 + 2 * count);
}

static void add_plain_corpus(struct text_files *files)
{
    binary_world(files, VOCABULARY);
    corpus_add_count(files, "plain", 0, 100);
}

static void files_with_and_without_a_header_hold_the_same_tokens(void **state)
{
    struct text_files *files = *state;
    add_plain_corpus(files);
    corpus_add_count(files, "headed", 0, 100);
    files->corpora[1].files[0] = headed_file(files, "with-header.bin", 20240520, 1, 100, 100);
    struct world *world = text_world(files, CONTEXT);
    const struct world_facts *facts = world_facts(world);
    assert_true(hash_equal(facts->domain[0].training, facts->domain[1].training));
    assert_true(hash_equal(facts->domain[0].reference, facts->domain[1].reference));
    assert_int_equal(facts->domain[0].tokens, 80);
    assert_int_equal(facts->vocabulary, VOCABULARY + 2);
    assert_int_equal(facts->separator, VOCABULARY);
    assert_int_equal(facts->mask, VOCABULARY + 1);
    world_destroy(&world);
}

static void files_that_are_not_tokens_are_refused(void **state)
{
    struct text_files *files = *state;
    add_plain_corpus(files);
    corpus_add_file(files, text_file_add(files, "odd.bin", "abc", 3));
    corpus_add_file(files, text_file_add(files, "empty.bin", "", 0));
    corpus_add_file(files, text_file_add(files, "large.bin", "\1\0\364\1", 4));
    corpus_add_file(files, headed_file(files, "version.bin", 20240520, 2, 10, 10));
    corpus_add_file(files, headed_file(files, "short.bin", 20240520, 1, 20, 10));
    corpus_add_file(files, headed_file(files, "wide.bin", 20240801, 7, 10, 10));
    corpus_add_file(files, text_file_add(files, "cut.bin", "\x88\xD8\x34\x01\1\0", 6));
    corpus_add_file(files, headed_file(files, "none.bin", 20240520, 1, 0, 0));
    corpus_add_file(files, "/nowhere.bin");
    corpus_add_file(files, files->folder);
    static const char *const expected[] = {
        "odd.bin: has 3 bytes, an odd number; tokens are two bytes each\n",
        "empty.bin: holds no tokens\n",
        "large.bin: token number 1 (from 0) is 500; the vocabulary is 500\n",
        "version.bin: the header says version 2; version 1 is read\n",
        "short.bin: the header says 20 tokens, the file has 10\n",
        "wide.bin: holds 32-bit tokens (magic 20240801); 16-bit ones are read\n",
        "cut.bin: starts like a file of llm.c, but ends inside its header of 1024 bytes\n",
        "none.bin: holds no tokens\n",
        "/nowhere.bin: cannot be opened: No such file or directory\n",
        "is not a regular file",
    };
    const char *text = text_world_refused(files, CONTEXT);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        if (!strstr(text, expected[i])) fail_msg("\"%s\" is not in: %s", expected[i], text);
}

static void texts_of_a_binary_task_are_token_ids(void **state)
{
    struct text_files *files = *state;
    add_plain_corpus(files);
    task_add(files, "t", "7\t1 2\n7\t3\nyes\t 4  499\nyes\t5\n", "7\t8 9 10 11 12\n");
    struct world *world = text_world(files, CONTEXT);
    struct item item = world_item(world, 0, SPLIT_TEST, 0);
    const uint16_t expected[] = {VOCABULARY, 8, 9, 10};
    assert_int_equal(item.length, CONTEXT);
    assert_memory_equal(item.token, expected, sizeof expected);
    char *text = world_text(world, item.token, item.length);
    assert_string_equal(text, "\n\n8 9 10");
    memory_free(text);
    assert_int_equal(world_label_token(world, 0, 0), 7);
    assert_int_equal(world_label_token(world, 0, 1), 0); /* "yes" is no token: the lowest that is free */
    world_destroy(&world);
}

static void texts_that_are_not_token_ids_are_refused(void **state)
{
    struct text_files *files = *state;
    add_plain_corpus(files);
    task_add(files, "t", "a\t1 2\na\t3 500\nb\t4 -1\nb\t5\nb\t99999999999999999999\nb\tword\n", "a\t8\n");
    assert_refused(files, "t-train.tsv:2: \"500\" is not a token id from 0 to 499\n");
    assert_refused(files, "t-train.tsv:3: \"-1\" is not a token id from 0 to 499\n");
    assert_refused(files, "t-train.tsv:5: \"99999999999999999999\" is not a token id from 0 to 499\n");
    assert_refused(files, "t-train.tsv:6: \"word\" is not a token id from 0 to 499\n");
}

static void the_largest_vocabulary_leaves_room_for_the_specials(void **state)
{
    struct text_files *files = *state;
    binary_world(files, 65534);
    corpus_add_count(files, "high", 65000, 534);
    struct world *world = text_world(files, CONTEXT);
    assert_int_equal(world_facts(world)->vocabulary, 65536);
    world_destroy(&world);
    files->spec.vocabulary = 65535;
    assert_refused(files, "from 1 to 65534, as tokens are 16-bit numbers");
}

static void labels_need_a_token_each(void **state)
{
    struct text_files *files = *state;
    binary_world(files, 2);
    corpus_add_count(files, "bits", 0, 2);
    for (int i = 0; i < 20; i++) corpus_add_file(files, files->corpora[0].files[0]);
    task_add(files, "t", "a\t0\na\t1\nb\t0 0\nb\t0 1\nc\t1 0\nc\t1 1\n", "a\t0\n");
    assert_refused(files, "task t: has 3 labels; a vocabulary of 2 has no token for each");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_with_and_without_a_header_hold_the_same_tokens, text_files_setup,
                                        text_files_teardown),
        cmocka_unit_test_setup_teardown(files_that_are_not_tokens_are_refused, text_files_setup, text_files_teardown),
        cmocka_unit_test_setup_teardown(texts_of_a_binary_task_are_token_ids, text_files_setup, text_files_teardown),
        cmocka_unit_test_setup_teardown(texts_that_are_not_token_ids_are_refused, text_files_setup,
                                        text_files_teardown),
        cmocka_unit_test_setup_teardown(the_largest_vocabulary_leaves_room_for_the_specials, text_files_setup,
                                        text_files_teardown),
        cmocka_unit_test_setup_teardown(labels_need_a_token_each, text_files_setup, text_files_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
