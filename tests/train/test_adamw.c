/* AdamW and gradient norms on a real tensor table, against arithmetic by hand and a plain double-precision rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "palimpsest/train.h"

static const struct optimizer_recipe recipe = {
    .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8, .weight_decay = 0.1, .clip = 1, .bias_correction = 1};

static const struct trained all = {.freeze = 0, .head = 0};

static struct state *some_state(bool share_layers)
{
    struct model_shape shape = {.layers = 2,
                                .width = 4,
                                .heads = 2,
                                .context = 3,
                                .vocabulary = 5,
                                .feed_forward = 2,
                                .share_layers = share_layers};
    struct head_shape heads[2] = {{"one", 2}, {"two", 3}};
    struct state *state = state_create(&shape, heads, 2, true);
    state_initialise(state, 1, 0.5);
    return state;
}

static float *some_gradient(const struct state *state)
{
    float *gradient = memory_array(state->floats, sizeof *gradient);
    struct random_cursor cursor = random_at(random_stream("test gradient", 1, NULL), 0);
    for (size_t i = 0; i < state->floats; i++) gradient[i] = (float)random_normal(&cursor);
    return gradient;
}

static size_t floats_of(const struct tensor *tensor)
{
    return (size_t)tensor->rows * (size_t)(tensor->columns ? tensor->columns : 1);
}

static void the_first_step_moves_every_weight_by_the_rate(void **unused)
{
    (void)unused;
    struct state *state = some_state(false), *before = state_copy(state, false);
    float *gradient = some_gradient(state);
    struct optimizer_recipe plain = recipe;
    plain.weight_decay = 0;
    adamw_step(&plain, 0.01, 1, 1, all, gradient, state);
    /* With bias correction m / (1 - beta1) = g and v / (1 - beta2) = g^2, so the step is rate x sign(g). */
    for (size_t i = 0; i < floats_of(&state->tensor[0]); i++)
        assert_true(fabs(before->values[i] - state->values[i] - copysign(0.01, gradient[i])) < 1e-6);
    memory_free(gradient);
    state_destroy(&state);
    state_destroy(&before);
}

static void without_bias_correction_the_first_step_is_larger(void **unused)
{
    (void)unused;
    struct state *state = some_state(false), *before = state_copy(state, false);
    float *gradient = some_gradient(state);
    struct optimizer_recipe plain = recipe;
    plain.weight_decay = 0;
    plain.bias_correction = 0;
    adamw_step(&plain, 0.01, 1, 1, all, gradient, state);
    /* m = 0.1 g, sqrt(v) = sqrt(0.01) |g| = 0.1 |g|: the betas happen to cancel here; with beta2 0.999 they would not.
     */
    assert_true(fabs(before->values[0] - state->values[0] - copysign(0.01, gradient[0])) < 1e-6);
    plain.beta2 = 0.9999; /* sqrt(v) = 0.01 |g|: ten times the step */
    memset(state->moments, 0, 2 * state->floats * sizeof(float));
    memcpy(state->values, before->values, state->floats * sizeof(float));
    adamw_step(&plain, 0.01, 1, 1, all, gradient, state);
    assert_true(fabs(before->values[0] - state->values[0] - copysign(0.1, gradient[0])) < 1e-5);
    memory_free(gradient);
    state_destroy(&state);
    state_destroy(&before);
}

/* Loshchilov and Hutter 2019, algorithm 2, written out for one weight in double. */
static double plain_adamw(double value, const double *gradient, int steps, double rate, bool decays)
{
    double m = 0, v = 0;
    for (int t = 1; t <= steps; t++) {
        double g = gradient[t - 1];
        m = recipe.beta1 * m + (1 - recipe.beta1) * g;
        v = recipe.beta2 * v + (1 - recipe.beta2) * g * g;
        double mean = m / (1 - pow(recipe.beta1, t)), square = v / (1 - pow(recipe.beta2, t));
        value -= rate * (mean / (sqrt(square) + recipe.epsilon) + (decays ? recipe.weight_decay * value : 0));
    }
    return value;
}

static void twenty_steps_agree_with_the_paper_in_double(void **unused)
{
    (void)unused;
    struct state *state = some_state(false), *before = state_copy(state, false);
    float *gradient = some_gradient(state);
    double seen[20], clip = 0.25;
    for (int t = 1; t <= 20; t++) {
        float way = (float)cos(t);
        for (size_t i = 0; i < state->floats; i++) gradient[i] *= way;
        adamw_step(&recipe, 0.01, clip, t, all, gradient, state);
        for (size_t i = 0; i < state->floats; i++) gradient[i] /= way;
        seen[t - 1] = way;
    }
    for (int k = 0; k < state->tensors - 2; k++) {
        const struct tensor *tensor = &state->tensor[k];
        for (size_t i = tensor->offset; i < tensor->offset + floats_of(tensor); i++) {
            double mine[20];
            for (int t = 0; t < 20; t++) mine[t] = clip * seen[t] * gradient[i];
            double expected = plain_adamw(before->values[i], mine, 20, 0.01, tensor->decays);
            assert_true(fabs(state->values[i] - expected) < 2e-6);
        }
    }
    memory_free(gradient);
    state_destroy(&state);
    state_destroy(&before);
}

static void rate_zero_changes_no_bit_of_any_weight(void **unused)
{
    (void)unused;
    struct state *state = some_state(false), *before = state_copy(state, false);
    float *gradient = some_gradient(state);
    for (int t = 1; t <= 5; t++) adamw_step(&recipe, 0, 0.3, t, all, gradient, state);
    assert_memory_equal(state->values, before->values, state->floats * sizeof(float));
    memory_free(gradient);
    state_destroy(&state);
    state_destroy(&before);
}

static void decay_shrinks_matrices_and_nothing_else(void **unused)
{
    (void)unused;
    struct state *state = some_state(false), *before = state_copy(state, false);
    float *gradient = memory_array(state->floats, sizeof *gradient);
    adamw_step(&recipe, 0.5, 1, 1, all, gradient, state);
    for (int k = 0; k < state->tensors - 2; k++) {
        const struct tensor *tensor = &state->tensor[k];
        float factor = tensor->decays ? 0.95f : 1.0f; /* 1 - 0.5 x 0.1 */
        for (size_t i = tensor->offset; i < tensor->offset + floats_of(tensor); i++)
            assert_true(state->values[i] == factor * before->values[i]);
    }
    memory_free(gradient);
    state_destroy(&state);
    state_destroy(&before);
}

static bool moved(const struct state *a, const struct state *b, int tensor)
{
    const struct tensor *t = &a->tensor[tensor];
    return memcmp(a->values + t->offset, b->values + t->offset, floats_of(t) * sizeof(float)) != 0;
}

static void frozen_layers_and_heads_of_other_tasks_stay(void **unused)
{
    (void)unused;
    for (int share = 0; share < 2; share++) {
        struct state *state = some_state(share), *before = state_copy(state, false);
        float *gradient = some_gradient(state);
        adamw_step(&recipe, 0.01, 1, 1, (struct trained){.freeze = 1, .head = 1}, gradient, state);
        for (int k = 0; k < state->tensors; k++) {
            int layer = state->tensor[k].layer, head = k - (state->tensors - 4);
            bool expected = head >= 0 ? head >= 2 : layer > 1;
            assert_int_equal(moved(state, before, k), expected);
        }
        memory_free(gradient);
        state_destroy(&state);
        state_destroy(&before);
    }
}

static void without_a_head_no_head_moves(void **unused)
{
    (void)unused;
    struct state *state = some_state(false), *before = state_copy(state, false);
    float *gradient = some_gradient(state);
    adamw_step(&recipe, 0.01, 1, 1, (struct trained){.freeze = 0, .head = -1}, gradient, state);
    for (int k = 0; k < state->tensors; k++) assert_int_equal(moved(state, before, k), k < state->tensors - 4);
    memory_free(gradient);
    state_destroy(&state);
    state_destroy(&before);
}

static void norms_are_those_of_the_trained_layers(void **unused)
{
    (void)unused;
    struct state *state = some_state(false);
    float *gradient = some_gradient(state);
    double norms[4], squares[5] = {0}, head[2] = {0};
    for (int k = 0; k < state->tensors; k++) {
        const struct tensor *tensor = &state->tensor[k];
        double *sum = tensor->layer == 4 ? &head[k >= state->tensors - 2] : &squares[tensor->layer];
        for (size_t i = 0; i < floats_of(tensor); i++)
            *sum += (double)gradient[tensor->offset + i] * gradient[tensor->offset + i];
    }
    double whole = gradient_norms(state, (struct trained){0, 1, 0}, gradient, norms);
    for (int layer = 0; layer < 4; layer++) assert_true(fabs(norms[layer] - sqrt(squares[layer])) < 1e-12);
    assert_true(fabs(whole - sqrt(squares[0] + squares[1] + squares[2] + squares[3] + head[1])) < 1e-12);
    whole = gradient_norms(state, (struct trained){1, 0, 0}, gradient, norms);
    assert_true(norms[0] == 0 && norms[1] == 0 && norms[2] > 0);
    assert_true(fabs(whole - sqrt(squares[2] + squares[3] + head[0])) < 1e-12);
    memory_free(gradient);
    state_destroy(&state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_step_moves_every_weight_by_the_rate),
        cmocka_unit_test(without_bias_correction_the_first_step_is_larger),
        cmocka_unit_test(twenty_steps_agree_with_the_paper_in_double),
        cmocka_unit_test(rate_zero_changes_no_bit_of_any_weight),
        cmocka_unit_test(decay_shrinks_matrices_and_nothing_else),
        cmocka_unit_test(frozen_layers_and_heads_of_other_tasks_stay),
        cmocka_unit_test(without_a_head_no_head_moves),
        cmocka_unit_test(norms_are_those_of_the_trained_layers),
    };
    size_t blocks = memory_count().blocks;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + (memory_count().blocks != blocks);
}
