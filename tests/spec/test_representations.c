/* Sizes of what measuring representations takes, by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "palimpsest/spec.h"

static const struct model_shape shape = {.layers = 3, .width = 10};

static void features_are_rows_of_every_layer_pooled_two_ways(void **unused)
{
    (void)unused;
    assert_int_equal(features_floats(&shape, 7), 5 * 2 * 7 * 10);
}

static void a_split_fills_whole_panels(void **unused)
{
    (void)unused;
    assert_int_equal(probe_panels(0), 0);
    assert_int_equal(probe_panels(64), 1);
    assert_int_equal(probe_panels(65), 2);
}

static void buffers_follow_each_other_on_cache_lines(void **unused)
{
    (void)unused;
    int64_t probe[PROBE_BUFFERS + 1], similarity[SIMILARITY_BUFFERS + 1];
    const struct probe_rows rows = {70, 9, 65};
    probe_work_table(&shape, &rows, 3, probe);
    similarity_work_table(&shape, 20, 4, similarity);
    assert_int_equal(probe[PROBE_PANELS + 1] - probe[PROBE_PANELS], (2 + 1 + 2) * 64 * 11 * 8);
    assert_int_equal(probe[PROBE_SUMS + 1] - probe[PROBE_SUMS], 3 * 11 * 8 * 8);
    assert_int_equal(similarity[SIMILARITY_BUFFERS] - similarity[SIMILARITY_MEANS], 2 * 4 * 5 * 10 * 8);
    for (int b = 0; b < PROBE_BUFFERS; b++) assert_true(probe[b + 1] > probe[b] && probe[b] % 64 == 0);
    for (int b = 0; b < SIMILARITY_BUFFERS; b++)
        assert_true(similarity[b + 1] > similarity[b] && similarity[b] % 64 == 0);
}

static void no_more_items_are_used_than_asked_for_or_there(void **unused)
{
    (void)unused;
    const struct task_facts tasks[] = {{.classes = 3, .train_items = 500, .development_items = 40, .test_items = 90},
                                       {.classes = 2, .train_items = 80, .development_items = 60, .test_items = 900}};
    const struct world_facts facts = {.tasks = 2, .task = tasks};
    const struct settings settings = {.probes = {.items = 100}, .evaluate = {.items = 200}};
    int classes;
    struct probe_rows first = probe_rows_of(&settings, &tasks[0]), most = probe_rows_most(&settings, &facts, &classes);
    assert_true(first.train == 100 && first.development == 40 && first.test == 90);
    assert_true(most.train == 100 && most.development == 60 && most.test == 200);
    assert_int_equal(classes, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_are_rows_of_every_layer_pooled_two_ways),
        cmocka_unit_test(a_split_fills_whole_panels),
        cmocka_unit_test(buffers_follow_each_other_on_cache_lines),
        cmocka_unit_test(no_more_items_are_used_than_asked_for_or_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
