/* What is seen of a training on its way is what a plain loop sees that trains up to each look and measures there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "plain_training.h"

#define SWEEP(head)                                                                                                    \
    "name: t\nworld: {kind: grammar, domains: 4, task_domains: 2}\ntasks: [tense, subject_number, topic]\n"            \
    "model: {context: 32, sizes: {a: {layers: 2, width: 8, heads: 2}}}\nmeasure: [frontier, recovery]\n"               \
    "pretrain: {batch: 4, warmup: 256}\nevaluate: {tokens: 128, items: 200, looks: 5}\n"                               \
    "finetune: {batch: 16, steps: 30, learning_rate: 1e-2, head: " head ", second: {steps: 4, batch: 6}}\n"            \
    "recovery: {steps: 12, learning_rate: 5e-3, warmup: 0.3}\n"                                                        \
    "axes: {size: [a], tokens: [0, 2Ki], variety: [2], seed: 1, model.objective: [causal, masked], pair: [[tense, "    \
    "topic], [tense, topic, subject_number]]}\n"
enum { LOOKS = 5 };

static void assert_scores(const struct plain *plain, const struct state *state, int k, int place,
                          const double *accuracy, const double *loss)
{
    struct score score = plain_score(plain, state, place);
    assert_true(accuracy[k] == score.accuracy);
    assert_true(loss[k] == score.loss);
}

/* The frontier of every place: each look by a training of its own, from the parent's state and without the looks
 * before. */
static int assert_frontier(const struct tree_run *run, int s)
{
    struct plain plain = plain_of(run, s);
    const int place = run->plan->stage[s].place, width = LOOKS + 1;
    const struct finetune_recipe *recipe = place == 0 ? &plain.cell.settings.first : &plain.cell.settings.second;
    const double *accuracy = tree_field(run, s, FIELD_FRONTIER_ACCURACY),
                 *loss = tree_field(run, s, FIELD_FRONTIER_LOSS);
    int measured = 0;
    for (int k = 0; k < width; k++) {
        int64_t step = look_step(recipe->steps, LOOKS, k);
        struct state *state = plain_learn(&plain, place, place, recipe, step);
        assert_true(tree_field(run, s, FIELD_FRONTIER_LOOKS)[k] == (double)step);
        assert_true(tree_field(run, s, FIELD_FRONTIER_LM_LOSS)[k] == plain_language(&plain, state));
        for (int j = 0; j <= place; j++) {
            assert_scores(&plain, state, k, j, accuracy + j * width, loss + j * width);
            measured++;
        }
        state_destroy(&state);
    }
    plain_reset(&plain);
    return measured;
}

static void the_frontier_is_what_a_plain_loop_measures(const char *yaml, int at_least)
{
    struct tree_run run;
    int measured = 0;
    tree_run(yaml, &run);
    for (int s = 0; s < run.plan->stages; s++) {
        assert_string_equal(run.failure[s], "");
        if (run.plan->stage[s].kind == STAGE_FINETUNE) measured += assert_frontier(&run, s);
    }
    assert_true(measured >= at_least);
    tree_run_reset(&run);
}

static void the_frontier_of_linear_heads(void **context)
{
    (void)context;
    the_frontier_is_what_a_plain_loop_measures(SWEEP("per_task"), 4 * 6 * 6);
}

static void the_frontier_of_one_shared_head(void **context)
{
    (void)context;
    the_frontier_is_what_a_plain_loop_measures(SWEEP("shared"), 4 * 6 * 6);
}

static void the_frontier_through_label_words(void **context)
{
    (void)context;
    the_frontier_is_what_a_plain_loop_measures(SWEEP("lm"), 4 * 6 * 6);
}

/* The stages of one branch and what the plain loop makes of them up to each look. */
static struct state *plain_branch(const struct plain *plain, int branch, int64_t step)
{
    struct finetune_recipe recipe = plain->cell.settings.first;
    if (branch == BRANCH_AFTER_FIRST || branch == BRANCH_AFTER_LAST) return plain_read_on(plain, step);
    if (branch == BRANCH_RELEARNT_HEAD) recipe.freeze = plain->cell.shape.layers + 1;
    return plain_learn(plain, 0, plain->cell.sequence->length, &recipe, step);
}

static void assert_branch(const struct tree_run *run, int s)
{
    struct plain plain = plain_of(run, s);
    int branch = run->plan->stage[s].branch;
    bool reads = branch == BRANCH_AFTER_FIRST || branch == BRANCH_AFTER_LAST;
    for (int k = 0; k <= LOOKS; k++) {
        int64_t step = look_step(run->plan->stage[s].stop_step, LOOKS, k);
        struct state *state = plain_branch(&plain, branch, step);
        assert_true(tree_field(run, s, FIELD_RECOVERY_LOOKS)[k] == (double)step);
        if (reads)
            assert_true(tree_field(run, s, FIELD_RECOVERY_LM_LOSS)[k] == plain_language(&plain, state));
        else
            assert_scores(&plain, state, k, 0, tree_field(run, s, FIELD_RECOVERY_ACCURACY),
                          tree_field(run, s, FIELD_RECOVERY_LOSS));
        if (k == LOOKS)
            assert_memory_equal(state->values, run->result[s].state->values, state->floats * sizeof *state->values);
        state_destroy(&state);
    }
    plain_reset(&plain);
}

static void recovery_is_what_a_plain_loop_measures(void **context)
{
    (void)context;
    struct tree_run run;
    int count[BRANCHES] = {0};
    tree_run(SWEEP("per_task"), &run);
    for (int s = 0; s < run.plan->stages; s++) {
        if (run.plan->stage[s].kind != STAGE_BRANCH) continue;
        count[run.plan->stage[s].branch]++;
        assert_branch(&run, s);
    }
    assert_int_equal(count[BRANCH_AFTER_FIRST], 4); /* objectives, amounts; whatever comes after the first task */
    assert_int_equal(count[BRANCH_AFTER_LAST], 8);
    assert_int_equal(count[BRANCH_RELEARNT], 8);
    assert_int_equal(count[BRANCH_RELEARNT_HEAD], 8);
    tree_run_reset(&run);
}

/* The first learning is looked at for recovery as for the frontier. */
static void the_first_learning_is_the_frontier_of_the_first_place(void **context)
{
    (void)context;
    struct tree_run run;
    int firsts = 0;
    tree_run(SWEEP("per_task"), &run);
    for (int s = 0; s < run.plan->stages; s++) {
        if (run.plan->stage[s].kind != STAGE_FINETUNE || run.plan->stage[s].place != 0) continue;
        size_t bytes = (LOOKS + 1) * sizeof(double);
        firsts++;
        assert_memory_equal(tree_field(&run, s, FIELD_RECOVERY_ACCURACY), tree_field(&run, s, FIELD_FRONTIER_ACCURACY),
                            bytes);
        assert_memory_equal(tree_field(&run, s, FIELD_RECOVERY_LOSS), tree_field(&run, s, FIELD_FRONTIER_LOSS), bytes);
    }
    assert_int_equal(firsts, 4);
    tree_run_reset(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_frontier_of_linear_heads),
        cmocka_unit_test(the_frontier_of_one_shared_head),
        cmocka_unit_test(the_frontier_through_label_words),
        cmocka_unit_test(recovery_is_what_a_plain_loop_measures),
        cmocka_unit_test(the_first_learning_is_the_frontier_of_the_first_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
