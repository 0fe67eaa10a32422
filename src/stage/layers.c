/* What instruments read off the hidden rows, layer by layer: probes, similarity to the pretrained state, class overlap.
 */
#include "stage_private.h"

/* Value of each layer of this model along the last dimension of a field, `apart` values from layer to layer. */
static double *layer_of(const struct job *job, double *field, int layer, int apart)
{
    return field + job_layer(job, layer) * apart;
}

/* ---- probes ---- */

static void put_probes_of(struct job *job, struct prober *prober, int task, double *const *field)
{
    const struct workshop *workshop = job->workshop;
    const struct probe_rows rows = probe_rows_of(&job->cell.settings, &workshop->facts->task[task]);
    double accuracy[LAYERS_MAX + 2][POOLS];
    measure_probes(prober, workshop->meter, workshop->world, job->state, task, &rows, accuracy);
    for (int layer = 0; layer < job->cell.shape.layers + 2; layer++)
        for (int pool = 0; pool < POOLS; pool++)
            layer_of(job, field[pool], layer, workshop->facts->tasks)[task] = accuracy[layer][pool];
}

static void put_probes(struct job *job, double *record)
{
    double *const field[POOLS] = {[POOL_LAST] = job_field(job, record, FIELD_PROBE_ACCURACY_LAST),
                                  [POOL_MEAN] = job_field(job, record, FIELD_PROBE_ACCURACY_MEAN)};
    if (!field[0]) return;
    workshop_meter(job->workshop, &job->cell.shape);
    struct prober *prober = workshop_prober(job->workshop, &job->cell);
    for (int task = 0; task < job->workshop->facts->tasks; task++) put_probes_of(job, prober, task, field);
}

/* ---- similarity ---- */

static void put_similarity(struct job *job, double *record)
{
    double *const rsa[POOLS] = {
        [POOL_LAST] = job_field(job, record, FIELD_RSA_LAST), [POOL_MEAN] = job_field(job, record, FIELD_RSA_MEAN)};
    double *const cka[POOLS] = {
        [POOL_LAST] = job_field(job, record, FIELD_CKA_LAST), [POOL_MEAN] = job_field(job, record, FIELD_CKA_MEAN)};
    const struct model_shape *shape = &job->cell.shape;
    struct workshop *workshop = job->workshop;
    struct similarity found[LAYERS_MAX + 2][POOLS];
    if (!rsa[0]) return;
    struct meter *meter = workshop_meter(workshop, shape);
    int stimuli = measure_stimuli(workshop->world, shape->context, (int)job->cell.settings.similarity.stimuli);
    if (stimuli < 2) return; /* one window in the whole world: nothing to compare */
    measure_similarity(workshop_comparer(workshop, &job->cell), meter, workshop->world, job->state, job->pretrained,
                       stimuli, found);
    for (int layer = 0; layer < shape->layers + 2; layer++)
        for (int pool = 0; pool < POOLS; pool++) {
            *layer_of(job, rsa[pool], layer, 1) = found[layer][pool].rsa;
            *layer_of(job, cka[pool], layer, 1) = found[layer][pool].cka;
        }
}

/* Of the last task with each before it, in one state: the mean. */
static void put_overlap(struct job *job, double *record, const struct state *state, enum field_id id)
{
    const struct settings *settings = &job->cell.settings;
    const int last = job->milestone->place, layers = job->cell.shape.layers + 2;
    struct workshop *workshop = job->workshop;
    enum pool_kind pool = settings->head == HEAD_LM ? POOL_LAST : (enum pool_kind)settings->pool;
    double *field = job_field(job, record, id), own[LAYERS_MAX + 2], sum[LAYERS_MAX + 2] = {0};
    if (!field) return;
    struct meter *meter = workshop_meter(workshop, &job->cell.shape);
    for (int place = 0; place < last; place++) {
        const int task[] = {job->cell.sequence->task[place], job->cell.sequence->task[last]};
        measure_class_overlap(workshop_comparer(workshop, &job->cell), meter, workshop->world, state, task, pool,
                              (int)settings->evaluate.items, own);
        for (int layer = 0; layer < layers; layer++) sum[layer] += own[layer];
    }
    for (int layer = 0; layer < layers; layer++) *layer_of(job, field, layer, 1) = sum[layer] / last;
}

void job_measure_layers(struct job *job, double *record)
{
    put_probes(job, record);
    put_similarity(job, record);
    put_overlap(job, record, job->pretrained, FIELD_CLASS_OVERLAP_PRETRAINED);
    put_overlap(job, record, job->parent, FIELD_CLASS_OVERLAP_BEFORE);
    put_overlap(job, record, job->state, FIELD_CLASS_OVERLAP_AFTER);
}
