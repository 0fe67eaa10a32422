/* Baselines on items made so that the answer is known beforehand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

#include "../../src/world/world_private.h"

enum { ITEMS = 40 };

/* An item is a row of tokens and its label, the same in every split. */
struct made_task {
    uint16_t token[2 * ITEMS][4];
    int length, label[2 * ITEMS]; /* the second half is test */
};

static struct item made_item(const void *self, int task, enum split split, int index)
{
    const struct made_task *made = self;
    int row = split == SPLIT_TEST ? ITEMS + index : index;
    (void)task;
    return (struct item){made->token[row], made->length, made->label[row]};
}

static struct task_baselines baselines_of(struct made_task *made, int classes)
{
    static const struct world_ops ops = {.item = made_item};
    struct task_facts task = {.classes = classes, .train_items = ITEMS, .test_items = ITEMS};
    struct world world = {.ops = &ops, .self = made, .facts = {.tasks = 1, .task = &task}};
    struct task_baselines baselines;
    struct memory_count before = memory_count();
    world_baselines(&world, 0, &baselines);
    assert_int_equal(memory_count().blocks, before.blocks);
    return baselines;
}

static void a_word_that_tells_the_label_is_found_by_counting_words(void **context)
{
    (void)context;
    struct made_task made = {.length = 3};
    for (int i = 0; i < 2 * ITEMS; i++) {
        made.label[i] = i % 4;
        made.token[i][0] = (uint16_t)i;
        made.token[i][1] = (uint16_t)(1000 + i % 4);
        made.token[i][2] = 7;
    }
    struct task_baselines baselines = baselines_of(&made, 4);
    assert_true(baselines.unigram == 1);
    assert_true(baselines.majority == 0.25);
    assert_true(isnan(baselines.best));
    assert_int_equal(baselines.shared_with_train, 0);
}

static void an_order_that_tells_the_label_is_found_by_pairs_only(void **context)
{
    (void)context;
    static const uint16_t of[2][4] = {{9, 5, 6, 9}, {9, 6, 5, 9}}; /* the same words before the others, too */
    struct made_task made = {.length = 4};
    for (int i = 0; i < 2 * ITEMS; i++) {
        made.label[i] = i % 2;
        for (int t = 0; t < 4; t++) made.token[i][t] = of[made.label[i]][t];
    }
    struct task_baselines baselines = baselines_of(&made, 2);
    assert_true(baselines.unigram == 0.5);
    assert_true(baselines.bigram == 1);
    assert_int_equal(baselines.shared_with_train, ITEMS);
}

static void the_majority_is_that_of_train_scored_on_test(void **context)
{
    (void)context;
    struct made_task made = {.length = 1};
    for (int i = 0; i < ITEMS; i++) made.label[i] = i % 4 == 0 ? 0 : 1;         /* train: 1 is the larger class */
    for (int i = 0; i < ITEMS; i++) made.label[ITEMS + i] = i % 5 == 0 ? 1 : 0; /* test: a fifth of it is 1 */
    assert_true(baselines_of(&made, 2).majority == 0.2);
}

/* By hand: train has label 0 ten times with tokens (1 1 2), label 1 thirty times with (2 3 3). */
static void naive_bayes_weighs_words_as_its_formula_says(void **context)
{
    (void)context;
    struct made_task made = {.length = 3};
    static const uint16_t of[2][3] = {{1, 1, 2}, {2, 3, 3}};
    for (int i = 0; i < ITEMS; i++) {
        made.label[i] = i % 4 != 0;
        for (int t = 0; t < 3; t++) made.token[i][t] = of[made.label[i]][t];
    }
    /* P(1), P(2), P(3) are 21, 11, 1 of 33 under label 0 and 1, 31, 61 of 93 under label 1; priors are 11 to 31.
     * (2 2 1) is 0 by 71 to 1; (1 3 2) is 1 by 33 to 32, and by nothing if smoothing forgot the number of features */
    for (int i = 0; i < ITEMS; i++) {
        made.token[ITEMS + i][0] = i < 10 ? 2 : 1;
        made.token[ITEMS + i][1] = i < 10 ? 2 : 3;
        made.token[ITEMS + i][2] = i < 10 ? 1 : 2;
    }
    assert_true(baselines_of(&made, 2).unigram == 0.25);
}

static int all_memory_was_given_back(void **context)
{
    (void)context;
    return memory_count().blocks == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_that_tells_the_label_is_found_by_counting_words),
        cmocka_unit_test(an_order_that_tells_the_label_is_found_by_pairs_only),
        cmocka_unit_test(the_majority_is_that_of_train_scored_on_test),
        cmocka_unit_test(naive_bayes_weighs_words_as_its_formula_says),
    };
    return cmocka_run_group_tests(tests, NULL, all_memory_was_given_back);
}
