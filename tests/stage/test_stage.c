/* Whole trees of stages, and what must hold of their numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tree_runner.h"

#define WORLD "name: t\nworld: {kind: grammar, domains: 4, task_domains: 2}\ntasks: [tense, subject_number]\n"
#define SMALL                                                                                                          \
    "model: {context: 32, sizes: {a: {layers: 1, width: 8, heads: 2}, b: {layers: 3, width: 8, heads: 2}}}\n"          \
    "pretrain: {batch: 4, warmup: 256}\nevaluate: {tokens: 128, items: 64}\n"
#define TUNE "finetune: {batch: 4, steps: 6, learning_rate: 1e-2}\n"

static void every_stage_leaves_a_state_and_finite_scores(void **context)
{
    (void)context;
    struct tree_run run;
    tree_run(WORLD SMALL TUNE "axes: {size: [a, b], tokens: [0, 4Ki], variety: [1, 4], seed: 1}\n", &run);
    for (int s = 0; s < run.plan->stages; s++) {
        const struct stage *stage = &run.plan->stage[s];
        assert_string_equal(run.failure[s], "");
        assert_non_null(run.result[s].state);
        assert_int_equal(run.result[s].record_length, plan_record_length(run.plan, s));
        if (stage->groups == 0) continue;
        for (int d = 0; d < run.plan->extents.length[DIMENSION_DOMAIN]; d++)
            assert_true(tree_field(&run, s, FIELD_LM_LOSS)[d] > 0);
        for (int p = 0; p <= stage->place; p++) assert_true(tree_field(&run, s, FIELD_ACCURACY)[p] >= 0);
        if (stage->place >= 0) assert_true(isfinite(*tree_field(&run, s, FIELD_LM_RISE)));
    }
    tree_run_reset(&run);
}

/* Layers of the smaller model keep their places, the final norm stands last in all. */
static void layers_of_a_small_model_leave_the_places_of_larger_ones_empty(void **context)
{
    (void)context;
    struct tree_run run;
    tree_run(WORLD SMALL TUNE "axes: {size: [a, b], tokens: [4Ki], variety: [4], seed: 1}\n", &run);
    assert_int_equal(run.plan->extents.length[DIMENSION_LAYER], 5);
    for (int s = 0; s < run.plan->stages; s++) {
        if (run.plan->stage[s].place < 0) continue;
        const double *moved = tree_field(&run, s, FIELD_DISPLACEMENT);
        int layers = run.result[s].state->shape.layers;
        for (int l = 0; l < 5; l++) assert_true(isnan(moved[l]) == (l > layers && l < 4));
        assert_true(moved[0] > 0 && moved[1] > 0 && moved[4] > 0);
    }
    tree_run_reset(&run);
}

static void a_second_task_at_learning_rate_0_forgets_exactly_nothing(void **context)
{
    (void)context;
    struct tree_run run;
    tree_run(WORLD SMALL
             "finetune: {batch: 32, steps: 60, learning_rate: 1e-2, train_items: 32, second: {learning_rate: 0}}\n"
             "axes: {size: [b], tokens: [4Ki], variety: [4], seed: 2}\n",
             &run);
    int outcomes = 0;
    for (int s = 0; s < run.plan->stages; s++) {
        const struct stage *stage = &run.plan->stage[s];
        if (stage->place != 1) continue;
        const double *after = tree_field(&run, s, FIELD_ACCURACY),
                     *before = tree_field(&run, stage->parent, FIELD_ACCURACY);
        double forgetting = *tree_field(&run, s, FIELD_FORGETTING);
        outcomes++;
        assert_true(after[0] == before[0]);
        assert_true(*tree_field(&run, s, FIELD_FORGETTING_DROP) == 0);
        assert_true(*tree_field(&run, s, FIELD_FORGETTING_LOSS_RISE) == 0);
        assert_true(*tree_field(&run, s, FIELD_BACKWARD_TRANSFER) == 0);
        assert_true(isnan(forgetting) || forgetting == 0);
        for (int d = 0; d < run.plan->extents.length[DIMENSION_DOMAIN]; d++)
            assert_true(tree_field(&run, s, FIELD_LM_LOSS)[d] == tree_field(&run, stage->parent, FIELD_LM_LOSS)[d]);
        assert_true(*tree_field(&run, s, FIELD_LM_RISE) == *tree_field(&run, stage->parent, FIELD_LM_RISE));
    }
    assert_int_equal(outcomes, 4);
    tree_run_reset(&run);
}

/* The states that both runs have, they have bit for bit. */
static void assert_common_states_equal(const struct tree_run *a, const struct tree_run *b, int at_least)
{
    int common = 0;
    for (int s = 0; s < a->plan->stages; s++) {
        int other = tree_find(b, a->plan->stage[s].state);
        if (other < 0) continue;
        common++;
        const struct state *one = a->result[s].state, *two = b->result[other].state;
        assert_true(one->floats == two->floats && one->step == two->step);
        assert_memory_equal(one->values, two->values, one->floats * sizeof *one->values);
    }
    assert_true(common >= at_least);
}

#define ONE(tokens) WORLD SMALL TUNE "axes: {size: [a], variety: [4], seed: 1, tokens: [" tokens "]}\n"

static void a_trunk_uncut_cut_and_cut_later_is_the_same_bits(void **context)
{
    (void)context;
    struct tree_run uncut, cut, later;
    tree_run(ONE("16Ki"), &uncut);
    tree_run(ONE("4Ki, 8Ki, 16Ki"), &cut);
    tree_run(ONE("6Ki, 16Ki, 20Ki"), &later);
    assert_common_states_equal(&uncut, &cut, uncut.plan->stages);
    assert_common_states_equal(&uncut, &later, uncut.plan->stages);
    tree_run_reset(&uncut);
    tree_run_reset(&cut);
    tree_run_reset(&later);
}

/* A stage with the same id in another sweep has the same bits, whatever ran before it on the worker. */
static void bits_do_not_depend_on_what_ran_before(void **context)
{
    (void)context;
    struct tree_run alone, among;
    tree_run(WORLD SMALL TUNE
             "axes: {size: [b], tokens: [8Ki], variety: [4], pair: [[tense, subject_number]], seed: [2]}\n",
             &alone);
    tree_run(WORLD SMALL TUNE "axes: {size: [a, b], tokens: [0, 8Ki], variety: [1, 4], seed: 2}\n", &among);
    assert_common_states_equal(&alone, &among, alone.plan->stages);
    tree_run_reset(&alone);
    tree_run_reset(&among);
}

static void heads_and_objectives_of_all_kinds_run(void **context)
{
    (void)context;
    static const char *const settings[] = {
        "finetune.head: [per_task, shared, lm]", "finetune.pool: [last, mean]", "model.objective: [causal, masked]",
        "model.share_layers: [no, yes]",         "finetune.freeze: [0, 1]",     "model.context: [32, 48]"};
    for (int i = 0; i < 6; i++) {
        struct tree_run run;
        char *yaml = memory_format(WORLD SMALL TUNE "axes: {size: [b], tokens: [4Ki], variety: [2], seed: 1, %s}\n",
                                   settings[i]);
        tree_run(yaml, &run);
        for (int s = 0; s < run.plan->stages; s++) assert_string_equal(run.failure[s], "");
        tree_run_reset(&run);
        memory_free(yaml);
    }
}

static void a_loss_that_is_not_finite_is_a_failed_stage_with_a_reason(void **context)
{
    (void)context;
    struct tree_run run;
    struct assignment assignment;
    struct stage_result result;
    struct error err = {0};
    const struct numerics numerics = stage_numerics();
    int last;
    tree_run(ONE("4Ki"), &run);
    for (last = 0; run.plan->stage[last].place != 0; last++) continue;
    struct state *poisoned = state_copy(run.result[run.plan->stage[last].parent].state, false);
    poisoned->values[0] = NAN;
    struct workshop *workshop = workshop_create(run.sweep, run.world, &numerics);
    plan_assign(run.plan, last, &assignment);
    assert_int_equal(
        stage_run(workshop, &assignment, &(struct stage_inputs){.parent = poisoned}, NULL, NULL, &result, &err), -1);
    assert_int_equal(err.kind, ERROR_STAGE);
    assert_non_null(strstr(err.text, "step"));
    assert_null(result.state);
    assert_int_equal(result.record_length, plan_record_length(run.plan, last));
    for (int i = 0; i < result.record_length; i++) assert_true(isnan(result.record[i]));
    stage_result_reset(&result);
    workshop_destroy(&workshop);
    state_destroy(&poisoned);
    tree_run_reset(&run);
}

/* Every stage of `without` is in `with`, and their records agree but for what the instrument fills. */
static void assert_only_adds(const struct tree_run *with, const struct tree_run *without, int instrument)
{
    assert_common_states_equal(without, with, without->plan->stages);
    for (int s = 0; s < without->plan->stages; s++)
        for (int f = 0; f < FIELD_COUNT; f++) {
            const struct stage *stage = &without->plan->stage[s];
            if (!(fields_table[f].groups & stage->groups) || (int)fields_table[f].instrument == instrument) continue;
            if (!(without->sweep->instruments & 1u << fields_table[f].instrument)) continue;
            int length = field_length((enum field_id)f, &with->plan->extents, stage->place);
            assert_memory_equal(tree_field(with, tree_find(with, stage->state), (enum field_id)f),
                                tree_field(without, s, (enum field_id)f), (size_t)length * sizeof(double));
        }
}

static void an_instrument_leaves_every_number_of_the_others_as_it_was(void **context)
{
    (void)context;
    struct tree_run with, without;
    tree_run(ONE("8Ki") "measure: []\n", &without);
    for (int i = 0; i < INSTRUMENT_COUNT; i++) {
        char yaml[1024];
        if (instrument_always((enum instrument)i)) continue;
        snprintf(yaml, sizeof yaml, "%smeasure: [%s]\n", ONE("8Ki"), instrument_name((enum instrument)i));
        tree_run(yaml, &with);
        for (int s = 0; s < with.plan->stages; s++) assert_string_equal(with.failure[s], "");
        assert_only_adds(&with, &without, i);
        tree_run_reset(&with);
    }
    tree_run_reset(&without);
}

static void trees_give_back_all_their_memory(void **context)
{
    (void)context;
    size_t blocks = memory_count().blocks;
    struct tree_run run;
    tree_run(ONE("4Ki"), &run);
    tree_run_reset(&run);
    assert_int_equal(memory_count().blocks, blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_stage_leaves_a_state_and_finite_scores),
        cmocka_unit_test(layers_of_a_small_model_leave_the_places_of_larger_ones_empty),
        cmocka_unit_test(a_second_task_at_learning_rate_0_forgets_exactly_nothing),
        cmocka_unit_test(a_trunk_uncut_cut_and_cut_later_is_the_same_bits),
        cmocka_unit_test(bits_do_not_depend_on_what_ran_before),
        cmocka_unit_test(heads_and_objectives_of_all_kinds_run),
        cmocka_unit_test(a_loss_that_is_not_finite_is_a_failed_stage_with_a_reason),
        cmocka_unit_test(an_instrument_leaves_every_number_of_the_others_as_it_was),
        cmocka_unit_test(trees_give_back_all_their_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
