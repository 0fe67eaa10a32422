/* The whole model and ten AdamW steps against PyTorch in double precision (tools/make_fixture.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "palimpsest/train.h"

/* As in the script. */
enum { TOKENS = 22, SEQUENCES = 4, STEPS = 10 };
static const int start[SEQUENCES + 1] = {0, 7, 12, 19, 22};
static const uint16_t label_words[] = {5, 17, 2};
static const struct head_shape heads[] = {{"one", 3}, {"shared", 4}};
static const struct pretraining recipe = {.optimizer = {.learning_rate = 1e-2,
                                                        .beta1 = 0.9,
                                                        .beta2 = 0.98,
                                                        .epsilon = 1e-5,
                                                        .weight_decay = 0.1,
                                                        .clip = 0.5,
                                                        .bias_correction = 1},
                                          .steps = {.warmup = 5, .trunk = STEPS}};
static const double loss_tolerance = 1e-5, tolerance = 1e-4;

static struct fixture *fixture;

static struct model_shape shape_of_case(enum objective objective, bool share_layers)
{
    return (struct model_shape){.layers = 2,
                                .width = 12,
                                .heads = 2,
                                .context = 7,
                                .vocabulary = 29,
                                .feed_forward = 2,
                                .objective = objective,
                                .share_layers = share_layers};
}

static size_t floats_of(const struct tensor *tensor)
{
    return (size_t)tensor->rows * (size_t)(tensor->columns ? tensor->columns : 1);
}

/* ||ours - theirs|| / ||theirs||; where theirs is all zero, ||ours||.  NaN in either gives NaN, which is never small.
 */
static double difference(const float *ours, const float *theirs, size_t count)
{
    double apart = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)ours[i] - theirs[i];
        apart += d * d;
        size += (double)theirs[i] * theirs[i];
    }
    double far = size > 0 ? sqrt(apart / size) : sqrt(apart);
    return isnan(far) ? INFINITY : far;
}

/* The largest difference of a tensor of `block` to the fixture's CASE/WHAT/TENSOR; infinite where one is missing,
 * except for gradients of what took no part: there ours must be 0. */
static double worst(const struct state *state, const float *block, const char *which, const char *what)
{
    double most = 0;
    for (int i = 0; i < state->tensors; i++) {
        const struct tensor *tensor = &state->tensor[i];
        size_t count = 0;
        const float *theirs = fixture_floats(fixture, &count, "%s/%s/%s", which, what, tensor->name);
        double apart = INFINITY;
        if (theirs && count == floats_of(tensor)) {
            apart = difference(block + tensor->offset, theirs, count);
        } else if (!theirs && strcmp(what, "gradient") == 0) {
            apart = 0;
            for (size_t k = 0; k < floats_of(tensor); k++) apart = fmax(apart, fabs(block[tensor->offset + k]));
        }
        if (apart > tolerance) print_message("%s/%s/%s: off by %g\n", which, what, tensor->name, apart);
        if (apart > most) most = apart;
    }
    return most;
}

static struct state *load_state(const struct model_shape *shape, const char *which)
{
    struct state *state = state_create(shape, heads, 2, true);
    for (int i = 0; i < state->tensors; i++) {
        const struct tensor *tensor = &state->tensor[i];
        size_t count = 0;
        const float *values = fixture_floats(fixture, &count, "%s/values/%s", which, tensor->name);
        if (!values || count != floats_of(tensor)) fail_msg("%s has no weights %s", which, tensor->name);
        memcpy(state->values + tensor->offset, values, count * sizeof *values);
    }
    return state;
}

struct words {
    uint16_t token[TOKENS];
    const int32_t *target;
};

static void read_tokens(uint16_t *token, const char *entry)
{
    size_t count = 0;
    const int32_t *tokens = fixture_integers(fixture, &count, "%s/token", entry);
    assert_non_null(tokens);
    assert_int_equal(count, TOKENS);
    for (int i = 0; i < TOKENS; i++) token[i] = (uint16_t)tokens[i];
}

static struct batch batch_of(const struct words *words)
{
    return (struct batch){
        .sequences = SEQUENCES, .tokens = TOKENS, .start = start, .token = words->token, .target = words->target};
}

static void read_step(struct words *words, const char *which, int step)
{
    char entry[64];
    size_t count = 0;
    snprintf(entry, sizeof entry, "%s/%d", which, step);
    read_tokens(words->token, entry);
    words->target = fixture_integers(fixture, &count, "%s/target", entry);
    assert_int_equal(count, TOKENS);
}

static double one_step(struct model *model, struct state *state, float *gradient, const struct words *words, int step)
{
    const struct trained trained = {0, -1, 0};
    struct batch batch = batch_of(words);
    double norms[LAYERS_MAX + 2];
    memset(gradient, 0, state->floats * sizeof *gradient);
    double loss = model_lm(model, state, &batch, gradient, 0);
    double norm = gradient_norms(state, trained, gradient, norms), clip = recipe.optimizer.clip;
    assert_true(norm > clip); /* so that clipping is part of what is compared */
    adamw_step(&recipe.optimizer, pretraining_rate(&recipe, step), clip / norm, step + 1, trained, gradient, state);
    return loss;
}

static void compare_language(const char *which, enum objective objective, bool share_layers)
{
    struct model_shape shape = shape_of_case(objective, share_layers);
    struct state *state = load_state(&shape, which);
    struct model *model = model_create(&shape, TOKENS, SEQUENCES, true);
    float *gradient = memory_array(state->floats, sizeof *gradient);
    struct words words;
    size_t count = 0;
    const float *losses = fixture_floats(fixture, &count, "%s/losses", which);
    assert_int_equal(count, STEPS);

    read_step(&words, which, 0);
    struct batch batch = batch_of(&words);
    double loss = model_lm(model, state, &batch, gradient, 0);
    assert_true(fabs(loss / losses[0] - 1) < loss_tolerance);
    const float *hidden = fixture_floats(fixture, &count, "%s/hidden", which);
    assert_true(difference(model_hidden(model, 3), hidden, count) < loss_tolerance);
    assert_true(worst(state, gradient, which, "gradient") < tolerance);
    for (int step = 0; step < STEPS; step++) {
        read_step(&words, which, step);
        loss = one_step(model, state, gradient, &words, step);
        assert_true(fabs(loss / losses[step] - 1) < loss_tolerance);
    }
    assert_true(worst(state, state->values, which, "after") < tolerance);

    memory_free(gradient);
    model_destroy(&model);
    state_destroy(&state);
}

static void a_causal_model_and_ten_steps_agree_with_pytorch(void **unused)
{
    (void)unused;
    compare_language("causal", OBJECTIVE_CAUSAL, false);
}

static void a_masked_model_and_ten_steps_agree_with_pytorch(void **unused)
{
    (void)unused;
    compare_language("masked", OBJECTIVE_MASKED, false);
}

static void shared_layers_and_ten_steps_agree_with_pytorch(void **unused)
{
    (void)unused;
    compare_language("share_layers", OBJECTIVE_CAUSAL, true);
}

struct label_case {
    const char *name;
    enum objective objective;
    struct readout readout;
};
static const struct label_case label_cases[] = {
    {"label_one_last", OBJECTIVE_CAUSAL, {HEAD_PER_TASK, POOL_LAST, 0, 3, NULL, 0}},
    {"label_one_mean", OBJECTIVE_MASKED, {HEAD_PER_TASK, POOL_MEAN, 0, 3, NULL, 0}},
    {"label_shared_last", OBJECTIVE_MASKED, {HEAD_SHARED, POOL_LAST, 1, 2, NULL, 0}},
    {"label_lm_last", OBJECTIVE_CAUSAL, {HEAD_LM, POOL_LAST, -1, 3, label_words, 0}},
    {"label_lm_mean", OBJECTIVE_MASKED, {HEAD_LM, POOL_MEAN, -1, 3, label_words, 0}},
};

/* A head with more classes than the task: PyTorch's gradient of the unused rows is 0, and so must ours be. */
static void compare_labels(const struct label_case *which)
{
    struct model_shape shape = shape_of_case(which->objective, false);
    struct state *state = load_state(&shape, "label");
    struct model *model = model_create(&shape, TOKENS, SEQUENCES, true);
    float *gradient = memory_array(state->floats, sizeof *gradient);
    float ours[SEQUENCES * 4];
    struct words words = {.target = NULL};
    size_t count = 0;
    read_tokens(words.token, which->name);
    struct batch batch = batch_of(&words);
    const int32_t *label = fixture_integers(fixture, &count, "%s/label", which->name);
    assert_int_equal(count, SEQUENCES);

    double loss = model_labels(model, state, &batch, &which->readout, label, ours, gradient, 0);
    const float *theirs = fixture_floats(fixture, &count, "%s/loss", which->name);
    assert_true(fabs(loss / theirs[0] - 1) < loss_tolerance);
    theirs = fixture_floats(fixture, &count, "%s/log_probability", which->name);
    assert_int_equal(count, SEQUENCES * which->readout.classes);
    assert_true(difference(ours, theirs, count) < loss_tolerance);
    assert_true(worst(state, gradient, which->name, "gradient") < tolerance);

    memory_free(gradient);
    model_destroy(&model);
    state_destroy(&state);
}

static void every_kind_of_head_and_pool_agrees_with_pytorch(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof label_cases / sizeof label_cases[0]; i++) compare_labels(&label_cases[i]);
}

static void a_perturbed_weight_is_noticed(void **unused)
{
    (void)unused;
    struct model_shape shape = shape_of_case(OBJECTIVE_CAUSAL, false);
    struct state *state = load_state(&shape, "causal");
    struct model *model = model_create(&shape, TOKENS, SEQUENCES, true);
    float *gradient = memory_array(state->floats, sizeof *gradient);
    struct words words;
    size_t count = 0;
    const float *losses = fixture_floats(fixture, &count, "causal/losses");
    read_step(&words, "causal", 0);
    struct batch batch = batch_of(&words);
    state->values[state_tensor(state, "h.0.mlp.c_fc.weight")->offset] += 0.05f;
    double loss = model_lm(model, state, &batch, gradient, 0);
    assert_true(fabs(loss / losses[0] - 1) > loss_tolerance);
    assert_true(worst(state, gradient, "causal", "gradient") > tolerance);
    assert_true(worst(state, state->values, "causal", "values") > tolerance);
    memory_free(gradient);
    model_destroy(&model);
    state_destroy(&state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_causal_model_and_ten_steps_agree_with_pytorch),
        cmocka_unit_test(a_masked_model_and_ten_steps_agree_with_pytorch),
        cmocka_unit_test(shared_layers_and_ten_steps_agree_with_pytorch),
        cmocka_unit_test(every_kind_of_head_and_pool_agrees_with_pytorch),
        cmocka_unit_test(a_perturbed_weight_is_noticed),
    };
    struct error err = {0};
    if (fixture_read(TEST_FOLDER "/golden/reference.bin", &fixture, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fixture_destroy(&fixture);
    return failed + (memory_count().blocks != 0);
}
