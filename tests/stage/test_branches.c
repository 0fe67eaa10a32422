/* Branches: what instruments make of the states on a cell's path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

#include "tree_runner.h"

#define SWEEP                                                                                                          \
    "name: t\nworld: {kind: grammar, domains: 4, task_domains: 2}\ntasks: [tense, subject_number, bigram_shift]\n"     \
    "model: {context: 32, sizes: {a: {layers: 1, width: 8, heads: 2}}}\n"                                              \
    "pretrain: {batch: 4, warmup: 256}\nevaluate: {tokens: 128, items: 64}\n"                                          \
    "finetune: {batch: 4, steps: 6, learning_rate: 1e-2, second: {steps: 9}}\n"
#define PAIRS "axes: {size: [a], variety: [4], seed: 1, tokens: [0, 4Ki], pair: all}\n"

/* The stage of a group in whose view the cell of that pair and amount is: by its place in the group's variables. */
static int stage_at(const struct tree_run *run, int group, int64_t index)
{
    return run->plan->group[group].stage[index];
}

/* A task alone is learnt like the second of a pair, but from the pretrained state. */
static void a_task_alone_has_the_recipe_of_the_last_place_and_stands_by_its_own_name(void **context)
{
    (void)context;
    struct tree_run run;
    tree_run(SWEEP PAIRS "measure: [transfer]\n", &run);
    const struct group_layout *layout = &run.plan->group[GROUP_BRANCH + BRANCH_ALONE];
    assert_int_equal(layout->cells, 2 * 3); /* amounts, tasks */
    for (int64_t i = 0; i < layout->cells; i++) {
        int s = layout->stage[i];
        const struct stage *stage = &run.plan->stage[s];
        assert_int_equal(stage->kind, STAGE_BRANCH);
        assert_int_equal(stage->stop_step, 9);
        assert_true(run.plan->stage[stage->parent].groups & 1u << GROUP_PRETRAINED);
        assert_true(run.result[s].steps == 9 && run.result[s].state->heads == 1);
        assert_true(tree_field(&run, s, FIELD_ALONE_ACCURACY)[0] >= 0);
        for (int64_t j = 0; j < i; j++) assert_int_not_equal(layout->stage[j], s);
    }
    tree_run_reset(&run);
}

static void transfer_is_the_last_score_of_a_sequence_minus_that_of_its_task_alone(void **context)
{
    (void)context;
    static const int second[] = {1, 2, 0, 2, 0, 1}; /* of all pairs of three tasks, in their order */
    struct tree_run run;
    tree_run(SWEEP PAIRS "measure: [transfer]\n", &run);
    assert_int_equal(run.plan->group[GROUP_BRANCH + BRANCH_TRANSFER].cells, 2 * 6);
    for (int amount = 0; amount < 2; amount++)
        for (int pair = 0; pair < 6; pair++) {
            int join = stage_at(&run, GROUP_BRANCH + BRANCH_TRANSFER, amount * 6 + pair);
            int last = stage_at(&run, GROUP_OUTCOME, amount * 6 + pair);
            int alone = stage_at(&run, GROUP_BRANCH + BRANCH_ALONE, amount * 3 + second[pair]);
            assert_int_equal(run.plan->stage[join].parent, last);
            assert_true(alone < join && plan_needs(run.plan, join)[0] == alone);
            assert_int_equal(run.result[join].steps, 0);
            double after = tree_field(&run, last, FIELD_ACCURACY)[1];
            double by_itself = tree_field(&run, alone, FIELD_ALONE_ACCURACY)[0];
            assert_true(tree_field(&run, join, FIELD_TRANSFER)[0] == after - by_itself);
        }
    tree_run_reset(&run);
}

/* Sequences of any length share what one of their tasks is alone. */
static void a_task_alone_is_one_stage_whatever_its_sequence(void **context)
{
    (void)context;
    struct tree_run run;
    tree_run(SWEEP "axes: {size: [a], variety: [4], seed: 1, tokens: [0], pair: [[tense, bigram_shift], "
                   "[tense, subject_number, bigram_shift]]}\nmeasure: [transfer]\n",
             &run);
    int alone = 0;
    for (int s = 0; s < run.plan->stages; s++) {
        assert_string_equal(run.failure[s], "");
        alone += run.plan->stage[s].branch == BRANCH_ALONE && run.plan->stage[s].kind == STAGE_BRANCH;
    }
    assert_int_equal(alone, 1);
    tree_run_reset(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_alone_has_the_recipe_of_the_last_place_and_stands_by_its_own_name),
        cmocka_unit_test(transfer_is_the_last_score_of_a_sequence_minus_that_of_its_task_alone),
        cmocka_unit_test(a_task_alone_is_one_stage_whatever_its_sequence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
