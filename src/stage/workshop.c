/* What a worker keeps between stages, so that a stage of the same shape starts without allocating anything. */
#include <stdio.h>

#include "stage_private.h"

struct workshop *workshop_create(const struct sweep *sweep, const struct world *world, const struct numerics *numerics)
{
    struct workshop *workshop = memory_allocate(sizeof *workshop);
    workshop->sweep = sweep;
    workshop->world = world;
    workshop->facts = world_facts(world);
    workshop->numerics = *numerics;
    return workshop;
}

void workshop_destroy(struct workshop **workshop)
{
    if (!*workshop) return;
    trainer_destroy(&(*workshop)->trainer);
    meter_destroy(&(*workshop)->meter);
    prober_destroy(&(*workshop)->prober);
    comparer_destroy(&(*workshop)->comparer);
    memory_free(*workshop);
    *workshop = NULL;
}

static void take_shape(struct workshop *workshop, const struct model_shape *shape)
{
    if (shape_equal(&workshop->shape, shape)) return;
    trainer_destroy(&workshop->trainer);
    meter_destroy(&workshop->meter);
    prober_destroy(&workshop->prober);
    comparer_destroy(&workshop->comparer);
    workshop->shape = *shape;
}

struct trainer *workshop_trainer(struct workshop *workshop, const struct cell *cell)
{
    int tokens, sequences;
    shape_training_batch(&cell->shape, &cell->settings, &tokens, &sequences);
    take_shape(workshop, &cell->shape);
    if (workshop->trainer && (tokens > workshop->most_tokens || sequences > workshop->most_sequences))
        trainer_destroy(&workshop->trainer);
    if (!workshop->trainer) {
        workshop->trainer = trainer_create(&cell->shape, tokens, sequences);
        workshop->most_tokens = tokens;
        workshop->most_sequences = sequences;
    }
    return workshop->trainer;
}

struct meter *workshop_meter(struct workshop *workshop, const struct model_shape *shape)
{
    take_shape(workshop, shape);
    if (!workshop->meter) workshop->meter = meter_create(shape);
    return workshop->meter;
}

struct prober *workshop_prober(struct workshop *workshop, const struct cell *cell)
{
    int classes;
    struct probe_rows rows = probe_rows_most(&cell->settings, workshop->facts, &classes);
    take_shape(workshop, &cell->shape);
    if (!workshop->prober) workshop->prober = prober_create(&cell->shape, &rows, classes);
    return workshop->prober;
}

struct comparer *workshop_comparer(struct workshop *workshop, const struct cell *cell)
{
    int classes;
    probe_rows_most(&cell->settings, workshop->facts, &classes);
    take_shape(workshop, &cell->shape);
    if (!workshop->comparer)
        workshop->comparer = comparer_create(&cell->shape, (int)cell->settings.similarity.stimuli, classes);
    return workshop->comparer;
}

struct reading reading_of(const struct workshop *workshop, const struct cell *cell)
{
    struct reading reading = {.domains = cell->variety, .seed = cell->seed, .context = cell->shape.context};
    CHECK(cell->variety <= (int)(sizeof reading.domain / sizeof *reading.domain), "variety %d", cell->variety);
    reading_domains(&workshop->sweep->world, workshop->facts, cell->seed, cell->variety, reading.domain);
    reading.unique_samples = (uint64_t)(cell->settings.pretrain.unique / cell->shape.context);
    return reading;
}

void workshop_floors(const struct workshop *workshop, int64_t number, double *floor)
{
    struct cell cell;
    cell_resolve(workshop->sweep, workshop->facts, number, &cell);
    struct reading reading = reading_of(workshop, &cell);
    for (int d = 0; d < workshop->facts->domains + workshop->facts->task_domains; d++) {
        int windows = world_reference_windows(workshop->world, d, reading.context, cell.settings.evaluate.tokens);
        floor[d] = world_floor(workshop->world, &reading, d, windows);
    }
}

void workshop_distances(const struct workshop *workshop, int64_t number, double *distance)
{
    struct cell cell;
    cell_resolve(workshop->sweep, workshop->facts, number, &cell);
    struct reading reading = reading_of(workshop, &cell);
    world_distances(workshop->world, &reading, cell.settings.evaluate.tokens, distance);
}

double workshop_task_similarity(const struct workshop *workshop, int64_t number)
{
    struct cell cell;
    cell_resolve(workshop->sweep, workshop->facts, number, &cell);
    return world_task_similarity(workshop->world, cell.sequence->task[0], cell.sequence->task[cell.sequence->length - 1]);
}

struct numerics stage_numerics_of(const char *arithmetic)
{
    struct numerics numerics = {.version = 2}; /* raised whenever the same class gives other bits */
    snprintf(numerics.class_name, sizeof numerics.class_name, "%s/threads-1/shards-1", arithmetic);
    return numerics;
}

struct numerics stage_numerics(void)
{
    char arithmetic[64];
    model_numerics(arithmetic, sizeof arithmetic);
    return stage_numerics_of(arithmetic);
}
