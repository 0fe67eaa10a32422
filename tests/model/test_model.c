/* What must hold of the passes whatever the weights: causality, packing, repeatability, memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "../support/gradcheck.h"
#include "../support/reference.h"

enum { WIDTH = 24, CONTEXT = 80, VOCABULARY = 40, SEQUENCES = 4, TOKENS = 130 };
static const int start[SEQUENCES + 1] = {0, 33, 34, 50, TOKENS}; /* the last is the longest that fits */
static const uint16_t words[] = {3, 7, 31};
static const int labels[SEQUENCES] = {2, 0, 1, 1};

struct bench { /* a state, a batch and room for both passes */
    struct state *state;
    struct model *model;
    struct batch batch;
    uint16_t token[TOKENS];
    int32_t target[TOKENS];
    float *gradient;
};

static void set_up_at(struct bench *bench, enum objective objective, bool training)
{
    const struct model_shape shape = {.layers = 2,
                                      .width = WIDTH,
                                      .heads = 3,
                                      .context = CONTEXT,
                                      .vocabulary = VOCABULARY,
                                      .feed_forward = 4,
                                      .objective = objective};
    const struct head_shape head[] = {{"topic", 3}};
    bench->state = state_create(&shape, head, 1, false);
    state_initialise(bench->state, 2, 0.2);
    bench->model = model_create(&shape, TOKENS + 7, SEQUENCES + 1, training);
    bench->gradient = memory_array(bench->state->floats, sizeof(float));
    for (int i = 0; i < TOKENS; i++) {
        bench->token[i] = (uint16_t)(i * i % 39);
        bench->target[i] = i % 3 ? (i * 7 + 1) % VOCABULARY : -1;
    }
    bench->batch = (struct batch){SEQUENCES, TOKENS, start, bench->token, bench->target};
}

static void tear_down(struct bench *bench)
{
    state_destroy(&bench->state);
    model_destroy(&bench->model);
    model_destroy(&bench->model);
    memory_free(bench->gradient);
    assert_int_equal(memory_count().blocks, 0);
}

static struct readout readout_of(enum head_kind kind, enum pool_kind pool)
{
    return (struct readout){kind, pool, kind == HEAD_LM ? -1 : 0, 3, words, 0};
}

static void hidden_rows_and_losses_are_those_of_the_reference(void **unused)
{
    (void)unused;
    for (int objective = OBJECTIVE_CAUSAL; objective <= OBJECTIVE_MASKED; objective++) {
        struct bench bench;
        set_up_at(&bench, (enum objective)objective, objective == OBJECTIVE_MASKED);
        double *values = test_doubles(bench.state->values, bench.state->floats);
        double *hidden = memory_array(TOKENS * WIDTH, sizeof *hidden);
        double loss = model_lm(bench.model, bench.state, &bench.batch, NULL, 0);
        assert_float_equal(loss, reference_lm(bench.state, values, &bench.batch), 1e-5);
        for (int layer = 0; layer <= 3; layer++) {
            const float *own = model_hidden(bench.model, layer);
            reference_hidden(bench.state, values, &bench.batch, layer, hidden);
            for (int i = 0; i < TOKENS * WIDTH; i++) assert_float_equal(own[i], hidden[i], 5e-5);
        }
        memory_free(values);
        memory_free(hidden);
        tear_down(&bench);
    }
}

static void log_probabilities_are_those_of_the_reference(void **unused)
{
    (void)unused;
    struct bench bench;
    set_up_at(&bench, OBJECTIVE_CAUSAL, false);
    double *values = test_doubles(bench.state->values, bench.state->floats), reference[SEQUENCES * 3];
    for (int kind = HEAD_PER_TASK; kind <= HEAD_LM; kind++)
        for (int pool = POOL_LAST; pool <= POOL_MEAN; pool++) {
            struct readout readout = readout_of((enum head_kind)kind, (enum pool_kind)pool);
            float own[SEQUENCES * 3];
            double loss = model_labels(bench.model, bench.state, &bench.batch, &readout, labels, own, NULL, 0);
            double other = reference_labels(bench.state, values, &bench.batch, &readout, labels, reference);
            assert_float_equal(loss, other, 1e-5);
            for (int i = 0; i < SEQUENCES * 3; i++) assert_float_equal(own[i], reference[i], 2e-5);
        }
    memory_free(values);
    tear_down(&bench);
}

static void a_readout_may_leave_out_blocks_at_the_top(void **unused)
{
    (void)unused;
    struct bench bench;
    set_up_at(&bench, OBJECTIVE_MASKED, false);
    double *values = test_doubles(bench.state->values, bench.state->floats), losses[3];
    for (int skip = 0; skip <= 2; skip++) {
        struct readout readout = readout_of(HEAD_PER_TASK, POOL_MEAN);
        readout.skip = skip;
        double loss = model_labels(bench.model, bench.state, &bench.batch, &readout, labels, NULL, NULL, 0);
        losses[skip] = reference_labels(bench.state, values, &bench.batch, &readout, labels, NULL);
        assert_float_equal(loss, losses[skip], 1e-5);
    }
    for (int skip = 1; skip <= 2; skip++) assert_true(fabs(losses[skip] - losses[0]) > 1e-3); /* and it matters */
    memory_free(values);
    tear_down(&bench);
}

/* Rows whose final hidden values differ after token `changed` has become another. */
static void changed_rows(struct bench *bench, int changed, bool differs[TOKENS])
{
    float *before = memory_array(TOKENS * WIDTH, sizeof *before);
    model_lm(bench->model, bench->state, &bench->batch, NULL, 0);
    memcpy(before, model_hidden(bench->model, 3), TOKENS * WIDTH * sizeof *before);
    bench->token[changed] = (uint16_t)((bench->token[changed] + 1) % VOCABULARY);
    model_lm(bench->model, bench->state, &bench->batch, NULL, 0);
    const float *after = model_hidden(bench->model, 3);
    for (int row = 0; row < TOKENS; row++)
        differs[row] = memcmp(before + row * WIDTH, after + row * WIDTH, WIDTH * sizeof *before) != 0;
    memory_free(before);
}

static void a_causal_token_changes_nothing_before_it_nor_in_other_sequences(void **unused)
{
    (void)unused;
    const int places[] = {0, 17, 33, 49, 51, 118};
    for (int i = 0; i < 6; i++) {
        struct bench bench;
        bool differs[TOKENS];
        set_up_at(&bench, OBJECTIVE_CAUSAL, false);
        changed_rows(&bench, places[i], differs);
        int sequence = 0;
        while (start[sequence + 1] <= places[i]) sequence++;
        for (int row = 0; row < TOKENS; row++)
            assert_int_equal(differs[row], row >= places[i] && row < start[sequence + 1]);
        tear_down(&bench);
    }
}

static void a_masked_token_changes_its_whole_sequence_and_no_other(void **unused)
{
    (void)unused;
    struct bench bench;
    bool differs[TOKENS];
    set_up_at(&bench, OBJECTIVE_MASKED, false);
    changed_rows(&bench, 70, differs);
    for (int row = 0; row < TOKENS; row++) assert_int_equal(differs[row], row >= 50);
    tear_down(&bench);
}

static void packed_against_alone(struct bench *bench, struct model *model, const struct batch *batch)
{
    const size_t floats = bench->state->floats;
    float *alone = memory_array(floats, sizeof *alone), *gradient = memory_array(floats, sizeof *gradient);
    double sum = 0, whole = model_lm(model, bench->state, batch, bench->gradient, 0);
    int targets = 0;
    for (int s = 0; s < batch->sequences; s++) {
        int from = batch->start[s], own_start[] = {0, batch->start[s + 1] - from}, count = 0;
        struct batch one = {1, own_start[1], own_start, batch->token + from, batch->target + from};
        memset(gradient, 0, floats * sizeof *gradient);
        for (int i = 0; i < one.tokens; i++) count += one.target[i] >= 0;
        if (count > 0) sum += count * model_lm(model, bench->state, &one, gradient, 0);
        for (size_t i = 0; i < floats; i++) alone[i] += (float)count * gradient[i];
        targets += count;
    }
    assert_float_equal(whole, sum / targets, 1e-6);
    for (size_t i = 0; i < floats; i++) assert_float_equal(bench->gradient[i], alone[i] / (float)targets, 2e-6);
    memory_free(alone);
    memory_free(gradient);
}

static void a_packed_batch_gives_what_its_sequences_give_alone(void **unused)
{
    (void)unused;
    struct bench bench;
    set_up_at(&bench, OBJECTIVE_CAUSAL, true);
    packed_against_alone(&bench, bench.model, &bench.batch);
    tear_down(&bench);
}

static void more_targets_than_go_through_the_head_at_once_are_all_read(void **unused)
{
    (void)unused;
    enum { MANY = 5 * CONTEXT };
    struct bench bench;
    int starts[6];
    uint16_t token[MANY];
    int32_t target[MANY];
    set_up_at(&bench, OBJECTIVE_MASKED, true);
    for (int s = 0; s <= 5; s++) starts[s] = s * CONTEXT;
    for (int i = 0; i < MANY; i++) {
        token[i] = (uint16_t)(i * i % 37);
        target[i] = i % 11 ? i * 3 % VOCABULARY : -1;
    }
    assert_true(MANY * 10 / 11 > LOGIT_ROWS);
    struct batch batch = {5, MANY, starts, token, target};
    struct model *model = model_create(&bench.state->shape, MANY, 5, true);
    packed_against_alone(&bench, model, &batch);
    model_destroy(&model);
    tear_down(&bench);
}

static void a_batch_without_targets_has_no_loss_and_no_gradient(void **unused)
{
    (void)unused;
    struct bench bench;
    set_up_at(&bench, OBJECTIVE_CAUSAL, true);
    for (int i = 0; i < TOKENS; i++) bench.target[i] = -1;
    assert_true(isnan(model_lm(bench.model, bench.state, &bench.batch, bench.gradient, 0)));
    for (size_t i = 0; i < bench.state->floats; i++) assert_true(bench.gradient[i] == 0);
    tear_down(&bench);
}

static struct hash128 bits_of(struct bench *bench)
{
    struct readout readout = readout_of(HEAD_PER_TASK, POOL_MEAN);
    double loss[2];
    memset(bench->gradient, 0, bench->state->floats * sizeof(float));
    loss[0] = model_lm(bench->model, bench->state, &bench->batch, bench->gradient, 0);
    loss[1] = model_labels(bench->model, bench->state, &bench->batch, &readout, labels, NULL, bench->gradient, 0);
    struct hasher hasher;
    hasher_init(&hasher, "bits");
    hasher_add_real(&hasher, "lm", loss[0]);
    hasher_add_real(&hasher, "labels", loss[1]);
    hasher_add_hash(&hasher, "gradient", hash_bytes(bench->gradient, bench->state->floats * sizeof(float)));
    return hasher_finish(&hasher);
}

static void bits_do_not_depend_on_what_ran_before_nor_on_the_room(void **unused)
{
    (void)unused;
    struct bench bench;
    set_up_at(&bench, OBJECTIVE_CAUSAL, true);
    struct hash128 first = bits_of(&bench);
    /* other work in the same buffers */
    const int other_start[] = {0, 80, 137};
    uint16_t other_token[137] = {0};
    struct readout readout = readout_of(HEAD_LM, POOL_LAST);
    struct batch other = {2, 137, other_start, other_token, NULL};
    model_labels(bench.model, bench.state, &other, &readout, labels, NULL, bench.gradient, 1);
    assert_true(hash_equal(first, bits_of(&bench)));
    model_destroy(&bench.model);
    bench.model = model_create(&bench.state->shape, 300, 20, true); /* more room */
    assert_true(hash_equal(first, bits_of(&bench)));
    tear_down(&bench);
}

static void the_loss_is_the_same_with_and_without_gradient(void **unused)
{
    (void)unused;
    struct bench bench;
    set_up_at(&bench, OBJECTIVE_CAUSAL, true);
    double with = model_lm(bench.model, bench.state, &bench.batch, bench.gradient, 0);
    double without = model_lm(bench.model, bench.state, &bench.batch, NULL, 0);
    struct model *light = model_create(&bench.state->shape, TOKENS, SEQUENCES, false);
    double forward_only = model_lm(light, bench.state, &bench.batch, NULL, 0);
    assert_true(with == without && with == forward_only);
    model_destroy(&light);
    tear_down(&bench);
}

static void passes_allocate_nothing(void **unused)
{
    (void)unused;
    struct bench bench;
    set_up_at(&bench, OBJECTIVE_MASKED, true);
    uint64_t before = memory_count().allocations;
    struct readout readout = readout_of(HEAD_LM, POOL_MEAN);
    float log_probability[SEQUENCES * 3];
    model_lm(bench.model, bench.state, &bench.batch, bench.gradient, 0);
    model_labels(bench.model, bench.state, &bench.batch, &readout, labels, log_probability, bench.gradient, 1);
    assert_int_equal(memory_count().allocations, before);
    tear_down(&bench);
}

static void memory_is_what_the_shape_promises(void **unused)
{
    (void)unused;
    for (int training = 0; training < 2; training++) {
        struct model_shape shape = {
            .layers = 3, .width = 20, .heads = 2, .context = 50, .vocabulary = 300, .feed_forward = 4};
        size_t before = memory_count().bytes;
        struct model *model = model_create(&shape, 600, 40, training);
        int64_t promised = shape_work_bytes(&shape, 600, 40, training), room = (int64_t)(memory_count().bytes - before);
        if (training)
            room += shape_parameters(&shape) * (int64_t)sizeof(float); /* the gradient, which the caller holds */
        assert_in_range(room, promised, promised + 512);               /* the struct itself */
        model_destroy(&model);
    }
}

static jmp_buf refused;

static void leave(int exit_status)
{
    (void)exit_status;
    longjmp(refused, 1);
}

/* Whether a pass over that batch ends in a failed CHECK, before it has written outside its buffers. */
static bool is_refused(struct bench *bench, const struct batch *batch, float *gradient, int freeze)
{
    check_set_hook(leave);
    bool ended = setjmp(refused) != 0;
    if (!ended) model_lm(bench->model, bench->state, batch, gradient, freeze);
    check_set_hook(NULL);
    return ended;
}

static bool skip_is_refused(struct bench *bench, int skip)
{
    struct readout readout = readout_of(HEAD_PER_TASK, POOL_LAST);
    readout.skip = skip;
    check_set_hook(leave);
    bool ended = setjmp(refused) != 0;
    if (!ended) model_labels(bench->model, bench->state, &bench->batch, &readout, labels, NULL, NULL, 0);
    check_set_hook(NULL);
    return ended;
}

static void only_blocks_that_there_are_can_be_left_out(void **unused)
{
    (void)unused;
    struct bench bench;
    set_up_at(&bench, OBJECTIVE_CAUSAL, false);
    assert_false(skip_is_refused(&bench, 2));
    assert_true(skip_is_refused(&bench, 3));
    assert_true(skip_is_refused(&bench, -1));
    tear_down(&bench);
}

static void batches_that_do_not_fit_are_refused(void **unused)
{
    (void)unused;
    struct bench bench;
    set_up_at(&bench, OBJECTIVE_CAUSAL, false);
    const int long_start[] = {0, 40, TOKENS}, empty_start[] = {0, 60, 60, TOKENS}, short_start[] = {0, 60, 129};
    const struct batch too_long = {2, TOKENS, long_start, bench.token, bench.target};
    const struct batch empty = {3, TOKENS, empty_start, bench.token, bench.target};
    const struct batch not_filled = {2, TOKENS, short_start, bench.token, bench.target};
    assert_false(is_refused(&bench, &bench.batch, NULL, 3));          /* two blocks and the final norm frozen */
    assert_true(is_refused(&bench, &bench.batch, NULL, 4));           /* there is no more */
    assert_true(is_refused(&bench, &bench.batch, bench.gradient, 0)); /* no room for the way back */
    assert_true(is_refused(&bench, &too_long, NULL, 0));
    assert_true(is_refused(&bench, &empty, NULL, 0));
    assert_true(is_refused(&bench, &not_filled, NULL, 0));
    bench.target[4] = VOCABULARY;
    assert_true(is_refused(&bench, &bench.batch, NULL, 0));
    bench.target[4] = 0;
    bench.token[9] = VOCABULARY;
    assert_true(is_refused(&bench, &bench.batch, NULL, 0));
    bench.token[9] = 0;
    bench.state->shape.width = 12;
    assert_true(is_refused(&bench, &bench.batch, NULL, 0));
    bench.state->shape.width = WIDTH;
    tear_down(&bench);
}

static void the_numerics_name_library_version_and_kernel(void **unused)
{
    (void)unused;
    char text[128];
    model_numerics(text, sizeof text);
    assert_memory_equal(text, "OpenBLAS ", 9);
    assert_non_null(strchr(text + 9, ' '));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hidden_rows_and_losses_are_those_of_the_reference),
        cmocka_unit_test(log_probabilities_are_those_of_the_reference),
        cmocka_unit_test(a_readout_may_leave_out_blocks_at_the_top),
        cmocka_unit_test(a_causal_token_changes_nothing_before_it_nor_in_other_sequences),
        cmocka_unit_test(a_masked_token_changes_its_whole_sequence_and_no_other),
        cmocka_unit_test(a_packed_batch_gives_what_its_sequences_give_alone),
        cmocka_unit_test(more_targets_than_go_through_the_head_at_once_are_all_read),
        cmocka_unit_test(a_batch_without_targets_has_no_loss_and_no_gradient),
        cmocka_unit_test(bits_do_not_depend_on_what_ran_before_nor_on_the_room),
        cmocka_unit_test(the_loss_is_the_same_with_and_without_gradient),
        cmocka_unit_test(passes_allocate_nothing),
        cmocka_unit_test(memory_is_what_the_shape_promises),
        cmocka_unit_test(only_blocks_that_there_are_can_be_left_out),
        cmocka_unit_test(batches_that_do_not_fit_are_refused),
        cmocka_unit_test(the_numerics_name_library_version_and_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
