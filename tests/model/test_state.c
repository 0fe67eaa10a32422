/* States: their tensors, weights by name, copies, heads, and what the pure arithmetic of spec says of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "palimpsest/model.h"

static struct model_shape shape_for(int layers, int width, bool share)
{
    return (struct model_shape){.layers = layers,
                                .width = width,
                                .heads = 2,
                                .context = 12,
                                .vocabulary = 50,
                                .feed_forward = 4,
                                .share_layers = share};
}

static struct state *initialised(uint64_t seed)
{
    const struct model_shape shape = shape_for(2, 16, false);
    struct state *state = state_create(&shape, NULL, 0, true);
    state_initialise(state, seed, 0.02);
    return state;
}

static size_t floats_of(const struct tensor *tensor)
{
    return (size_t)tensor->rows * (size_t)(tensor->columns ? tensor->columns : 1);
}

static void the_sum_of_the_table_is_what_the_shape_promises(void **unused)
{
    (void)unused;
    const struct head_shape head[] = {{"one", 3}, {"two", 7}};
    for (int layers = 1; layers <= 5; layers++)
        for (int share = 0; share < 2; share++)
            for (int inner = 1; inner <= 4; inner++) {
                struct model_shape shape = shape_for(layers, 6 * layers, share);
                shape.feed_forward = inner;
                struct state *state = state_create(&shape, head, 2, false),
                             *bare = state_create(&shape, NULL, 0, false);
                assert_int_equal(bare->floats, shape_parameters(&shape));
                assert_int_equal(state->floats * sizeof(float), shape_state_bytes(&shape, 2, 10));
                size_t next = 0;
                for (int i = 0; i < state->tensors; i++) {
                    assert_int_equal(state->tensor[i].offset, next);
                    next += floats_of(&state->tensor[i]);
                }
                assert_int_equal(next, state->floats);
                state_destroy(&state);
                state_destroy(&bare);
            }
}

static void tensors_are_found_by_their_pytorch_names(void **unused)
{
    (void)unused;
    struct state *state = initialised(1), *more = state_with_head(state, "topic", 5, 1, 0, 0.02);
    const struct tensor *up = state_tensor(more, "h.1.mlp.c_fc.weight"), *head = state_tensor(more, "heads.topic.bias");
    assert_true(up->rows == 64 && up->columns == 16 && up->layer == 2 && up->decays);
    assert_true(head->rows == 5 && head->columns == 0 && head->layer == 4 && !head->decays);
    assert_true(state_tensor(more, "wte.weight")->layer == 0 && state_tensor(more, "wte.weight")->decays);
    assert_false(state_tensor(more, "wpe.weight")->decays);
    assert_false(state_tensor(more, "h.0.ln_1.weight")->decays);
    assert_int_equal(state_tensor(more, "ln_f.weight")->layer, 3);
    assert_null(state_tensor(more, "lm_head.weight"));
    state_destroy(&state);
    state_destroy(&more);
}

static void shared_layers_are_one_set_of_tensors(void **unused)
{
    (void)unused;
    const struct model_shape shape = shape_for(3, 16, true);
    struct state *state = state_create(&shape, NULL, 0, false);
    assert_non_null(state_tensor(state, "h.0.ln_1.weight"));
    assert_null(state_tensor(state, "h.1.ln_1.weight"));
    assert_int_equal(state_tensor(state, "h.0.ln_1.weight")->layer, 1);
    assert_int_equal(state_tensor(state, "ln_f.bias")->layer, 4);
    state_destroy(&state);
}

static double deviation_of(const struct state *state, const char *name)
{
    const struct tensor *tensor = state_tensor(state, name);
    double squares = 0;
    for (size_t i = 0; i < floats_of(tensor); i++) {
        double x = (double)state->values[tensor->offset + i];
        squares += x * x;
    }
    return sqrt(squares / (double)floats_of(tensor));
}

static void weights_have_the_deviation_asked_and_residual_projections_less(void **unused)
{
    (void)unused;
    struct state *state = initialised(3);
    assert_float_equal(deviation_of(state, "h.0.mlp.c_fc.weight"), 0.02, 0.002);
    assert_float_equal(deviation_of(state, "h.0.mlp.c_proj.weight"), 0.01, 0.001);
    assert_float_equal(deviation_of(state, "h.1.attn.c_proj.weight"), 0.01, 0.002);
    assert_float_equal(deviation_of(state, "h.1.ln_2.weight"), 1, 0);
    assert_float_equal(deviation_of(state, "h.1.ln_2.bias"), 0, 0);
    assert_float_equal(deviation_of(state, "h.1.attn.c_attn.bias"), 0, 0);
    state_destroy(&state);
}

static void weights_follow_seed_and_name_alone(void **unused)
{
    (void)unused;
    const struct model_shape deeper = shape_for(3, 16, false);
    struct state *state = initialised(3), *other = initialised(4), *again = initialised(3);
    struct state *deep = state_create(&deeper, NULL, 0, false);
    state_initialise(deep, 3, 0.02);
    const struct tensor *here = state_tensor(state, "h.1.attn.c_attn.weight");
    const struct tensor *there = state_tensor(deep, "h.1.attn.c_attn.weight");
    assert_memory_equal(state->values + here->offset, deep->values + there->offset, floats_of(here) * sizeof(float));
    assert_true(hash_equal(state_hash(state), state_hash(again)));
    assert_false(hash_equal(state_hash(state), state_hash(other)));
    state_destroy(&state);
    state_destroy(&other);
    state_destroy(&again);
    state_destroy(&deep);
}

static void a_copy_is_the_same_and_its_own(void **unused)
{
    (void)unused;
    struct state *state = initialised(3);
    state->step = 7;
    state->history.accuracy[1][0] = 0.5;
    state->trace.loss_sum[3] = 2;
    state->moments[5] = 1;
    struct state *copy = state_copy(state, true), *light = state_copy(state, false);
    assert_true(hash_equal(state_hash(state), state_hash(copy)));
    assert_null(light->moments);
    assert_true(light->step == 7 && light->history.accuracy[1][0] == 0.5 && light->trace.loss_sum[3] == 2);
    struct state *fresh = state_copy(light, true);
    assert_true(fresh->moments && fresh->moments[5] == 0);
    state_destroy(&fresh);
    copy->values[0]++;
    assert_false(hash_equal(state_hash(state), state_hash(copy)));
    state_destroy(&state);
    state_destroy(&copy);
    state_destroy(&light);
    state_destroy(&light);
}

static void a_new_head_changes_nothing_else(void **unused)
{
    (void)unused;
    struct state *state = initialised(3);
    for (size_t i = 0; i < 2 * state->floats; i++) state->moments[i] = (float)i;
    struct state *more = state_with_head(state, "topic", 5, 9, 1, 0.02);
    assert_int_equal(more->floats, state->floats + 5 * 17);
    assert_memory_equal(more->values, state->values, state->floats * sizeof(float));
    assert_memory_equal(more->moments, state->moments, state->floats * sizeof(float));
    assert_memory_equal(more->moments + more->floats, state->moments + state->floats, state->floats * sizeof(float));
    for (size_t i = state->floats; i < more->floats; i++)
        assert_true(more->moments[i] == 0 && more->moments[more->floats + i] == 0);
    assert_true(state_find_head(more, "topic") == 0 && state_find_head(state, "topic") == -1);
    assert_float_equal(deviation_of(more, "heads.topic.weight"), 0.02, 0.005);
    assert_float_equal(deviation_of(more, "heads.topic.bias"), 0, 0);
    state_destroy(&state);
    state_destroy(&more);
}

static void a_head_is_drawn_by_seed_task_and_place(void **unused)
{
    (void)unused;
    struct state *state = initialised(3), *head[4];
    head[0] = state_with_head(state, "topic", 5, 9, 1, 0.02);
    head[1] = state_with_head(state, "topic", 5, 9, 1, 0.02);
    head[2] = state_with_head(state, "topic", 5, 9, 2, 0.02);
    head[3] = state_with_head(state, "topic", 5, 8, 1, 0.02);
    assert_true(hash_equal(state_hash(head[0]), state_hash(head[1])));
    assert_false(hash_equal(state_hash(head[0]), state_hash(head[2])));
    assert_false(hash_equal(state_hash(head[0]), state_hash(head[3])));
    for (int i = 0; i < 4; i++) state_destroy(&head[i]);
    state_destroy(&state);
}

static int nothing_is_left(void **unused)
{
    (void)unused;
    return memory_count().blocks == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_sum_of_the_table_is_what_the_shape_promises, nothing_is_left),
        cmocka_unit_test_teardown(tensors_are_found_by_their_pytorch_names, nothing_is_left),
        cmocka_unit_test_teardown(shared_layers_are_one_set_of_tensors, nothing_is_left),
        cmocka_unit_test_teardown(weights_have_the_deviation_asked_and_residual_projections_less, nothing_is_left),
        cmocka_unit_test_teardown(weights_follow_seed_and_name_alone, nothing_is_left),
        cmocka_unit_test_teardown(a_copy_is_the_same_and_its_own, nothing_is_left),
        cmocka_unit_test_teardown(a_new_head_changes_nothing_else, nothing_is_left),
        cmocka_unit_test_teardown(a_head_is_drawn_by_seed_task_and_place, nothing_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
