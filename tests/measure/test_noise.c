/* Weights under noise: its size, its key, and the losses under it against the double-precision reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "../support/gradcheck.h"
#include "small_state.h"

enum { SEED = 11, DRAWS = 3, WINDOWS = 4 };
static const double tolerance = 1e-5;

static bool is_head(const struct tensor *tensor) { return strncmp(tensor->name, "heads.", 6) == 0; }

static double root_mean_square(const float *values, size_t count)
{
    double squares = 0;
    for (size_t i = 0; i < count; i++) squares += pow(values[i], 2);
    return sqrt(squares / (double)count);
}

/* The standard normal numbers that noise adds to a tensor, as said in the header: one stream by name, sample: the draw.
 */
static void plain_normals(const char *name, uint64_t seed, int draw, size_t count, double *normal)
{
    struct random_cursor cursor = random_at(random_stream("weight noise", seed, name), (uint64_t)draw);
    for (size_t i = 0; i < count; i++) normal[i] = random_normal(&cursor);
}

/* weights + scale x root mean square x normal, in double; `planted` times too much of it. */
static double *plain_noisy(const struct state *state, int draw, double scale, double planted)
{
    double *values = test_doubles(state->values, state->floats);
    double *normal = memory_array(state->floats, sizeof *normal);
    for (int i = 0; i < state->tensors; i++) {
        const struct tensor *tensor = &state->tensor[i];
        size_t count = tensor_floats(tensor), at = tensor->offset;
        if (is_head(tensor)) continue;
        double deviation = planted * scale * root_mean_square(state->values + at, count);
        plain_normals(tensor->name, SEED, draw, count, normal);
        for (size_t k = 0; k < count; k++) values[at + k] += deviation * normal[k];
    }
    memory_free(normal);
    return values;
}

static double worst(const struct state *noisy, const double *values)
{
    double most = 0;
    for (size_t i = 0; i < noisy->floats; i++) most = fmax(most, fabs(noisy->values[i] - values[i]));
    return most;
}

static void noise_is_relative_to_each_tensor_and_an_error_of_one_percent_is_caught(void **unused)
{
    (void)unused;
    struct model_shape shape = small_shape(OBJECTIVE_CAUSAL, false);
    struct state *state = small_state(&shape, "now"), *noisy = state_copy(state, false);
    for (int draw = 0; draw < 2; draw++) {
        double *right = plain_noisy(state, draw, 0.2, 1), *wrong = plain_noisy(state, draw, 0.2, 1.01);
        state_add_noise(state, SEED, draw, 0.2, noisy);
        assert_true(worst(noisy, right) < 1e-6);
        assert_true(worst(noisy, wrong) > 1e-4);
        memory_free(right);
        memory_free(wrong);
    }
    state_destroy(&state);
    state_destroy(&noisy);
}

/* Over the 3,200 numbers of a tensor the mean and the variance of a standard normal are within four standard errors,
 * and as many as should lie within one deviation. */
static void noise_is_standard_normal(void **unused)
{
    (void)unused;
    struct model_shape shape = small_shape(OBJECTIVE_CAUSAL, false);
    shape.width = 40;
    struct state *state = small_state(&shape, "wide"), *noisy = state_copy(state, false);
    const struct tensor *tensor = state_tensor(state, "h.1.mlp.c_fc.weight");
    const float *before = state->values + tensor->offset, *after = noisy->values + tensor->offset;
    size_t count = tensor_floats(tensor);
    double size = 0.1 * root_mean_square(before, count), sum = 0, squares = 0, within = 0;
    assert_int_equal(count, 3200);
    state_add_noise(state, SEED, 0, 0.1, noisy);
    for (size_t i = 0; i < count; i++) {
        double normal = ((double)after[i] - before[i]) / size;
        sum += normal;
        squares += normal * normal;
        within += fabs(normal) < 1;
    }
    double n = (double)count;
    assert_true(fabs(sum / n) < 4 / sqrt(n));
    assert_true(fabs(squares / n - 1) < 4 * sqrt(2 / n));
    assert_true(fabs(within / n - 0.682689) < 4 * sqrt(0.682689 * 0.317311 / n));
    state_destroy(&state);
    state_destroy(&noisy);
}

static void heads_and_tensors_of_zeros_stay_as_they_are(void **unused)
{
    (void)unused;
    struct model_shape shape = small_shape(OBJECTIVE_CAUSAL, false);
    struct state *state = small_state(&shape, "now"), *noisy = state_copy(state, false);
    const struct tensor *bias = state_tensor(state, "h.1.mlp.c_fc.bias");
    memset(state->values + bias->offset, 0, tensor_floats(bias) * sizeof(float));
    state_add_noise(state, SEED, 0, 0.5, noisy);
    for (int i = 0; i < state->tensors; i++) {
        const struct tensor *tensor = &state->tensor[i];
        bool same = memcmp(state->values + tensor->offset, noisy->values + tensor->offset,
                           tensor_floats(tensor) * sizeof(float)) == 0;
        assert_int_equal(same, is_head(tensor) || tensor == bias);
    }
    state_add_noise(state, SEED, 0, 0, noisy);
    assert_memory_equal(noisy->values, state->values, state->floats * sizeof(float));
    state_destroy(&state);
    state_destroy(&noisy);
}

static double first_difference(const struct state *state, uint64_t seed, int draw, double scale, const char *name)
{
    struct state *noisy = state_copy(state, false);
    const struct tensor *tensor = state_tensor(state, name);
    state_add_noise(state, seed, draw, scale, noisy);
    double difference = ((double)noisy->values[tensor->offset] - state->values[tensor->offset]) /
                        root_mean_square(state->values + tensor->offset, tensor_floats(tensor));
    state_destroy(&noisy);
    return difference;
}

static void noise_is_keyed_by_seed_tensor_and_draw_and_only_sized_by_the_scale(void **unused)
{
    (void)unused;
    static const char one[] = "h.0.attn.c_attn.weight", two[] = "h.1.attn.c_attn.weight";
    struct model_shape shape = small_shape(OBJECTIVE_CAUSAL, false);
    struct state *state = small_state(&shape, "now"), *other = small_state(&shape, "other");
    double difference = first_difference(state, SEED, 0, 0.1, one);
    assert_true(fabs(first_difference(state, SEED, 0, 0.4, one) - 4 * difference) < 1e-5);
    assert_true(fabs(first_difference(other, SEED, 0, 0.1, one) - difference) < 1e-5); /* whatever the weights */
    assert_true(fabs(first_difference(state, SEED, 0, 0.1, two) - difference) > 1e-3);
    assert_true(fabs(first_difference(state, SEED, 1, 0.1, one) - difference) > 1e-3);
    assert_true(fabs(first_difference(state, SEED + 1, 0, 0.1, one) - difference) > 1e-3);
    state_destroy(&state);
    state_destroy(&other);
}

struct plain_losses {
    double lm, loss, accuracy;
};

static struct plain_losses plain_mean(const struct state *state, int draws, double scale, const struct readout *readout)
{
    struct plain_losses mean = {0};
    uint32_t order[FAKE_ITEMS];
    for (uint32_t i = 0; i < FAKE_ITEMS; i++) order[i] = i;
    for (int draw = 0; draw < draws; draw++) {
        double *values = plain_noisy(state, draw, scale, 1);
        struct plain_score score = plain_task(state, values, 1, SPLIT_TEST, readout, order, FAKE_ITEMS);
        mean.lm += plain_lm_mean(state, values, WINDOWS) / draws;
        mean.loss += score.loss / draws;
        mean.accuracy += score.accuracy / draws;
        memory_free(values);
    }
    return mean;
}

static void losses_agree_with_the_reference_and_a_missing_draw_is_noticed(void **unused)
{
    (void)unused;
    struct model_shape shape = small_shape(OBJECTIVE_CAUSAL, false);
    struct readout readout = {.kind = HEAD_PER_TASK, .pool = POOL_MEAN, .head = 1, .classes = 3};
    struct noise noise = {.seed = SEED,
                          .draws = DRAWS,
                          .tokens = (int64_t)WINDOWS * FAKE_CONTEXT,
                          .readout = &readout,
                          .task = 1,
                          .items = FAKE_ITEMS};
    struct noise_losses losses;
    struct state *state = small_state(&shape, "now"), *scratch = state_copy(state, false);
    struct meter *meter = meter_create(&shape);
    struct hash128 hash = state_hash(state);
    uint64_t allocations = memory_count().allocations;
    measure_noise(meter, NULL, state, &noise, scratch, &losses);
    assert_int_equal(memory_count().allocations, allocations);
    assert_true(hash_equal(hash, state_hash(state)));
    for (int s = 0; s < NOISE_SCALES; s++) {
        struct plain_losses all = plain_mean(state, DRAWS, noise_scales[s], &readout),
                            fewer = plain_mean(state, DRAWS - 1, noise_scales[s], &readout);
        assert_true(fabs(losses.lm_loss[s] - all.lm) < tolerance);
        assert_true(fabs(losses.loss[s] - all.loss) < tolerance);
        assert_true(fabs(losses.accuracy[s] - all.accuracy) < 1e-12);
        assert_true(fabs(losses.lm_loss[s] - fewer.lm) > 10 * tolerance);
        assert_true(fabs(losses.loss[s] - fewer.loss) > 10 * tolerance);
    }
    meter_destroy(&meter);
    state_destroy(&state);
    state_destroy(&scratch);
}

static void what_is_not_asked_is_missing(void **unused)
{
    (void)unused;
    struct model_shape shape = small_shape(OBJECTIVE_MASKED, false);
    struct noise noise = {.seed = SEED, .draws = 1, .tokens = 80};
    struct noise_losses losses;
    struct state *state = small_state(&shape, "now"), *scratch = state_copy(state, false);
    struct meter *meter = meter_create(&shape);
    measure_noise(meter, NULL, state, &noise, scratch, &losses);
    for (int s = 0; s < NOISE_SCALES; s++)
        assert_true(losses.lm_loss[s] > 0 && isnan(losses.loss[s]) && isnan(losses.accuracy[s]));
    noise.tokens = 0;
    measure_noise(meter, NULL, state, &noise, scratch, &losses);
    assert_true(isnan(losses.lm_loss[0]));
    meter_destroy(&meter);
    state_destroy(&state);
    state_destroy(&scratch);
}

static void scales_rise(void **unused)
{
    (void)unused;
    assert_true(noise_scales[0] > 0);
    for (int s = 1; s < NOISE_SCALES; s++) assert_true(noise_scales[s] > noise_scales[s - 1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_is_relative_to_each_tensor_and_an_error_of_one_percent_is_caught),
        cmocka_unit_test(noise_is_standard_normal),
        cmocka_unit_test(heads_and_tensors_of_zeros_stay_as_they_are),
        cmocka_unit_test(noise_is_keyed_by_seed_tensor_and_draw_and_only_sized_by_the_scale),
        cmocka_unit_test(losses_agree_with_the_reference_and_a_missing_draw_is_noticed),
        cmocka_unit_test(what_is_not_asked_is_missing),
        cmocka_unit_test(scales_rise),
    };
    size_t blocks = memory_count().blocks;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + (memory_count().blocks != blocks);
}
