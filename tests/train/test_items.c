/* Items as a model reads them: their labels, true and otherwise, and the words that are asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fake_world.h"
#include "palimpsest/train.h"

static int labelled(enum label_kind kind, uint64_t seed, int task, int index)
{
    struct model_shape shape = fake_shape(OBJECTIVE_CAUSAL);
    struct readout readout = {.kind = HEAD_PER_TASK, .classes = 2 + task};
    struct task_items items = task_items_of(NULL, task, SPLIT_TRAIN, &shape, &readout);
    uint16_t token[FAKE_CONTEXT];
    int label;
    task_items_relabel(&items, kind, seed);
    task_items_read(&items, index, token, &label);
    return label;
}

static void rotated_labels_are_the_next_class(void **unused)
{
    (void)unused;
    for (int task = 0; task < 2; task++)
        for (int i = 0; i < FAKE_ITEMS; i++) {
            int label = world_item(NULL, task, SPLIT_TRAIN, i).label, last = 1 + task;
            assert_int_equal(labelled(LABELS_TRUE, 1, task, i), label);
            assert_int_equal(labelled(LABELS_ROTATED, 1, task, i), label == last ? 0 : label + 1);
        }
}

/* Over many seeds all classes come alike, and alike under every true label: chi-square, 8 degrees of freedom of which
 * the true labels take 2; 40 has a probability of 5e-7.  Where every label is drawn once, it stays. */
static void noise_labels_are_uniform_whatever_the_true_label_and_always_the_same(void **unused)
{
    (void)unused;
    enum { SEEDS = 400 };
    double count[3][3] = {{0}}, truly[3] = {0}, squares = 0;
    int other_seed = 0, of_two = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        for (int i = 0; i < FAKE_ITEMS; i++) {
            int label = world_item(NULL, 1, SPLIT_TRAIN, i).label, drawn = labelled(LABELS_NOISE, seed, 1, i);
            assert_in_range(drawn, 0, 2);
            assert_int_equal(labelled(LABELS_NOISE, seed, 1, i), drawn);
            other_seed += labelled(LABELS_NOISE, seed + SEEDS, 1, i) != drawn;
            of_two += labelled(LABELS_NOISE, seed, 0, i) != labelled(LABELS_NOISE, seed + SEEDS, 0, i);
            count[label][drawn]++;
            truly[label]++;
        }
    for (int label = 0; label < 3; label++)
        for (int drawn = 0; drawn < 3; drawn++) {
            double expected = truly[label] / 3, difference = count[label][drawn] - expected;
            assert_true(expected > 500);
            squares += difference * difference / expected;
        }
    assert_true(squares < 40);
    assert_in_range(other_seed, 0.64 * SEEDS * FAKE_ITEMS, 0.69 * SEEDS * FAKE_ITEMS);
    assert_in_range(of_two, 0.48 * SEEDS * FAKE_ITEMS, 0.52 * SEEDS * FAKE_ITEMS);
}

static void label_words_are_asked_for_after_the_prompt(void **unused)
{
    (void)unused;
    uint16_t token[FAKE_CONTEXT];
    int label;
    for (int objective = 0; objective < 2; objective++) {
        struct model_shape shape = fake_shape((enum objective)objective);
        struct readout readout = {.kind = HEAD_LM, .classes = 2};
        struct task_items items = task_items_of(NULL, 0, SPLIT_TEST, &shape, &readout);
        for (int i = 0; i < 10; i++) {
            int alone = world_item(NULL, 0, SPLIT_TEST, i).length, extra = 1 + objective;
            int expected = alone + extra < FAKE_CONTEXT ? alone + extra : FAKE_CONTEXT;
            assert_int_equal(task_items_read(&items, i, token, &label), expected);
            assert_int_equal(token[expected - extra], FAKE_WORDS);
            if (objective == OBJECTIVE_MASKED) assert_int_equal(token[expected - 1], FAKE_WORDS + 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rotated_labels_are_the_next_class),
        cmocka_unit_test(noise_labels_are_uniform_whatever_the_true_label_and_always_the_same),
        cmocka_unit_test(label_words_are_asked_for_after_the_prompt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
