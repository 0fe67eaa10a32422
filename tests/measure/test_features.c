/* Features of the fake world's items and windows against the plain model, one sequence at a time; and probes on them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "../support/gradcheck.h"
#include "../support/reference.h"
#include "fake_world.h"
#include "palimpsest/measure.h"

enum { LAYERS = 4, WIDTH = 16, STIMULI = 301 }; /* more than one batch holds */

static struct model_shape shape_with(enum objective objective)
{
    return (struct model_shape){.layers = 2,
                                .width = WIDTH,
                                .heads = 2,
                                .context = FAKE_CONTEXT,
                                .vocabulary = FAKE_WORDS + 2,
                                .feed_forward = 2,
                                .objective = objective};
}

struct bench {
    struct model_shape shape;
    struct meter *meter;
    struct state *state;
    double *values;
    struct features features;
};

static void set_up(struct bench *bench, enum objective objective, int rows)
{
    const struct head_shape head = {"rise", 2};
    bench->shape = shape_with(objective);
    bench->meter = meter_create(&bench->shape);
    bench->state = state_create(&bench->shape, &head, 1, false);
    state_initialise(bench->state, 1, 0.5);
    bench->values = test_doubles(bench->state->values, bench->state->floats);
    bench->features = (struct features){LAYERS, rows, WIDTH,
                                        memory_array((size_t)features_floats(&bench->shape, rows), sizeof(float))};
}

static void tear_down(struct bench *bench)
{
    memory_free(bench->features.values);
    memory_free(bench->values);
    meter_destroy(&bench->meter);
    state_destroy(&bench->state);
}

/* The sequence's last row and mean row after `layer`, from the plain model in double precision. */
static void plain_rows(const struct bench *bench, const uint16_t *token, int length, int layer,
                       double row[POOLS][WIDTH])
{
    double hidden[FAKE_CONTEXT * WIDTH];
    const int start[] = {0, length};
    struct batch batch = {1, length, start, token, NULL};
    reference_hidden(bench->state, bench->values, &batch, layer, hidden);
    for (int c = 0; c < WIDTH; c++) {
        row[POOL_LAST][c] = hidden[(length - 1) * WIDTH + c];
        row[POOL_MEAN][c] = 0;
        for (int t = 0; t < length; t++) row[POOL_MEAN][c] += hidden[t * WIDTH + c] / length;
    }
}

static void assert_rows_are_those_of(const struct bench *bench, int row, const uint16_t *token, int length)
{
    for (int layer = 0; layer < LAYERS; layer++) {
        double plain[POOLS][WIDTH];
        plain_rows(bench, token, length, layer, plain);
        for (int pool = 0; pool < POOLS; pool++) {
            const float *own = features_at(&bench->features, layer, (enum pool_kind)pool) + row * WIDTH;
            for (int c = 0; c < WIDTH; c++) assert_float_equal(own[c], plain[pool][c], 5e-5);
        }
    }
}

static void features_of_items_are_the_hidden_rows_of_every_layer(void **unused)
{
    (void)unused;
    for (int objective = OBJECTIVE_CAUSAL; objective <= OBJECTIVE_MASKED; objective++) {
        struct bench bench;
        int label[FAKE_ITEMS];
        set_up(&bench, (enum objective)objective, FAKE_ITEMS + 3);
        const struct item_range range = {1, SPLIT_TEST, 4, FAKE_ITEMS - 4};
        measure_item_features(bench.meter, NULL, bench.state, &range, &bench.features, 3, label);
        for (int i = 0; i < range.items; i++) {
            struct item item = world_item(NULL, 1, SPLIT_TEST, range.first + i);
            assert_int_equal(label[i], item.label);
            assert_rows_are_those_of(&bench, 3 + i, item.token, item.length);
        }
        for (int c = 0; c < 3 * WIDTH; c++)
            assert_true(bench.features.values[c] == 0); /* rows that were not asked for */
        tear_down(&bench);
    }
}

static void stimuli_are_the_windows_of_all_domains_in_turn(void **unused)
{
    (void)unused;
    struct bench bench;
    set_up(&bench, OBJECTIVE_MASKED, STIMULI); /* and nothing is masked */
    assert_int_equal(measure_stimuli(NULL, FAKE_CONTEXT, STIMULI), STIMULI);
    measure_stimulus_features(bench.meter, NULL, bench.state, &bench.features);
    for (int i = 0; i < STIMULI; i++) {
        uint16_t token[FAKE_CONTEXT + 1];
        world_reference(NULL, i % FAKE_DOMAINS, i / FAKE_DOMAINS, FAKE_CONTEXT, token);
        assert_rows_are_those_of(&bench, i, token, FAKE_CONTEXT);
    }
    tear_down(&bench);
}

/* Each place of the table holds what a probe on that layer and pooling says, and no other's. */
static void probes_read_the_layer_and_the_pooling_they_are_named_after(void **unused)
{
    (void)unused;
    const struct probe_rows rows = {30, 50, 50};
    struct bench bench;
    int label[130];
    double accuracy[LAYERS][POOLS], seen[LAYERS * POOLS];
    set_up(&bench, OBJECTIVE_CAUSAL, 130);
    struct prober *prober = prober_create(&bench.shape, &rows, 3), *own = prober_create(&bench.shape, &rows, 3);
    measure_probes(prober, bench.meter, NULL, bench.state, 1, &rows, accuracy);
    const struct item_range part[] = {{1, SPLIT_TRAIN, 0, 30}, {1, SPLIT_DEVELOPMENT, 0, 50}, {1, SPLIT_TEST, 0, 50}};
    for (int p = 0, row = 0; p < 3; row += part[p++].items)
        measure_item_features(bench.meter, NULL, bench.state, &part[p], &bench.features, row, label + row);
    int others = 0;
    for (int place = 0; place < LAYERS * POOLS; place++) {
        const float *feature = features_at(&bench.features, place / POOLS, (enum pool_kind)(place % POOLS));
        seen[place] = prober_fit(own, feature, label, &rows, 3, &probe_standard).accuracy;
        assert_true(accuracy[place / POOLS][place % POOLS] == seen[place]);
        for (int before = 0; before < place; before++) others += seen[before] != seen[place];
    }
    assert_true(others > LAYERS * POOLS); /* enough differ that a mix-up would show */
    prober_destroy(&prober);
    prober_destroy(&own);
    tear_down(&bench);
}

/* A state is as similar to itself as can be; one whose second block moved differs from there on and not before. */
static void similarity_changes_where_the_weights_did(void **unused)
{
    (void)unused;
    struct bench bench;
    struct similarity found[LAYERS][POOLS];
    set_up(&bench, OBJECTIVE_CAUSAL, 2);
    struct state *moved = state_copy(bench.state, false);
    struct comparer *comparer = comparer_create(&bench.shape, 40, 3);
    float *values = moved->values + state_tensor(moved, "h.1.mlp.c_fc.weight")->offset;
    test_floats("moved", values, WIDTH * WIDTH * 2, 0.5);
    measure_similarity(comparer, bench.meter, NULL, bench.state, bench.state, 40, found);
    for (int place = 0; place < LAYERS * POOLS; place++) {
        assert_true(fabs(found[place / POOLS][place % POOLS].rsa - 1) < 1e-12);
        assert_true(fabs(found[place / POOLS][place % POOLS].cka - 1) < 1e-12);
    }
    measure_similarity(comparer, bench.meter, NULL, moved, bench.state, 40, found);
    for (int place = 0; place < LAYERS * POOLS; place++) {
        const struct similarity *own = &found[place / POOLS][place % POOLS];
        bool same = place / POOLS < 2;
        assert_true(same ? fabs(own->rsa - 1) < 1e-12 && fabs(own->cka - 1) < 1e-12
                         : own->rsa < 0.999 && own->cka < 0.999 && own->cka > 0);
    }
    comparer_destroy(&comparer);
    state_destroy(&moved);
    tear_down(&bench);
}

/* Means of the plain model's rows, class by class; more items than go in one batch of the comparer. */
static void class_overlap_is_that_of_the_mean_rows_of_the_test_items(void **unused)
{
    (void)unused;
    static const int classes[] = {2, 3}, tasks[] = {0, 1};
    struct bench bench;
    double found[LAYERS], mean[2][3 * WIDTH];
    set_up(&bench, OBJECTIVE_CAUSAL, 2);
    struct comparer *comparer = comparer_create(&bench.shape, 21, 3);
    for (int pool = 0; pool < POOLS; pool++) {
        measure_class_overlap(comparer, bench.meter, NULL, bench.state, tasks, (enum pool_kind)pool, 1000, found);
        for (int layer = 0; layer < LAYERS; layer++) {
            for (int task = 0; task < 2; task++) {
                int count[3] = {0};
                memset(mean[task], 0, sizeof mean[task]);
                for (int i = 0; i < FAKE_ITEMS; i++) {
                    double plain[POOLS][WIDTH];
                    struct item item = world_item(NULL, task, SPLIT_TEST, i);
                    plain_rows(&bench, item.token, item.length, layer, plain);
                    count[item.label]++;
                    for (int c = 0; c < WIDTH; c++) mean[task][item.label * WIDTH + c] += plain[pool][c];
                }
                for (int k = 0; k < classes[task]; k++)
                    for (int c = 0; c < WIDTH; c++) mean[task][k * WIDTH + c] /= count[k];
            }
            double plain = class_overlap(mean[0], classes[0], mean[1], classes[1], WIDTH);
            assert_true(plain > 0 && plain < 1 && fabs(found[layer] - plain) < 1e-4);
        }
    }
    comparer_destroy(&comparer);
    tear_down(&bench);
}

static void measuring_representations_allocates_nothing_and_changes_nothing(void **unused)
{
    (void)unused;
    const struct probe_rows rows = {30, 50, 50};
    struct bench bench;
    double accuracy[LAYERS][POOLS], overlap[LAYERS];
    struct similarity found[LAYERS][POOLS];
    set_up(&bench, OBJECTIVE_CAUSAL, 2);
    struct prober *prober = prober_create(&bench.shape, &rows, 3);
    struct comparer *comparer = comparer_create(&bench.shape, 40, 3);
    struct hash128 hash = state_hash(bench.state);
    uint64_t allocations = memory_count().allocations;
    measure_probes(prober, bench.meter, NULL, bench.state, 0, &rows, accuracy);
    measure_similarity(comparer, bench.meter, NULL, bench.state, bench.state, 40, found);
    measure_class_overlap(comparer, bench.meter, NULL, bench.state, (const int[]){0, 1}, POOL_MEAN, 50, overlap);
    assert_int_equal(memory_count().allocations, allocations);
    assert_true(hash_equal(hash, state_hash(bench.state)));
    prober_destroy(&prober);
    comparer_destroy(&comparer);
    tear_down(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_of_items_are_the_hidden_rows_of_every_layer),
        cmocka_unit_test(stimuli_are_the_windows_of_all_domains_in_turn),
        cmocka_unit_test(probes_read_the_layer_and_the_pooling_they_are_named_after),
        cmocka_unit_test(similarity_changes_where_the_weights_did),
        cmocka_unit_test(class_overlap_is_that_of_the_mean_rows_of_the_test_items),
        cmocka_unit_test(measuring_representations_allocates_nothing_and_changes_nothing),
    };
    size_t blocks = memory_count().blocks;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + (memory_count().blocks != blocks);
}
