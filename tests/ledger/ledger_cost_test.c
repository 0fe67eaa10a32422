#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>

#include "palimpsest/ledger.h"

enum { STAGES = 40 };
static struct stage stage[STAGES];
static const struct plan plan = {.stages = STAGES, .stage = stage};

/* Even stages: small fine-tunings; odd: large trunk segments of different lengths. */
static int fill(void **unused)
{
    (void)unused;
    for (int s = 0; s < STAGES; s++) {
        bool small = s % 2 == 0;
        stage[s] = (struct stage){.kind = small ? STAGE_FINETUNE : STAGE_TRUNK, .parent = -1};
        stage[s].stop_step = small ? 100 : 1000 * (1 + s);
        stage[s].training_flops = (small ? 1e8 : 1e10) * (double)stage[s].stop_step;
    }
    return 0;
}

static void the_assumed_rate_counts_before_anything_has_finished(void **unused)
{
    (void)unused;
    double cost[STAGES];
    struct cost_model *model = cost_model_create(&plan, 1e10);
    cost_model_predict(model, cost);
    assert_true(fabs(cost[0] - 1) < 0.01);
    assert_true(fabs(cost[1] - 2000) < 1);
    assert_true(cost_model_drift(model) == 1);
    cost_model_destroy(&model);
}

static void each_class_is_corrected_by_its_own_stages(void **unused)
{
    (void)unused;
    double cost[STAGES];
    struct cost_model *model = cost_model_create(&plan, 1e10);
    cost_model_predict(model, cost);
    cost_model_observe(model, 0, 3.015);     /* three times slower than assumed */
    cost_model_observe(model, 1, 1000.0025); /* twice as fast */
    assert_true(fabs(cost_model_drift(model) - 3) < 0.01);
    cost_model_predict(model, cost);
    assert_true(cost_model_drift(model) == 1);
    for (int s = 0; s < STAGES; s++) {
        double truth = stage[s].training_flops / 1e10 * (s % 2 ? 0.5 : 3);
        assert_true(fabs(cost[s] / truth - 1) < 0.01);
    }
    cost_model_destroy(&model);
}

static void a_class_never_seen_borrows_from_one_that_was(void **unused)
{
    (void)unused;
    double cost[STAGES];
    struct cost_model *model = cost_model_create(&plan, 1e10);
    cost_model_observe(model, 0, 4.02);
    cost_model_predict(model, cost);
    assert_true(fabs(cost[1] / 8000 - 1) < 0.01);
    cost_model_destroy(&model);
}

static void one_stage_that_was_held_up_moves_nothing(void **unused)
{
    (void)unused;
    double before[STAGES], after[STAGES];
    struct cost_model *model = cost_model_create(&plan, 1e10);
    for (int s = 0; s < STAGES; s += 4) cost_model_observe(model, s, 2.01);
    cost_model_predict(model, before);
    cost_model_observe(model, 2, 500);
    cost_model_predict(model, after);
    assert_true(fabs(after[6] / before[6] - 1) < 0.01);
    cost_model_destroy(&model);
}

static void it_follows_a_machine_that_slows_down(void **unused)
{
    (void)unused;
    double cost[STAGES];
    struct cost_model *model = cost_model_create(&plan, 1e10);
    for (int i = 0; i < 1000; i++) cost_model_observe(model, 0, 1.005);
    for (int i = 0; i < 8; i++) cost_model_observe(model, 2, 5.025);
    cost_model_predict(model, cost);
    assert_true(fabs(cost[4] - 5) < 0.1);
    cost_model_destroy(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_assumed_rate_counts_before_anything_has_finished),
        cmocka_unit_test(each_class_is_corrected_by_its_own_stages),
        cmocka_unit_test(a_class_never_seen_borrows_from_one_that_was),
        cmocka_unit_test(one_stage_that_was_held_up_moves_nothing),
        cmocka_unit_test(it_follows_a_machine_that_slows_down),
    };
    int failed = cmocka_run_group_tests(tests, fill, NULL);
    return failed || memory_count().blocks != 0;
}
