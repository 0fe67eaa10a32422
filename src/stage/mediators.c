/* What may carry forgetting: flatness under noise, gradients that agree or conflict, single items lost. */
#include "stage_private.h"

/* ---- weights under noise ---- */

static void put_noise(struct job *job, double *record)
{
    const int place = job->milestone->place;
    const struct settings *settings = &job->cell.settings;
    uint16_t label_token[CLASSES_MAX];
    struct readout readout;
    struct noise noise = {
        .seed = job->cell.seed, .draws = (int)settings->mediators.draws, .tokens = settings->evaluate.tokens};
    struct noise_losses losses;
    if (place >= 0) {
        readout = readout_of(job, place, label_token);
        noise.readout = &readout;
        noise.task = job->cell.sequence->task[place];
        noise.items = (int)settings->evaluate.items;
    }
    struct state *scratch = state_copy(job->state, false);
    measure_noise(workshop_meter(job->workshop, &job->cell.shape), job->workshop->world, job->state, &noise, scratch,
                  &losses);
    state_destroy(&scratch);
    const struct {
        enum field_id id;
        const double *values;
    } fields[] = {{FIELD_NOISE_LM_LOSS, losses.lm_loss},
                  {FIELD_NOISE_LOSS, losses.loss},
                  {FIELD_NOISE_ACCURACY, losses.accuracy}};
    for (int f = 0; f < 3; f++) {
        double *field = job_field(job, record, fields[f].id);
        for (int scale = 0; field && scale < NOISE_SCALES; scale++) field[scale] = fields[f].values[scale];
    }
}

/* ---- gradients of this task and of an earlier one ---- */

/* At `state`, for each earlier place; as many items at once as a step of fine-tuning takes, for which there is room. */
static void put_cosines(struct job *job, double *record, const struct state *state, enum field_id whole_id,
                        enum field_id layer_id)
{
    const struct settings *settings = &job->cell.settings;
    double *whole = job_field(job, record, whole_id), *layer = job_field(job, record, layer_id);
    int place = job->milestone->place, width = job->assignment->extents.length[DIMENSION_LAYER];
    struct gradient_pair pair = {
        .seed = job->cell.seed, .items = (int)settings->mediators.items, .batch = (int)settings->first.batch};
    float *gradients = memory_array(2 * state->floats, sizeof *gradients);
    for (int earlier = 0; earlier < place; earlier++) {
        struct cosines cosines;
        pair.task[0] = job->cell.sequence->task[earlier];
        pair.task[1] = job->cell.sequence->task[place];
        measure_gradient_cosines(workshop_trainer(job->workshop, &job->cell), job->workshop->world, state, &pair,
                                 gradients, &cosines);
        whole[earlier] = cosines.whole;
        job_put_layers(job, cosines.layer, layer + (size_t)earlier * (size_t)width);
    }
    memory_free(gradients);
}

void job_measure_mediators(struct job *job, double *record)
{
    if (!job_field(job, record, FIELD_NOISE_LM_LOSS)) return;
    put_noise(job, record);
    if (job->milestone->place < 1) return;
    put_cosines(job, record, job->pretrained, FIELD_GRADIENT_COSINE_PRETRAINED, FIELD_LAYER_COSINE_PRETRAINED);
    put_cosines(job, record, job->parent, FIELD_GRADIENT_COSINE_START, FIELD_LAYER_COSINE_START);
}

/* ---- items of earlier tasks ---- */

/* Heads stand in the same places in the parent, which has all but the one of this place. */
static struct transitions transitions_at(struct job *job, int place, uint8_t *before, uint8_t *after)
{
    const struct workshop *workshop = job->workshop;
    int task = job->cell.sequence->task[place], items = (int)job->cell.settings.evaluate.items;
    uint16_t label_token[CLASSES_MAX];
    struct readout readout = readout_of(job, place, label_token);
    struct meter *meter = workshop_meter(job->workshop, &job->cell.shape);
    measure_items(meter, workshop->world, job->parent, task, &readout, items, before);
    struct score score = measure_items(meter, workshop->world, job->state, task, &readout, items, after);
    return transitions_of(before, after, score.items, workshop->facts->task[task].classes);
}

static void put_transitions(struct job *job, double *record, int place)
{
    size_t items = (size_t)job->state->history.items[place];
    uint8_t *before = memory_array(items, 1), *after = memory_array(items, 1);
    struct transitions found = transitions_at(job, place, before, after);
    job_field(job, record, FIELD_LOST_ITEMS)[place] = found.lost;
    job_field(job, record, FIELD_GAINED_ITEMS)[place] = found.gained;
    job_field(job, record, FIELD_LOST_ITEMS_ABOVE_CHANCE)[place] = found.lost_above_chance;
    job_field(job, record, FIELD_GAINED_ITEMS_ABOVE_CHANCE)[place] = found.gained_above_chance;
    memory_free(before);
    memory_free(after);
}

void job_measure_items(struct job *job, double *record)
{
    if (!job_field(job, record, FIELD_LOST_ITEMS)) return;
    for (int place = 0; place < job->milestone->place; place++) put_transitions(job, record, place);
}
