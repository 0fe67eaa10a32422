/* Measurements in the fake world, against the same thing done one sequence at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "fake_world.h"
#include "palimpsest/measure.h"

static struct state *fresh(const struct model_shape *shape)
{
    const struct head_shape heads[] = {{"rise", 2}, {"third", 3}};
    struct state *state = state_create(shape, heads, 2, false);
    state_initialise(state, 1, 0.5);
    return state;
}

static const uint16_t words[] = {3, 4, 5};

static struct readout readout_of(enum head_kind kind, int classes)
{
    return (struct readout){.kind = kind, .pool = POOL_LAST, .head = 1, .classes = classes, .label_token = words};
}

static void lm_loss_is_the_mean_over_windows(void **unused)
{
    (void)unused;
    enum { WINDOWS = 300 }; /* more than one batch holds */
    struct model_shape shape = fake_shape(OBJECTIVE_CAUSAL);
    struct meter *meter = meter_create(&shape);
    struct model *model = model_create(&shape, FAKE_CONTEXT, 1, false);
    struct state *state = fresh(&shape);
    double sum = 0;
    for (int w = 0; w < WINDOWS; w++) {
        uint16_t token[FAKE_CONTEXT + 1];
        int32_t target[FAKE_CONTEXT];
        const int start[] = {0, FAKE_CONTEXT};
        world_reference(NULL, 1, w, FAKE_CONTEXT, token);
        for (int t = 0; t < FAKE_CONTEXT; t++) target[t] = token[t + 1];
        struct batch batch = {1, FAKE_CONTEXT, start, token, target};
        sum += model_lm(model, state, &batch, NULL, 0);
    }
    double loss = measure_lm_loss(meter, NULL, state, 1, WINDOWS * FAKE_CONTEXT);
    assert_true(fabs(loss - sum / WINDOWS) < 1e-5);
    assert_true(isnan(measure_lm_loss(meter, NULL, state, 1, 0)));
    model_destroy(&model);
    meter_destroy(&meter);
    state_destroy(&state);
}

static void masked_loss_is_repeatable_and_depends_on_the_domain(void **unused)
{
    (void)unused;
    struct model_shape shape = fake_shape(OBJECTIVE_MASKED);
    struct meter *meter = meter_create(&shape), *other = meter_create(&shape);
    struct state *state = fresh(&shape);
    double loss = measure_lm_loss(meter, NULL, state, 0, 800);
    assert_true(isfinite(loss) && loss > 0);
    assert_true(measure_lm_loss(other, NULL, state, 1, 800) != loss);
    assert_true(measure_lm_loss(other, NULL, state, 0, 800) == loss);
    meter_destroy(&meter);
    meter_destroy(&other);
    state_destroy(&state);
}

/* One item at a time, in plain arithmetic. */
static struct score plain_score(const struct model_shape *shape, const struct state *state, int task,
                                const struct readout *readout, int items)
{
    struct model *model = model_create(shape, FAKE_CONTEXT, 1, false);
    struct task_items test = task_items_of(NULL, task, SPLIT_TEST, shape, readout);
    struct score score = {.items = items};
    for (int i = 0; i < items; i++) {
        uint16_t token[FAKE_CONTEXT];
        float log_probability[CLASSES_MAX];
        int label, best = 0, start[2] = {0, task_items_read(&test, i, token, &label)};
        struct batch batch = {1, start[1], start, token, NULL};
        model_labels(model, state, &batch, readout, &label, log_probability, NULL, 0);
        for (int c = 0; c < readout->classes; c++)
            if (log_probability[c] > log_probability[best]) best = c;
        double p = exp(log_probability[label]);
        score.accuracy += best == label ? 1.0 / items : 0;
        score.loss -= log(p) / items;
        score.log_odds += log(p / (1 - p)) / items;
    }
    model_destroy(&model);
    return score;
}

static void scores_agree_with_one_item_at_a_time(void **unused)
{
    (void)unused;
    for (int kind = 0; kind < 3; kind++) {
        struct model_shape shape = fake_shape(kind == 2 ? OBJECTIVE_MASKED : OBJECTIVE_CAUSAL);
        struct readout readout = readout_of((enum head_kind)kind, 3);
        struct meter *meter = meter_create(&shape);
        struct state *state = fresh(&shape);
        struct score score = measure_task(meter, NULL, state, 1, &readout, 1000);
        struct score plain = plain_score(&shape, state, 1, &readout, FAKE_ITEMS);
        assert_int_equal(score.items, FAKE_ITEMS); /* no more than there are */
        assert_true(fabs(score.accuracy - plain.accuracy) < 1e-12);
        assert_true(fabs(score.loss - plain.loss) < 1e-5);
        assert_true(fabs(score.log_odds - plain.log_odds) < 1e-4);
        assert_int_equal(measure_task(meter, NULL, state, 1, &readout, 7).items, 7);
        meter_destroy(&meter);
        state_destroy(&state);
    }
}

/* The bits of each item by itself; the items asked for, not the first ones. */
static void a_code_takes_the_bits_of_the_items_asked_for_each_by_itself(void **unused)
{
    (void)unused;
    static const uint32_t item[] = {7, 49, 0, 13, 7, 22};
    struct model_shape shape = fake_shape(OBJECTIVE_CAUSAL);
    struct meter *meter = meter_create(&shape);
    struct model *model = model_create(&shape, FAKE_CONTEXT, 1, false);
    struct state *state = fresh(&shape);
    struct readout readout = readout_of(HEAD_PER_TASK, 3);
    double bits = 0;
    for (int i = 0; i < 6; i++) {
        struct item of = world_item(NULL, 1, SPLIT_TRAIN, (int)item[i]);
        const int start[] = {0, of.length};
        float log_p[3];
        model_labels(model, state, &(struct batch){1, of.length, start, of.token, NULL}, &readout, &of.label, log_p,
                     NULL, 0);
        bits -= log2(exp((double)log_p[of.label]));
    }
    double code = measure_code(meter, NULL, state, 1, &readout, item, 6);
    assert_true(bits > 1 && fabs(code - bits) < 1e-5 * bits);
    assert_true(fabs(measure_code(meter, NULL, state, 1, &readout, item + 1, 5) - bits) > 1e-2); /* planted */
    assert_true(measure_code(meter, NULL, state, 1, &readout, item, 0) == 0);
    model_destroy(&model);
    meter_destroy(&meter);
    state_destroy(&state);
}

static void log_odds_stay_finite_where_the_probability_rounds_to_one(void **unused)
{
    (void)unused;
    struct model_shape shape = fake_shape(OBJECTIVE_CAUSAL);
    struct readout readout = {.kind = HEAD_PER_TASK, .pool = POOL_LAST, .head = 0, .classes = 2};
    struct meter *meter = meter_create(&shape);
    struct state *state = fresh(&shape);
    const struct tensor *bias = state_tensor(state, "heads.rise.bias");
    state->values[bias->offset] = 80; /* label 0 at odds near e^80: 1 - p is 0 even in double */
    int zeros = 0;
    for (int i = 0; i < FAKE_ITEMS; i++) zeros += world_item(NULL, 0, SPLIT_TEST, i).label == 0;
    struct score score = measure_task(meter, NULL, state, 0, &readout, FAKE_ITEMS);
    assert_true(fabs(score.accuracy - (double)zeros / FAKE_ITEMS) < 1e-12);
    double expected = 80.0 * (2 * zeros - FAKE_ITEMS) / FAKE_ITEMS; /* give or take what the weights add */
    assert_true(fabs(score.log_odds - expected) < 8);
    meter_destroy(&meter);
    state_destroy(&state);
}

static void measuring_allocates_nothing_and_changes_nothing(void **unused)
{
    (void)unused;
    struct model_shape shape = fake_shape(OBJECTIVE_MASKED);
    struct readout readout = readout_of(HEAD_PER_TASK, 3);
    struct meter *meter = meter_create(&shape);
    struct state *state = fresh(&shape);
    struct hash128 hash = state_hash(state);
    uint64_t allocations = memory_count().allocations;
    measure_lm_loss(meter, NULL, state, 0, 800);
    measure_task(meter, NULL, state, 1, &readout, FAKE_ITEMS);
    assert_int_equal(memory_count().allocations, allocations);
    assert_true(hash_equal(hash, state_hash(state)));
    meter_destroy(&meter);
    state_destroy(&state);
}

static void displacement_is_relative_and_by_layer(void **unused)
{
    (void)unused;
    struct model_shape shape = fake_shape(OBJECTIVE_CAUSAL);
    struct state *before = fresh(&shape), *after = state_with_head(before, "more", 2, 1, 0, 0.1);
    double moved[4];
    measure_displacement(after, before, moved);
    for (int layer = 0; layer < 4; layer++) assert_true(moved[layer] == 0); /* the new head does not count */
    for (int i = 0; i < after->tensors; i++) {
        const struct tensor *t = &after->tensor[i];
        size_t count = (size_t)t->rows * (size_t)(t->columns ? t->columns : 1);
        if (t->layer == 2)
            for (size_t k = 0; k < count; k++) after->values[t->offset + k] *= 1.5f;
    }
    after->values[state_tensor(after, "ln_f.weight")->offset + 3] += 2; /* sixteen ones: ||b|| = 4 */
    measure_displacement(after, before, moved);
    assert_true(moved[0] == 0 && moved[1] == 0);
    assert_true(fabs(moved[2] - 0.5) < 1e-6);
    assert_true(fabs(moved[3] - 0.5) < 1e-12);
    state_destroy(&before);
    state_destroy(&after);
}

static void shared_layers_have_the_displacement_of_their_one_block(void **unused)
{
    (void)unused;
    struct model_shape shape = fake_shape(OBJECTIVE_CAUSAL);
    shape.share_layers = true;
    struct state *before = fresh(&shape), *after = state_copy(before, false);
    double moved[4];
    after->values[state_tensor(after, "h.0.mlp.c_fc.weight")->offset] += 1;
    measure_displacement(after, before, moved);
    assert_true(moved[0] == 0 && moved[1] > 0 && isnan(moved[2]) && moved[3] == 0);
    state_destroy(&before);
    state_destroy(&after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lm_loss_is_the_mean_over_windows),
        cmocka_unit_test(masked_loss_is_repeatable_and_depends_on_the_domain),
        cmocka_unit_test(scores_agree_with_one_item_at_a_time),
        cmocka_unit_test(a_code_takes_the_bits_of_the_items_asked_for_each_by_itself),
        cmocka_unit_test(log_odds_stay_finite_where_the_probability_rounds_to_one),
        cmocka_unit_test(measuring_allocates_nothing_and_changes_nothing),
        cmocka_unit_test(displacement_is_relative_and_by_layer),
        cmocka_unit_test(shared_layers_have_the_displacement_of_their_one_block),
    };
    size_t blocks = memory_count().blocks;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + (memory_count().blocks != blocks);
}
