/* The gradient of the whole model against central differences of the double-precision reference, tensor by tensor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>

#include <cmocka.h>

#include "../support/gradcheck.h"
#include "../support/reference.h"

static const int starts[] = {0, 5, 6, 10};
static const uint16_t tokens[] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3};
static const int32_t targets[] = {1, 4, -1, 5, 0, 2, -1, 10, 3, 7};
static const struct batch the_batch = {3, 10, starts, tokens, targets};
static const int labels[] = {2, 0, 1};
static const uint16_t words[] = {7, 1, 10};

struct question { /* what is differentiated */
    const struct state *state;
    const struct readout *readout; /* NULL: LM loss */
};

static double reference_loss(const double *values, void *context)
{
    const struct question *question = context;
    if (!question->readout) return reference_lm(question->state, values, &the_batch);
    return reference_labels(question->state, values, &the_batch, question->readout, labels, NULL);
}

static struct model_shape small_shape(enum objective objective, bool share)
{
    return (struct model_shape){.layers = 3,
                                .width = 8,
                                .heads = 2,
                                .context = 6,
                                .vocabulary = 11,
                                .feed_forward = 4,
                                .objective = objective,
                                .share_layers = share};
}

/* Weights large enough that nothing is nearly linear, norms and biases off their usual places. */
static struct state *small_state(enum objective objective, bool share)
{
    const struct model_shape shape = small_shape(objective, share);
    const struct head_shape head[] = {{"first", 3}, {"shared", 5}};
    struct state *state = state_create(&shape, head, 2, false);
    state_initialise(state, 5, 0.4);
    float *noise = memory_array(state->floats, sizeof *noise);
    test_floats("noise", noise, state->floats, 0.15);
    for (size_t i = 0; i < state->floats; i++) state->values[i] += noise[i];
    memory_free(noise);
    return state;
}

static double own_loss(struct model *model, const struct question *question, float *gradient, int freeze)
{
    if (!question->readout) return model_lm(model, question->state, &the_batch, gradient, freeze);
    return model_labels(model, question->state, &the_batch, question->readout, labels, NULL, gradient, freeze);
}

static size_t floats_of(const struct tensor *tensor)
{
    return (size_t)tensor->rows * (size_t)(tensor->columns ? tensor->columns : 1);
}

/* The worst tensor; frozen ones must have no gradient at all. */
static double worst_of(const struct state *state, const float *gradient, const double *differences, int freeze)
{
    double worst = 0, floor = 0;
    for (size_t i = 0; i < state->floats; i++)
        if (fabs(differences[i]) > 100 * floor) floor = fabs(differences[i]) / 100;
    for (int i = 0; i < state->tensors; i++) {
        const struct tensor *tensor = &state->tensor[i];
        const float *own = gradient + tensor->offset;
        if (freeze > 0 && tensor->layer <= freeze) {
            for (size_t j = 0; j < floats_of(tensor); j++) assert_true(own[j] == 0);
            continue;
        }
        double error = gradcheck_worst(own, differences + tensor->offset, floats_of(tensor), floor);
        if (error > 2e-5) print_error("%s: %g\n", tensor->name, error);
        if (!(error <= worst)) worst = error;
    }
    return worst;
}

static double check(enum objective objective, bool share, const struct readout *readout, int freeze, size_t planted)
{
    struct state *state = small_state(objective, share);
    struct question question = {state, readout};
    struct model *model = model_create(&state->shape, 12, 4, true);
    double *values = test_doubles(state->values, state->floats);
    double *differences = memory_array(state->floats, sizeof *differences);
    float *gradient = memory_array(state->floats, sizeof *gradient);
    double loss = own_loss(model, &question, gradient, freeze);
    assert_float_equal(loss, reference_loss(values, &question), 1e-5);
    gradcheck_differences(reference_loss, &question, values, state->floats, differences);
    if (planted) gradient[planted] *= 1.01f;
    double worst = worst_of(state, gradient, differences, freeze);
    model_destroy(&model);
    state_destroy(&state);
    memory_free(values);
    memory_free(differences);
    memory_free(gradient);
    return worst;
}

static void causal_language_modelling(void **unused)
{
    (void)unused;
    assert_true(check(OBJECTIVE_CAUSAL, false, NULL, 0, 0) < 2e-5);
}

static void masked_language_modelling(void **unused)
{
    (void)unused;
    assert_true(check(OBJECTIVE_MASKED, false, NULL, 0, 0) < 2e-5);
}

static void shared_layers_add_their_gradients(void **unused)
{
    (void)unused;
    assert_true(check(OBJECTIVE_CAUSAL, true, NULL, 0, 0) < 2e-5);
}

static void labels_through_heads_and_label_words_with_both_pools(void **unused)
{
    (void)unused;
    for (int kind = HEAD_PER_TASK; kind <= HEAD_LM; kind++)
        for (int pool = POOL_LAST; pool <= POOL_MEAN; pool++) {
            struct readout readout = {(enum head_kind)kind, (enum pool_kind)pool, kind == HEAD_SHARED, 3, words, 0};
            assert_true(check(OBJECTIVE_CAUSAL, false, &readout, 0, 0) < 2e-5);
            assert_true(check(OBJECTIVE_MASKED, true, &readout, 0, 0) < 2e-5);
        }
}

static void frozen_layers_get_no_gradient_and_the_others_the_whole(void **unused)
{
    (void)unused;
    struct readout head = {HEAD_PER_TASK, POOL_MEAN, 0, 3, NULL, 0}, word = {HEAD_LM, POOL_LAST, -1, 3, words, 0};
    for (int freeze = 1; freeze <= 3; freeze++) {
        assert_true(check(OBJECTIVE_CAUSAL, false, &head, freeze, 0) < 2e-5);
        assert_true(check(OBJECTIVE_CAUSAL, false, &word, freeze, 0) < 2e-5);
        assert_true(check(OBJECTIVE_CAUSAL, false, NULL, freeze, 0) < 2e-5);
    }
    assert_true(check(OBJECTIVE_CAUSAL, true, &head, 1, 0) < 2e-5);
    assert_true(check(OBJECTIVE_CAUSAL, false, &head, 4, 0) < 2e-5); /* the final norm too: the head alone */
    assert_true(check(OBJECTIVE_MASKED, true, &head, 4, 0) < 2e-5);
}

/* Blocks that are left out get no gradient: the differences of the reference are 0 there, and so must ours be. */
static void blocks_left_out_get_no_gradient_and_the_others_the_whole(void **unused)
{
    (void)unused;
    for (int skip = 1; skip <= 3; skip++) {
        struct readout head = {HEAD_PER_TASK, POOL_MEAN, 0, 3, NULL, skip},
                       word = {HEAD_LM, POOL_LAST, -1, 3, words, skip};
        assert_true(check(OBJECTIVE_CAUSAL, false, &head, 0, 0) < 2e-5);
        assert_true(check(OBJECTIVE_MASKED, false, &word, 0, 0) < 2e-5);
        assert_true(check(OBJECTIVE_CAUSAL, true, &head, 0, 0) < 2e-5);
        assert_true(check(OBJECTIVE_CAUSAL, false, &head, 1, 0) < 2e-5);
    }
}

static void an_error_of_one_percent_in_one_number_is_caught(void **unused)
{
    (void)unused;
    const struct model_shape shape = small_shape(OBJECTIVE_CAUSAL, false);
    struct state *state = state_create(&shape, NULL, 0, false);
    size_t planted = state_tensor(state, "h.1.mlp.c_fc.weight")->offset + 17;
    state_destroy(&state);
    print_message("the next line is the error that must be caught\n");
    assert_true(check(OBJECTIVE_CAUSAL, false, NULL, 0, planted) > 2e-5);
}

static void gradients_add_up(void **unused)
{
    (void)unused;
    struct state *state = small_state(OBJECTIVE_CAUSAL, false);
    struct question question = {state, NULL};
    struct model *model = model_create(&state->shape, 10, 3, true);
    float *once = memory_array(state->floats, sizeof *once), *twice = memory_array(state->floats, sizeof *twice);
    own_loss(model, &question, once, 0);
    own_loss(model, &question, twice, 0);
    own_loss(model, &question, twice, 0);
    for (size_t i = 0; i < state->floats; i++) assert_float_equal(twice[i], 2 * once[i], 1e-5);
    memory_free(once);
    memory_free(twice);
    model_destroy(&model);
    state_destroy(&state);
    assert_int_equal(memory_count().blocks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(causal_language_modelling),
        cmocka_unit_test(masked_language_modelling),
        cmocka_unit_test(shared_layers_add_their_gradients),
        cmocka_unit_test(labels_through_heads_and_label_words_with_both_pools),
        cmocka_unit_test(frozen_layers_get_no_gradient_and_the_others_the_whole),
        cmocka_unit_test(blocks_left_out_get_no_gradient_and_the_others_the_whole),
        cmocka_unit_test(an_error_of_one_percent_in_one_number_is_caught),
        cmocka_unit_test(gradients_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
