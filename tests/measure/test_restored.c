/* Layers put back, against weights composed by name and the double-precision reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "../support/gradcheck.h"
#include "small_state.h"

enum { LAYERS = 3, WINDOWS = 5 };
static const double tolerance = 1e-5;

static bool starts_with(const char *text, const char *start) { return strncmp(text, start, strlen(start)) == 0; }

/* The least number of layers put back at which this tensor is among them. */
static int restored_from(const char *name)
{
    if (starts_with(name, "ln_f.") || starts_with(name, "h.2.")) return 1;
    if (starts_with(name, "h.1.")) return 2;
    if (starts_with(name, "h.0.")) return 3;
    return starts_with(name, "wte.") || starts_with(name, "wpe.") ? 4 : 99; /* heads: never */
}

static void each_layer_comes_back_at_its_number(void **unused)
{
    (void)unused;
    struct model_shape shape = small_shape(OBJECTIVE_CAUSAL, false);
    struct state *pretrained = state_create(&shape, NULL, 0, false), *now = small_state(&shape, "now");
    struct state *out = state_copy(now, false);
    state_initialise(pretrained, 7, 0.5);
    for (int restored = 0; restored <= LAYERS + 1; restored++) {
        memset(out->values, 0, out->floats * sizeof *out->values); /* whatever it held */
        state_restore(now, pretrained, restored, out);
        for (int i = 0; i < now->tensors; i++) {
            const struct tensor *tensor = &now->tensor[i];
            bool back = restored >= restored_from(tensor->name);
            const struct tensor *from = state_tensor(back ? pretrained : now, tensor->name);
            assert_non_null(from);
            assert_memory_equal(out->values + tensor->offset, (back ? pretrained : now)->values + from->offset,
                                tensor_floats(tensor) * sizeof *out->values);
        }
    }
    state_destroy(&pretrained);
    state_destroy(&now);
    state_destroy(&out);
}

/* The loss with the tensors named above replaced, `shift` layers too many or too few. */
static double plain_loss(const struct state *now, const struct state *pretrained, int restored, int shift)
{
    double *values = test_doubles(now->values, now->floats);
    for (int i = 0; i < now->tensors; i++) {
        const struct tensor *tensor = &now->tensor[i];
        if (restored + shift < restored_from(tensor->name)) continue;
        const float *from = pretrained->values + state_tensor(pretrained, tensor->name)->offset;
        for (size_t k = 0; k < tensor_floats(tensor); k++) values[tensor->offset + k] = from[k];
    }
    double loss = plain_lm_mean(now, values, WINDOWS);
    memory_free(values);
    return loss;
}

static void losses_agree_with_the_reference_and_a_layer_too_many_is_noticed(void **unused)
{
    (void)unused;
    struct model_shape shape = small_shape(OBJECTIVE_CAUSAL, false);
    struct state *pretrained = small_state(&shape, "pretrained"), *now = small_state(&shape, "now");
    struct state *scratch = state_copy(now, false);
    struct meter *meter = meter_create(&shape);
    for (int restored = 0; restored <= LAYERS + 1; restored++) {
        double loss =
            measure_restored(meter, NULL, now, pretrained, restored, (int64_t)WINDOWS * FAKE_CONTEXT, scratch);
        assert_true(fabs(loss - plain_loss(now, pretrained, restored, 0)) < tolerance);
        if (restored <= LAYERS) assert_true(fabs(loss - plain_loss(now, pretrained, restored, 1)) > 100 * tolerance);
        if (restored > 0) assert_true(fabs(loss - plain_loss(now, pretrained, restored, -1)) > 100 * tolerance);
    }
    meter_destroy(&meter);
    state_destroy(&pretrained);
    state_destroy(&now);
    state_destroy(&scratch);
}

static void both_ends_of_the_curve_are_the_losses_of_the_two_states(void **unused)
{
    (void)unused;
    struct model_shape shape = small_shape(OBJECTIVE_MASKED, false);
    struct state *pretrained = small_state(&shape, "pretrained"), *now = small_state(&shape, "now");
    struct state *scratch = state_copy(now, false);
    struct meter *meter = meter_create(&shape);
    assert_true(measure_restored(meter, NULL, now, pretrained, 0, 80, scratch) ==
                measure_lm_mean(meter, NULL, now, 80));
    assert_true(measure_restored(meter, NULL, now, pretrained, LAYERS + 1, 80, scratch) ==
                measure_lm_mean(meter, NULL, pretrained, 80));
    meter_destroy(&meter);
    state_destroy(&pretrained);
    state_destroy(&now);
    state_destroy(&scratch);
}

static void a_block_that_all_layers_share_comes_back_as_a_whole(void **unused)
{
    (void)unused;
    struct model_shape shape = small_shape(OBJECTIVE_CAUSAL, true);
    struct state *pretrained = small_state(&shape, "pretrained"), *now = small_state(&shape, "now");
    struct state *scratch = state_copy(now, false);
    struct meter *meter = meter_create(&shape);
    for (int restored = 0; restored <= LAYERS + 1; restored++) {
        double loss = measure_restored(meter, NULL, now, pretrained, restored, 80, scratch);
        assert_int_equal(isnan(loss), restored == 1 || restored == 2);
    }
    state_restore(now, pretrained, LAYERS, scratch);
    const struct tensor *block = state_tensor(now, "h.0.mlp.c_fc.weight"), *tokens = state_tensor(now, "wte.weight");
    assert_memory_equal(scratch->values + block->offset, pretrained->values + block->offset, 64);
    assert_memory_equal(scratch->values + tokens->offset, now->values + tokens->offset, 64);
    meter_destroy(&meter);
    state_destroy(&pretrained);
    state_destroy(&now);
    state_destroy(&scratch);
}

static void measuring_changes_neither_state_and_allocates_nothing(void **unused)
{
    (void)unused;
    struct model_shape shape = small_shape(OBJECTIVE_CAUSAL, false);
    struct state *pretrained = small_state(&shape, "pretrained"), *now = small_state(&shape, "now");
    struct state *scratch = state_copy(now, false);
    struct meter *meter = meter_create(&shape);
    struct hash128 one = state_hash(pretrained), two = state_hash(now);
    uint64_t allocations = memory_count().allocations;
    measure_restored(meter, NULL, now, pretrained, 2, 80, scratch);
    assert_int_equal(memory_count().allocations, allocations);
    assert_true(hash_equal(one, state_hash(pretrained)) && hash_equal(two, state_hash(now)));
    meter_destroy(&meter);
    state_destroy(&pretrained);
    state_destroy(&now);
    state_destroy(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_layer_comes_back_at_its_number),
        cmocka_unit_test(losses_agree_with_the_reference_and_a_layer_too_many_is_noticed),
        cmocka_unit_test(both_ends_of_the_curve_are_the_losses_of_the_two_states),
        cmocka_unit_test(a_block_that_all_layers_share_comes_back_as_a_whole),
        cmocka_unit_test(measuring_changes_neither_state_and_allocates_nothing),
    };
    size_t blocks = memory_count().blocks;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + (memory_count().blocks != blocks);
}
