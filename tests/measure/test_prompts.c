/* Tasks read out through label words, layer by layer, against the double-precision reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

#include "../support/gradcheck.h"
#include "small_state.h"

static void in_order(uint32_t *order)
{
    for (uint32_t i = 0; i < FAKE_ITEMS; i++) order[i] = i;
}

static void a_prompt_is_read_out_by_the_words_of_the_task(void **unused)
{
    (void)unused;
    uint16_t label_token[CLASSES_MAX];
    struct readout readout = prompt_readout(NULL, 1, label_token);
    assert_true(readout.kind == HEAD_LM && readout.pool == POOL_LAST && readout.skip == 0);
    assert_int_equal(readout.classes, 3);
    for (int c = 0; c < 3; c++) assert_int_equal(readout.label_token[c], world_label_token(NULL, 1, c));
}

static double worst_of(const struct score *score, struct plain_score plain)
{
    return fmax(fabs(score->loss - plain.loss), fabs(score->accuracy - plain.accuracy));
}

static void zero_shot_scores_agree_with_the_reference_and_a_wrong_word_is_noticed(void **unused)
{
    (void)unused;
    for (int objective = OBJECTIVE_CAUSAL; objective <= OBJECTIVE_MASKED; objective++) {
        struct model_shape shape = small_shape((enum objective)objective, false);
        struct state *state = small_state(&shape, "pretrained");
        struct meter *meter = meter_create(&shape);
        double *values = test_doubles(state->values, state->floats);
        uint16_t label_token[CLASSES_MAX];
        uint32_t order[FAKE_ITEMS];
        in_order(order);
        for (int task = 0; task < FAKE_TASKS; task++) {
            struct readout readout = prompt_readout(NULL, task, label_token);
            struct score score = measure_task(meter, NULL, state, task, &readout, FAKE_ITEMS);
            assert_true(worst_of(&score, plain_task(state, values, task, SPLIT_TEST, &readout, order, FAKE_ITEMS)) <
                        1e-5);
            label_token[1]++;
            assert_true(worst_of(&score, plain_task(state, values, task, SPLIT_TEST, &readout, order, FAKE_ITEMS)) >
                        1e-3);
        }
        memory_free(values);
        meter_destroy(&meter);
        state_destroy(&state);
    }
}

static void a_readout_at_each_layer_agrees_with_the_reference_and_a_layer_off_is_noticed(void **unused)
{
    (void)unused;
    struct model_shape shape = small_shape(OBJECTIVE_CAUSAL, false);
    struct state *state = small_state(&shape, "now");
    struct meter *meter = meter_create(&shape);
    double *values = test_doubles(state->values, state->floats);
    struct readout readout = {.kind = HEAD_PER_TASK, .pool = POOL_MEAN, .head = 1, .classes = 3};
    uint32_t order[FAKE_ITEMS];
    in_order(order);
    for (int skip = 0; skip <= shape.layers; skip++) {
        readout.skip = skip;
        struct score score = measure_task(meter, NULL, state, 1, &readout, FAKE_ITEMS);
        assert_true(worst_of(&score, plain_task(state, values, 1, SPLIT_TEST, &readout, order, FAKE_ITEMS)) < 1e-5);
        readout.skip = skip < shape.layers ? skip + 1 : skip - 1;
        assert_true(worst_of(&score, plain_task(state, values, 1, SPLIT_TEST, &readout, order, FAKE_ITEMS)) > 1e-3);
    }
    memory_free(values);
    meter_destroy(&meter);
    state_destroy(&state);
}

static void outcomes_of_items_add_up_to_the_score_and_are_those_of_single_items(void **unused)
{
    (void)unused;
    struct model_shape shape = small_shape(OBJECTIVE_CAUSAL, false);
    struct state *state = small_state(&shape, "now");
    struct meter *meter = meter_create(&shape);
    double *values = test_doubles(state->values, state->floats);
    struct readout readout = {.kind = HEAD_PER_TASK, .pool = POOL_LAST, .head = 0, .classes = 2};
    uint8_t right[FAKE_ITEMS];
    int correct = 0;
    struct score score = measure_items(meter, NULL, state, 0, &readout, 1000, right),
                 same = measure_task(meter, NULL, state, 0, &readout, 1000);
    assert_int_equal(score.items, FAKE_ITEMS);
    assert_true(score.accuracy == same.accuracy && score.loss == same.loss && score.log_odds == same.log_odds);
    for (uint32_t i = 0; i < FAKE_ITEMS; i++) {
        struct plain_score alone = plain_task(state, values, 0, SPLIT_TEST, &readout, &i, 1);
        assert_true(right[i] == alone.accuracy);
        correct += right[i];
    }
    assert_true(correct > 0 && correct < FAKE_ITEMS);
    assert_true(fabs(score.accuracy - (double)correct / FAKE_ITEMS) < 1e-12);
    memory_free(values);
    meter_destroy(&meter);
    state_destroy(&state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prompt_is_read_out_by_the_words_of_the_task),
        cmocka_unit_test(zero_shot_scores_agree_with_the_reference_and_a_wrong_word_is_noticed),
        cmocka_unit_test(a_readout_at_each_layer_agrees_with_the_reference_and_a_layer_off_is_noticed),
        cmocka_unit_test(outcomes_of_items_add_up_to_the_score_and_are_those_of_single_items),
    };
    size_t blocks = memory_count().blocks;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + (memory_count().blocks != blocks);
}
