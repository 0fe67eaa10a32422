/* Tasks from TSV files: labels, splits, items, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "text_files.h"

enum { CONTEXT = 8 };

static void add_some_corpus(struct text_files *files)
{
    corpus_add(files, "some", "one two three\nfour five six\nseven eight nine ten\neleven twelve thirteen fourteen\n");
}

static void assert_item(const struct world *world, struct item item, const char *text, int label)
{
    char *shown = world_text(world, item.token, item.length);
    assert_string_equal(shown, text);
    memory_free(shown);
    assert_int_equal(item.label, label);
}

static void labels_are_sorted_and_items_begin_with_the_separator(void **state)
{
    struct text_files *files = *state;
    add_some_corpus(files);
    task_add(files, "t", "zoo\tx1\nape\tx2\nzoo\tx3\r\nape\tx4\r\n", "zoo\ty1\nape\tx2\nape\ta longer one");
    struct world *world = text_world(files, CONTEXT);
    const struct task_facts *facts = world_facts(world)->task;
    assert_string_equal(facts->name, "t");
    assert_int_equal(facts->classes, 2);
    assert_string_equal(world_label_name(world, 0, 0), "ape");
    assert_string_equal(world_label_name(world, 0, 1), "zoo");
    assert_int_equal(facts->train_items, 2);
    assert_int_equal(facts->development_items, 2);
    assert_int_equal(facts->test_items, 3);
    assert_true(fabs(facts->majority - 2.0 / 3) < 1e-15);
    assert_true(facts->mean_tokens == 3);
    assert_int_equal(facts->most_tokens, CONTEXT);
    for (int i = 0; i < 3; i++) {
        struct item item = world_item(world, 0, SPLIT_TEST, i);
        assert_int_equal(item.token[0], world_facts(world)->separator);
        if (item.length == CONTEXT)
            assert_item(world, item, "\n\na longe", 0); /* cut to the context */
        else
            assert_item(world, item, item.label ? "\n\ny1" : "\n\nx2", item.label);
    }
    world_destroy(&world);
}

/* 40 lines of label a, then 20 of b, sorted as files often are. */
static char *sorted_lines(void)
{
    char *text = memory_text("");
    for (int i = 0; i < 60; i++) {
        char *longer = memory_format("%s%s\ttext %d\n", text, i < 40 ? "a" : "b", i);
        memory_free(text);
        text = longer;
    }
    return text;
}

static void add_sorted_task(struct text_files *files)
{
    char *lines = sorted_lines();
    add_some_corpus(files);
    task_add(files, "sorted", lines, lines);
    memory_free(lines);
}

static void the_development_split_is_a_tenth_of_each_label_and_is_cut_from_train(void **state)
{
    struct text_files *files = *state;
    bool seen[60] = {false};
    int labels[2] = {0, 0};
    add_sorted_task(files);
    struct world *world = text_world(files, 16);
    const struct task_facts *facts = world_facts(world)->task;
    assert_int_equal(facts->development_items, 6);
    assert_int_equal(facts->train_items, 54);
    for (int i = 0; i < 60; i++) {
        struct item item =
            i < 54 ? world_item(world, 0, SPLIT_TRAIN, i) : world_item(world, 0, SPLIT_DEVELOPMENT, i - 54);
        char *text = world_text(world, item.token, item.length);
        int number = atoi(text + strlen("\n\ntext "));
        assert_int_equal(item.label, number >= 40);
        assert_false(seen[number]);
        seen[number] = true;
        if (i >= 54) labels[item.label]++;
        memory_free(text);
    }
    assert_int_equal(labels[0], 4);
    assert_int_equal(labels[1], 2);
    world_destroy(&world);
}

static void the_first_items_of_a_sorted_file_stand_for_all_labels(void **state)
{
    struct text_files *files = *state;
    int labels[2] = {0, 0};
    add_sorted_task(files);
    struct world *world = text_world(files, 16);
    for (int i = 0; i < 20; i++) {
        labels[world_item(world, 0, SPLIT_TRAIN, i).label]++;
        labels[world_item(world, 0, SPLIT_TEST, i).label]++;
    }
    assert_in_range(labels[1], 5, 22);
    world_destroy(&world);
}

static void splits_follow_the_seed_of_the_world_and_so_does_their_hash(void **state)
{
    struct text_files *files = *state;
    add_sorted_task(files);
    struct world *a = text_world(files, 16), *b = text_world(files, 16);
    files->spec.seed = 2;
    struct world *c = text_world(files, 16);
    struct task_facts x = world_facts(a)->task[0], y = world_facts(b)->task[0], z = world_facts(c)->task[0];
    assert_true(hash_equal(x.training, y.training) && hash_equal(x.test, y.test));
    assert_false(hash_equal(x.training, z.training) || hash_equal(x.test, z.test));
    assert_false(hash_equal(x.training, x.test));
    for (int i = 0; i < 54; i++) {
        struct item from_a = world_item(a, 0, SPLIT_TRAIN, i), from_b = world_item(b, 0, SPLIT_TRAIN, i);
        assert_int_equal(from_a.length, from_b.length);
        assert_memory_equal(from_a.token, from_b.token, (size_t)from_a.length * sizeof *from_a.token);
    }
    world_destroy(&a);
    world_destroy(&b);
    world_destroy(&c);
}

/* The hash is of what is learnt: items that a context cuts are other items, longer contexts than any item change none.
 */
static void a_context_changes_the_hashes_where_it_cuts_items(void **state)
{
    struct text_files *files = *state;
    add_sorted_task(files);
    struct world *cut = text_world(files, 4), *whole = text_world(files, 16), *longer = text_world(files, 17);
    assert_false(hash_equal(world_facts(cut)->task->training, world_facts(whole)->task->training));
    assert_true(hash_equal(world_facts(longer)->task->training, world_facts(whole)->task->training));
    assert_int_equal(world_item(cut, 0, SPLIT_TRAIN, 0).length, 4);
    world_destroy(&cut);
    world_destroy(&whole);
    world_destroy(&longer);
}

/* Label words follow from the labels' names, so names are data too, in whatever order they sort. */
static void renamed_labels_are_another_task(void **state)
{
    struct text_files *files = *state;
    struct hash128 before, after;
    add_some_corpus(files);
    task_add(files, "t", "bad\tp\nbad\tq\ngood\tr\ngood\ts\n", "bad\tx\ngood\ty\n");
    task_add(files, "u", "neg\tp\nneg\tq\npos\tr\npos\ts\n", "neg\tx\npos\ty\n");
    struct world *world = text_world(files, CONTEXT);
    before = world_facts(world)->task[0].test;
    after = world_facts(world)->task[1].test;
    assert_int_equal(world_item(world, 0, SPLIT_TEST, 0).label, world_item(world, 1, SPLIT_TEST, 0).label);
    assert_false(hash_equal(before, after));
    world_destroy(&world);
}

static void test_items_that_are_in_train_are_counted(void **state)
{
    struct text_files *files = *state;
    struct task_baselines baselines;
    add_some_corpus(files);
    task_add(files, "t", "a\tp\na\tq\nb\tr\nb\ts\na\tp1\nb\tr1\n", "a\tp\na\tq\nb\tr\nb\ts\na\tp1\nb\tr1\nb\tnew\n");
    struct world *world = text_world(files, CONTEXT);
    world_baselines(world, 0, &baselines);
    assert_int_equal(baselines.shared_with_train, 4); /* of six, two went to the development split */
    assert_true(isnan(baselines.best));
    world_destroy(&world);
}

static void label_tokens_are_distinct_and_begin_the_name_where_they_can(void **state)
{
    struct text_files *files = *state;
    uint16_t prompt[2];
    int length;
    add_some_corpus(files);
    task_add(files, "t", "neg\ta\nneg\tb\nneutral\tc\nneutral\td\npos\te\npos\tf\nn\tg\nn\th\n", "neg\ti\n");
    struct world *world = text_world(files, CONTEXT);
    assert_int_equal(world_label_token(world, 0, 0), 'n'); /* n */
    assert_int_equal(world_label_token(world, 0, 1), 'e'); /* neg: n is taken */
    assert_int_equal(world_label_token(world, 0, 2), 'u'); /* neutral: n and e are taken */
    assert_int_equal(world_label_token(world, 0, 3), 'p');
    world_prompt(world, 0, prompt, 2, &length);
    assert_int_equal(length, 1);
    assert_int_equal(prompt[0], world_facts(world)->separator);
    world_prompt(world, 0, prompt, 0, &length);
    assert_int_equal(length, 0);
    world_destroy(&world);
}

static void a_label_whose_tokens_are_all_taken_gets_one_of_its_own(void **state)
{
    struct text_files *files = *state;
    add_some_corpus(files);
    task_add(files, "t", "1\ta\n1\tb\n11\tc\n11\td\n", "1\te\n");
    struct world *world = text_world(files, CONTEXT);
    assert_int_equal(world_label_token(world, 0, 0), '1');
    assert_int_equal(world_label_token(world, 0, 1), 0); /* a byte that no text has */
    world_destroy(&world);
}

static void lines_that_are_not_label_tab_text_are_refused_all_in_one_go(void **state)
{
    struct text_files *files = *state;
    add_some_corpus(files);
    task_add(files, "t",
             "a\tone\n"
             "no tab here\n"
             "\n"
             "\tno label\n"
             "b\t \n"
             "b\ttwo\tcolumns\n"
             "b\ttwo\n"
             "a\tthree\n"
             "b\tthree\n"
             "b\ttwo\n",
             "a\tfour\nc\tfive\n");
    const char *text = text_world_refused(files, CONTEXT);
    static const char *const expected[] = {
        "t-train.tsv:2: has no tab; a line is label<TAB>text\n",
        "t-train.tsv:3: is empty; leave such lines out\n",
        "t-train.tsv:4: has no label before its tab; a line is label<TAB>text\n",
        "t-train.tsv:5: has no text after its tab; a line is label<TAB>text\n",
        "t-train.tsv:6: has a second tab; a line is label<TAB>text\n",
        "t-train.tsv:9: has the text of line 8 under another label; keep one of them\n",
        "t-train.tsv:10: has the text of line 7; keep one of them\n",
        "t-test.tsv:2: label \"c\" is not in ",
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        if (!strstr(text, expected[i])) fail_msg("\"%s\" is not in: %s", expected[i], text);
}

static void a_header_and_a_single_class_are_noticed(void **state)
{
    struct text_files *files = *state;
    add_some_corpus(files);
    task_add(files, "headed", "label\tsentence\na\tx\na\ty\nb\tz\nb\tw\n", "a\tv\n");
    task_add(files, "one", "a\tx\na\ty\n", "a\tz\n");
    task_add(files, "none", "", "a\tz\n");
    assert_refused(files,
                   "headed-train.tsv:1: is the only line labelled \"label\"; at least two are needed (if it is a "
                   "header, leave it out)\n");
    assert_refused(files, "one-train.tsv: all lines have the label \"a\"; a task needs at least two\n");
    assert_refused(files, "none-train.tsv: is empty");
}

static void lines_and_labels_have_limits(void **state)
{
    struct text_files *files = *state;
    char *line = memory_allocate(70000), *labels = memory_text("");
    memset(line, 'x', 69999);
    memcpy(line, "a\t", 2);
    add_some_corpus(files);
    task_add(files, "long", line, "x\ty\n");
    task_add(files, "name", "0123456789012345678901234567890123456789012345678901234567890123\tx\n", "a\tb\n");
    for (int i = 0; i <= CLASSES_MAX; i++) {
        char *longer = memory_format("%sl%d\tx%d\nl%d\ty%d\n", labels, i, i, i, i);
        memory_free(labels);
        labels = longer;
    }
    task_add(files, "many", labels, "l0\tz\n");
    assert_refused(files, "long-train.tsv:1: is longer than 65536 bytes; has a line end been lost?");
    assert_refused(files, "name-train.tsv:1: has a label of more than 63 bytes");
    assert_refused(files, "many-train.tsv:129: has label number 65; a task can have 64");
    memory_free(line);
    memory_free(labels);
}

static void a_task_that_is_not_there_is_refused(void **state)
{
    struct text_files *files = *state;
    add_some_corpus(files);
    task_add(files, "t", "a\tx\na\ty\nb\tz\nb\tw\n", "a\tv\n");
    strcpy(files->task_names[0], "u");
    assert_refused(files, "tasks: \"u\" is not among world.tasks");
    strcpy(files->task_names[0], "t");
    files->tasks[0].test = (char *)"/nowhere/test.tsv";
    assert_refused(files, "/nowhere/test.tsv: cannot be opened: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(labels_are_sorted_and_items_begin_with_the_separator, text_files_setup,
                                        text_files_teardown),
        cmocka_unit_test_setup_teardown(the_development_split_is_a_tenth_of_each_label_and_is_cut_from_train,
                                        text_files_setup, text_files_teardown),
        cmocka_unit_test_setup_teardown(the_first_items_of_a_sorted_file_stand_for_all_labels, text_files_setup,
                                        text_files_teardown),
        cmocka_unit_test_setup_teardown(splits_follow_the_seed_of_the_world_and_so_does_their_hash, text_files_setup,
                                        text_files_teardown),
        cmocka_unit_test_setup_teardown(a_context_changes_the_hashes_where_it_cuts_items, text_files_setup,
                                        text_files_teardown),
        cmocka_unit_test_setup_teardown(renamed_labels_are_another_task, text_files_setup, text_files_teardown),
        cmocka_unit_test_setup_teardown(test_items_that_are_in_train_are_counted, text_files_setup,
                                        text_files_teardown),
        cmocka_unit_test_setup_teardown(label_tokens_are_distinct_and_begin_the_name_where_they_can, text_files_setup,
                                        text_files_teardown),
        cmocka_unit_test_setup_teardown(a_label_whose_tokens_are_all_taken_gets_one_of_its_own, text_files_setup,
                                        text_files_teardown),
        cmocka_unit_test_setup_teardown(lines_that_are_not_label_tab_text_are_refused_all_in_one_go, text_files_setup,
                                        text_files_teardown),
        cmocka_unit_test_setup_teardown(a_header_and_a_single_class_are_noticed, text_files_setup, text_files_teardown),
        cmocka_unit_test_setup_teardown(lines_and_labels_have_limits, text_files_setup, text_files_teardown),
        cmocka_unit_test_setup_teardown(a_task_that_is_not_there_is_refused, text_files_setup, text_files_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
