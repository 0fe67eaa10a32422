/* Cosines between gradients: by hand, and against central differences of the double-precision reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "../support/gradcheck.h"
#include "small_state.h"

enum { LAYERS = 5, SEED = 3, ITEMS = 7, BATCH = 3 }; /* the last batch has one item */

static struct model_shape shape_of_test(bool share_layers) { return small_shape(OBJECTIVE_CAUSAL, share_layers); }

/* ---- by hand ---- */

static float *at(const struct state *state, float *gradient, const char *name)
{
    return gradient + state_tensor(state, name)->offset;
}

static void cosines_are_those_of_small_vectors(void **unused)
{
    (void)unused;
    struct model_shape shape = shape_of_test(false);
    struct state *state = small_state(&shape, "now");
    float *a = memory_array(state->floats, sizeof *a), *b = memory_array(state->floats, sizeof *b);
    struct cosines cosines;
    at(state, a, "wte.weight")[5] = 3, at(state, b, "wte.weight")[5] = 2; /* the same way: 1 */
    at(state, a, "h.0.ln_1.weight")[0] = 3, at(state, a, "h.0.mlp.c_fc.weight")[9] = 4;
    at(state, b, "h.0.ln_1.weight")[0] = 1; /* across two tensors: 3 / 5 */
    at(state, a, "h.1.attn.c_attn.bias")[2] = 1, at(state, b, "h.1.attn.c_attn.bias")[2] = -7; /* opposite: -1 */
    at(state, a, "h.2.ln_2.bias")[1] = 1;                                                      /* b has none: missing */
    at(state, a, "ln_f.bias")[0] = 1, at(state, b, "ln_f.bias")[1] = 1;                        /* at right angles: 0 */
    at(state, a, "heads.rise.weight")[0] = 100, at(state, b, "heads.rise.weight")[0] = 100;    /* does not count */
    gradient_cosines(state, a, b, &cosines);
    assert_true(fabs(cosines.layer[0] - 1) < 1e-12);
    assert_true(fabs(cosines.layer[1] - 0.6) < 1e-12);
    assert_true(fabs(cosines.layer[2] + 1) < 1e-12);
    assert_true(isnan(cosines.layer[3]));
    assert_true(cosines.layer[4] == 0);
    /* <a, b> = 6 + 3 - 7 = 2; |a|^2 = 9 + 25 + 1 + 1 + 1 = 37; |b|^2 = 4 + 1 + 49 + 1 = 55 */
    assert_true(fabs(cosines.whole - 2 / sqrt(37.0 * 55)) < 1e-12);
    memory_free(a);
    memory_free(b);
    state_destroy(&state);
}

static void tiny_gradients_have_a_cosine(void **unused)
{
    (void)unused;
    struct model_shape shape = shape_of_test(false);
    struct state *state = small_state(&shape, "now");
    float *a = memory_array(state->floats, sizeof *a);
    struct cosines cosines;
    at(state, a, "wte.weight")[0] = 1e-38f;
    gradient_cosines(state, a, a, &cosines);
    assert_true(fabs(cosines.whole - 1) < 1e-12);
    assert_true(fabs(cosines.layer[0] - 1) < 1e-12);
    memory_free(a);
    state_destroy(&state);
}

/* ---- against central differences ---- */

struct question {
    const struct state *state;
    int task;
    const uint32_t *order;
    int items;
};

static double mean_loss(const double *values, void *context)
{
    const struct question *question = context;
    uint16_t label_token[CLASSES_MAX];
    struct readout readout = prompt_readout(NULL, question->task, label_token);
    return plain_task(question->state, values, question->task, SPLIT_TRAIN, &readout, question->order, question->items)
        .loss;
}

static void plain_order(const char *task, uint32_t *order)
{
    struct random_cursor cursor = random_at(random_stream("finetune items", SEED, task), 0);
    random_permutation(&cursor, FAKE_ITEMS, order);
}

/* Cosine over the tensors whose names start so; "": all but the heads. */
static double plain_cosine(const struct state *state, const double *a, const double *b, const char *prefix)
{
    double aa = 0, ab = 0, bb = 0;
    for (int i = 0; i < state->tensors; i++) {
        const struct tensor *tensor = &state->tensor[i];
        if (strncmp(tensor->name, prefix, strlen(prefix)) != 0 || strncmp(tensor->name, "heads.", 6) == 0) continue;
        for (size_t k = tensor->offset; k < tensor->offset + tensor_floats(tensor); k++) {
            aa += a[k] * a[k];
            ab += a[k] * b[k];
            bb += b[k] * b[k];
        }
    }
    return ab / sqrt(aa * bb);
}

struct plain_cosines {
    double whole, layer[LAYERS];
};

static struct plain_cosines plain_cosines(const struct state *state, int items)
{
    static const char *const prefix[LAYERS] = {"w", "h.0.", "h.1.", "h.2.", "ln_f."};
    double *values = test_doubles(state->values, state->floats), *gradient[2];
    struct plain_cosines cosines;
    for (int task = 0; task < 2; task++) {
        uint32_t order[FAKE_ITEMS];
        plain_order(task == 0 ? "rise" : "third", order);
        struct question question = {state, task, order, items};
        gradient[task] = memory_array(state->floats, sizeof **gradient);
        gradcheck_differences(mean_loss, &question, values, state->floats, gradient[task]);
    }
    cosines.whole = plain_cosine(state, gradient[0], gradient[1], "");
    for (int l = 0; l < LAYERS; l++) cosines.layer[l] = plain_cosine(state, gradient[0], gradient[1], prefix[l]);
    memory_free(gradient[0]);
    memory_free(gradient[1]);
    memory_free(values);
    return cosines;
}

static struct cosines own_cosines(const struct state *state, int items, int batch)
{
    struct gradient_pair pair = {.task = {0, 1}, .seed = SEED, .items = items, .batch = batch};
    struct trainer *trainer = trainer_create(&state->shape, 16 * FAKE_CONTEXT, 16);
    float *gradients = memory_array(2 * state->floats, sizeof *gradients);
    struct cosines cosines;
    memset(gradients, 0x7f, 2 * state->floats * sizeof *gradients); /* whatever it held */
    measure_gradient_cosines(trainer, NULL, state, &pair, gradients, &cosines);
    memory_free(gradients);
    trainer_destroy(&trainer);
    return cosines;
}

static double worst(const struct cosines *own, const struct plain_cosines *plain)
{
    double most = fabs(own->whole - plain->whole);
    for (int l = 0; l < LAYERS; l++) most = fmax(most, fabs(own->layer[l] - plain->layer[l]));
    return most;
}

static void cosines_agree_with_central_differences_and_an_item_too_many_is_noticed(void **unused)
{
    (void)unused;
    struct model_shape shape = shape_of_test(false);
    struct state *state = small_state(&shape, "now");
    struct hash128 hash = state_hash(state);
    struct plain_cosines plain = plain_cosines(state, ITEMS);
    struct cosines own = own_cosines(state, ITEMS, BATCH), wrong = own_cosines(state, ITEMS + 1, BATCH);
    assert_true(worst(&own, &plain) < 1e-5);
    assert_true(worst(&wrong, &plain) > 1e-3);
    assert_true(hash_equal(hash, state_hash(state)));
    state_destroy(&state);
}

static void what_is_passed_at_once_does_not_matter(void **unused)
{
    (void)unused;
    struct model_shape shape = small_shape(OBJECTIVE_MASKED, false);
    struct state *state = small_state(&shape, "now");
    struct cosines one = own_cosines(state, ITEMS, 1), all = own_cosines(state, ITEMS, 16);
    assert_true(fabs(one.whole - all.whole) < 1e-5);
    for (int l = 0; l < LAYERS; l++) assert_true(fabs(one.layer[l] - all.layer[l]) < 1e-5);
    one = own_cosines(state, 10 * FAKE_ITEMS, 16); /* no more than there are */
    all = own_cosines(state, FAKE_ITEMS, 16);
    assert_true(one.whole == all.whole);
    state_destroy(&state);
}

static void layers_that_share_a_block_have_the_cosine_of_that_block(void **unused)
{
    (void)unused;
    struct model_shape shape = shape_of_test(true);
    struct state *state = small_state(&shape, "now");
    struct cosines cosines = own_cosines(state, ITEMS, BATCH);
    for (int l = 0; l < LAYERS; l++) assert_int_equal(isnan(cosines.layer[l]), l == 2 || l == 3);
    assert_true(isfinite(cosines.whole));
    state_destroy(&state);
}

static void a_task_agrees_with_itself(void **unused)
{
    (void)unused;
    struct model_shape shape = shape_of_test(false);
    struct state *state = small_state(&shape, "now");
    struct gradient_pair pair = {.task = {1, 1}, .seed = SEED, .items = ITEMS, .batch = BATCH};
    struct trainer *trainer = trainer_create(&shape, 16 * FAKE_CONTEXT, 16);
    float *gradients = memory_array(2 * state->floats, sizeof *gradients);
    struct cosines cosines;
    measure_gradient_cosines(trainer, NULL, state, &pair, gradients, &cosines);
    assert_true(fabs(cosines.whole - 1) < 1e-12);
    memory_free(gradients);
    trainer_destroy(&trainer);
    state_destroy(&state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cosines_are_those_of_small_vectors),
        cmocka_unit_test(tiny_gradients_have_a_cosine),
        cmocka_unit_test(cosines_agree_with_central_differences_and_an_item_too_many_is_noticed),
        cmocka_unit_test(what_is_passed_at_once_does_not_matter),
        cmocka_unit_test(layers_that_share_a_block_have_the_cosine_of_that_block),
        cmocka_unit_test(a_task_agrees_with_itself),
    };
    size_t blocks = memory_count().blocks;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + (memory_count().blocks != blocks);
}
