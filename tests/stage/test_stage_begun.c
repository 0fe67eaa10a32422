/* Stages that somebody has begun already: whatever was done, they end in the same bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "tree_runner.h"

static const char sweep[] =
    "name: t\nworld: {kind: grammar, domains: 4, task_domains: 2}\ntasks: [tense, subject_number]\n"
    "model: {context: 32, sizes: {a: {layers: 2, width: 8, heads: 2}}}\n"
    "pretrain: {batch: 4, warmup: 256}\nevaluate: {tokens: 128, items: 64}\n"
    "finetune: {batch: 4, steps: 6, learning_rate: 1e-2, train_items: 64}\n"
    "codelength: {first: 8, steps: 2}\n"
    "axes: {tokens: [2Ki, 4Ki], variety: [2], model.objective: [causal, masked], seed: 1, pair: [[tense, "
    "subject_number]]}\n"
    "measure: all\nrecovery: {steps: 5}\nevaluate.looks: 4\n";

/* Pauses are tried at every step; under the sanitizers, which take many times as long, at each stage's first step and
 * last and every third between. */
#ifdef PALIMPSEST_SANITIZE
enum { PAUSE_EVERY = 3 };
#else
enum { PAUSE_EVERY = 1 };
#endif

struct stop_at {
    int64_t step;
    int asked_at_the_end;
};

static bool pause_at(void *context, int64_t step)
{
    struct stop_at *stop = context;
    stop->asked_at_the_end += step == stop->step;
    return step >= stop->step;
}

struct bench { /* a finished tree, and what it takes to carry out one of its stages again */
    struct tree_run run;
    struct workshop *workshop;
};

static struct stage_result carry_out(struct bench *bench, int number, struct state *begun, struct stop_at *stop)
{
    const struct stage *stage = &bench->run.plan->stage[number];
    const struct state *needs[4] = {NULL}, *parent = stage->parent < 0 ? NULL : bench->run.result[stage->parent].state;
    struct assignment assignment;
    struct stage_result result;
    struct error err = {0};
    for (int n = 0; n < stage->needs; n++) needs[n] = bench->run.result[plan_needs(bench->run.plan, number)[n]].state;
    plan_assign(bench->run.plan, number, &assignment);
    struct stage_inputs inputs = {.parent = parent, .needs = needs, .begun = begun};
    int status = stage_run(bench->workshop, &assignment, &inputs, stop ? pause_at : NULL, stop, &result, &err);
    if (status != 0) fail_msg("%s", err.text);
    return result;
}

static void assert_as_undisturbed(const struct bench *bench, int number, const struct stage_result *result)
{
    const struct stage_result *right = &bench->run.result[number];
    assert_false(result->paused);
    assert_true(hash_equal(state_hash(result->state), state_hash(right->state)));
    assert_memory_equal(&result->state->trace, &right->state->trace, sizeof right->state->trace);
    assert_memory_equal(&result->state->history, &right->state->history, sizeof right->state->history);
    assert_memory_equal(result->record, right->record, (size_t)right->record_length * sizeof *right->record);
}

static struct bench open_bench(void)
{
    const struct numerics numerics = stage_numerics();
    struct bench bench;
    tree_run(sweep, &bench.run);
    bench.workshop = workshop_create(bench.run.sweep, bench.run.world, &numerics);
    return bench;
}

static void close_bench(struct bench *bench)
{
    workshop_destroy(&bench->workshop);
    tree_run_reset(&bench->run);
}

static void a_stage_paused_at_any_step_goes_on_to_the_same_bits(void **context)
{
    (void)context;
    struct bench bench = open_bench();
    int trained = 0;
    for (int s = 0; s < bench.run.plan->stages; s++) {
        const struct stage *stage = &bench.run.plan->stage[s];
        if (stage->start_step == stage->stop_step) continue; /* nothing to pause */
        for (int64_t step = stage->start_step; step <= stage->stop_step; step++) {
            if ((step - stage->start_step) % PAUSE_EVERY != 0 && step != stage->stop_step) continue;
            struct stop_at stop = {.step = step};
            struct stage_result first = carry_out(&bench, s, NULL, &stop);
            assert_true(first.paused && first.state->step == step);
            assert_int_equal(first.steps, step - stage->start_step);
            struct stage_result second = carry_out(&bench, s, first.state, NULL);
            first.state = NULL;
            assert_int_equal(first.steps + second.steps, stage->stop_step - stage->start_step);
            assert_as_undisturbed(&bench, s, &second);
            stage_result_reset(&first);
            stage_result_reset(&second);
            trained++;
        }
    }
    assert_true(trained > 100 / PAUSE_EVERY);
    close_bench(&bench);
}

static void a_finished_state_is_only_measured_and_its_old_scores_count_for_nothing(void **context)
{
    (void)context;
    struct bench bench = open_bench();
    for (int s = 0; s < bench.run.plan->stages; s++) {
        if (bench.run.plan->stage[s].parent < 0) continue;
        struct state *begun = state_copy(bench.run.result[s].state, bench.run.result[s].state->moments != NULL);
        begun->history.lm_loss[0] = begun->history.lm_loss[1] = begun->history.accuracy[0][0] = 123;
        struct stage_result result = carry_out(&bench, s, begun, NULL);
        assert_int_equal(result.steps, 0);
        assert_as_undisturbed(&bench, s, &result);
        stage_result_reset(&result);
    }
    close_bench(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stage_paused_at_any_step_goes_on_to_the_same_bits),
        cmocka_unit_test(a_finished_state_is_only_measured_and_its_old_scores_count_for_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
