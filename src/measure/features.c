/* Hidden rows of a frozen state, pooled, for items and for reference windows. */
#include <string.h>

#include "measure_private.h"

float *features_at(const struct features *features, int layer, enum pool_kind pool)
{
    size_t block = (size_t)layer * POOLS + (size_t)pool;
    return features->values + block * (size_t)features->rows * (size_t)features->width;
}

/* Passes the batch and puts its rows into place at every layer; returns the row after them. */
static int take_batch(struct meter *meter, const struct state *state, const struct features *features, int row)
{
    struct batch batch = meter_batch(meter, false);
    model_forward(meter->model, state, &batch);
    for (int layer = 0; layer < features->layers; layer++)
        for (int pool = 0; pool < POOLS; pool++) {
            float *rows = features_at(features, layer, (enum pool_kind)pool);
            model_pooled(meter->model, &batch, layer, (enum pool_kind)pool,
                         rows + (size_t)row * (size_t)features->width);
        }
    meter->sequences = 0;
    return row + batch.sequences;
}

static void check_features(const struct meter *meter, const struct features *features)
{
    CHECK(features->layers == meter->shape.layers + 2 && features->width == meter->shape.width,
          "features of %d layers, width %d, for a model of %d blocks, width %d", features->layers, features->width,
          meter->shape.layers, meter->shape.width);
}

void measure_item_features(struct meter *meter, const struct world *world, const struct state *state,
                           const struct item_range *range, const struct features *features, int row, int *label)
{
    const struct readout plain = {.kind = HEAD_PER_TASK};
    struct task_items read = task_items_of(world, range->task, range->split, &meter->shape, &plain);
    check_features(meter, features);
    CHECK(row >= 0 && range->items <= features->rows - row, "%d items from row %d of %d", range->items, row,
          features->rows);
    meter->sequences = 0;
    for (int i = 0; i < range->items; i++) {
        int from = meter->start[meter->sequences];
        int length = task_items_read(&read, range->first + i, meter->token + from, &label[i]);
        meter->start[++meter->sequences] = from + length;
        if (meter_full(meter) || i + 1 == range->items) row = take_batch(meter, state, features, row);
    }
}

/* ---- stimuli ---- */

struct stimuli { /* where in the round of the domains the next stimulus is */
    const struct world *world;
    int context, wanted, domains;
    int domain, window;
    bool found; /* one in this round */
};

static struct stimuli stimuli_of(const struct world *world, int context, int wanted)
{
    const struct world_facts *facts = world_facts(world);
    return (struct stimuli){
        .world = world, .context = context, .wanted = wanted, .domains = facts->domains + facts->task_domains};
}

/* The next window that there is; false when no domain has one more. */
static bool next_stimulus(struct stimuli *at, int *domain, int *window)
{
    int64_t tokens = (int64_t)at->wanted * at->context;
    for (;; at->domain++) {
        if (at->domain == at->domains) {
            if (!at->found) return false;
            at->domain = 0;
            at->window++;
            at->found = false;
        }
        if (at->window < world_reference_windows(at->world, at->domain, at->context, tokens)) break;
    }
    at->found = true;
    *domain = at->domain++;
    *window = at->window;
    return true;
}

int measure_stimuli(const struct world *world, int context, int wanted)
{
    struct stimuli at = stimuli_of(world, context, wanted);
    int domain, window, count = 0;
    while (count < wanted && next_stimulus(&at, &domain, &window)) count++;
    return count;
}

void measure_stimulus_features(struct meter *meter, const struct world *world, const struct state *state,
                               const struct features *features)
{
    const int context = meter->shape.context;
    struct stimuli at = stimuli_of(world, context, features->rows);
    int domain, window, row = 0;
    check_features(meter, features);
    meter->sequences = 0;
    for (int i = 0; i < features->rows; i++) {
        int from = meter->start[meter->sequences];
        CHECK(next_stimulus(&at, &domain, &window), "only %d of %d stimuli", i, features->rows);
        world_reference(world, domain, window, context, meter->window);
        memcpy(meter->token + from, meter->window, (size_t)context * sizeof *meter->token);
        meter->start[++meter->sequences] = from + context;
        if (meter_full(meter) || i + 1 == features->rows) row = take_batch(meter, state, features, row);
    }
}
