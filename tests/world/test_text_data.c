/* Real corpora and tasks, where PALIMPSEST_DATA names a folder that has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/world/text_private.h"
#include "text_files.h"

static const char *data_folder(void)
{
    const char *folder = getenv("PALIMPSEST_DATA");
    if (!folder) {
        print_message("PALIMPSEST_DATA is not set: skipped\n");
        skip();
    }
    return folder;
}

static void add_real(struct text_files *files, const char *folder, const char *name, const char *file)
{
    corpus_add(files, name, "");
    files->corpora[files->spec.corpus_count - 1].files[0] = text_file_name(files, "%s/corpora/%s", folder, file);
}

static void add_real_task(struct text_files *files, const char *folder, const char *name)
{
    struct text_source *task = &files->tasks[files->spec.task_count];
    task_add(files, name, "", "");
    task->train = text_file_name(files, "%s/tasks/%s/train.tsv", folder, name);
    task->test = text_file_name(files, "%s/tasks/%s/test.tsv", folder, name);
}

static void real_text_comes_back_from_byte_pairs(void **state)
{
    struct text_files *files = *state;
    char *path = memory_format("%s/corpora/shakespeare/tinyshakespeare.txt", data_folder()), *bytes;
    size_t count;
    struct tokenizer bpe;
    struct token_list tokens = {0};
    assert_int_equal(file_read(path, SIZE_MAX, &bytes, &count, &files->err), 0);
    struct text_piece piece = {bytes, count};
    tokenizer_bpe_create(&bpe, &piece, 1, 1000);
    bpe.ops->encode(bpe.self, bytes, count, &tokens);
    char *back = tokenizer_text(&bpe, tokens.token, (int)tokens.count);
    assert_int_equal(strlen(back), count);
    assert_memory_equal(back, bytes, count);
    assert_true(tokens.count < count / 2);
    memory_free(path);
    memory_free(bytes);
    memory_free(back);
    token_list_reset(&tokens);
    tokenizer_destroy(&bpe);
}

static void real_tasks_leak_nothing_and_counting_words_does_what_it_is_known_to_do(void **state)
{
    struct text_files *files = *state;
    const char *folder = data_folder();
    struct task_baselines subj, bigram_shift;
    files->spec.tokenizer = TOKENIZER_WORDS;
    files->spec.vocabulary = 2000;
    add_real(files, folder, "novels", "novels/austen-emma.txt");
    add_real(files, folder, "wiki_de", "wiki_de/wiki_de_sentences.txt");
    add_real_task(files, folder, "subj");
    add_real_task(files, folder, "probe_bigram_shift");
    struct world *world = text_world(files, 256);
    world_baselines(world, 0, &subj);
    world_baselines(world, 1, &bigram_shift);
    assert_int_equal(subj.shared_with_train, 0);
    assert_true(subj.majority == 0.5 && subj.unigram > 0.75 && subj.bigram > 0.8);
    assert_true(fabs(bigram_shift.unigram - 0.5) < 0.06 && bigram_shift.bigram < 0.65);
    world_destroy(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(real_text_comes_back_from_byte_pairs, text_files_setup, text_files_teardown),
        cmocka_unit_test_setup_teardown(real_tasks_leak_nothing_and_counting_words_does_what_it_is_known_to_do,
                                        text_files_setup, text_files_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
