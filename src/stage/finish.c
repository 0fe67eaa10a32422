/* The numbers of a finished stage: the instruments asked, their values put in the places of the record. */
#include <math.h>

#include "stage_private.h"

double *job_field(const struct job *job, double *record, enum field_id id)
{
    int offset = record_offset(job->assignment->groups, job->workshop->sweep->instruments, &job->assignment->extents,
                               job->assignment->place, (int)id);
    return offset < 0 ? NULL : record + offset;
}

void job_put(const struct job *job, double *record, enum field_id id, double value)
{
    double *field = job_field(job, record, id);
    if (field) *field = value;
}

/* ---- language modelling ---- */

double job_language(const struct job *job, double *loss)
{
    double own[2 * DOMAINS_MAX];
    int domains = job->assignment->extents.length[DIMENSION_DOMAIN];
    struct meter *meter = workshop_meter(job->workshop, &job->cell.shape);
    if (!loss) loss = own;
    for (int d = 0; d < domains; d++)
        loss[d] = measure_lm_loss(meter, job->workshop->world, job->state, d, job->cell.settings.evaluate.tokens);
    return mean_of(loss, domains);
}

static void measure_language(struct job *job, double *record)
{
    struct history *history = &job->state->history;
    unsigned groups = job->assignment->groups;
    double average = job_language(job, job_field(job, record, FIELD_LM_LOSS));
    if (groups & 1u << GROUP_INITIAL) history->lm_loss[0] = average;
    if (groups & 1u << GROUP_PRETRAINED) history->lm_loss[1] = average;
    if (job->milestone->place >= 0) history->lm_loss[2 + job->milestone->place] = average;
    history->lm_losses = groups & 1u << GROUP_PRETRAINED ? 2 : 3 + job->milestone->place;
    if (groups == 1u << GROUP_INITIAL) history->lm_losses = 1;
}

static void put_retention(struct job *job, double *record)
{
    const struct history *history = &job->state->history;
    double after = history->lm_loss[2 + job->milestone->place];
    job_put(job, record, FIELD_LM_RISE, after - history->lm_loss[1]);
    job_put(job, record, FIELD_LM_PROGRESS_LOST, lm_progress_lost(history->lm_loss[0], history->lm_loss[1], after));
}

/* ---- tasks ---- */

struct score job_score(const struct job *job, int place)
{
    uint16_t label_token[CLASSES_MAX];
    struct readout readout = readout_of(job, place, label_token);
    return measure_task(workshop_meter(job->workshop, &job->cell.shape), job->workshop->world, job->state,
                        job->cell.sequence->task[place], &readout, (int)job->cell.settings.evaluate.items);
}

static void measure_place(struct job *job, double *record, int place)
{
    const struct world_facts *facts = job->workshop->facts;
    int task = job->cell.sequence->task[place], after = job->milestone->place;
    struct score score = job_score(job, place);
    struct history *history = &job->state->history;
    history->accuracy[after][place] = score.accuracy;
    history->loss[after][place] = score.loss;
    history->chance[place] = 1.0 / facts->task[task].classes;
    history->items[place] = score.items;
    double *accuracy = job_field(job, record, FIELD_ACCURACY), *loss = job_field(job, record, FIELD_LOSS);
    double *log_odds = job_field(job, record, FIELD_LOG_ODDS);
    accuracy[place] = score.accuracy;
    loss[place] = score.loss;
    log_odds[place] = score.log_odds;
    if (place == after)
        job_put(job, record, FIELD_FAILED_RUN, score_failed(score.accuracy, score.items, facts->task[task].majority));
}

static void put_forgetting(struct job *job, double *record)
{
    struct forgetting forgetting = forgetting_of(&job->state->history, job->milestone->place + 1);
    job_put(job, record, FIELD_FORGETTING, forgetting.normalised);
    job_put(job, record, FIELD_FORGETTING_DROP, forgetting.drop);
    job_put(job, record, FIELD_FORGETTING_LOSS_RISE, forgetting.loss_rise);
    job_put(job, record, FIELD_FORGETTING_MAXIMUM, forgetting.maximum);
    job_put(job, record, FIELD_FORGETTING_RELATIVE, forgetting.relative);
    job_put(job, record, FIELD_BACKWARD_TRANSFER, forgetting.backward_transfer);
}

/* ---- training itself ---- */

int job_layer(const struct job *job, int layer)
{
    bool final = layer == job->cell.shape.layers + 1;
    return final ? job->assignment->extents.length[DIMENSION_LAYER] - 1 : layer;
}

/* Embedding, blocks from the bottom, final always last. */
void job_put_layers(const struct job *job, const double *own, double *field)
{
    for (int l = 0; l < job->cell.shape.layers + 2; l++) field[job_layer(job, l)] = own[l];
}

static void put_displacement(struct job *job, double *record)
{
    double own[LAYERS_MAX + 2], *field = job_field(job, record, FIELD_DISPLACEMENT);
    if (!field) return;
    measure_displacement(job->state, job->pretrained, own);
    job_put_layers(job, own, field);
}

static void put_trace(struct job *job, double *record)
{
    const struct trace *trace = &job->state->trace;
    double own[LAYERS_MAX + 2], *norms = job_field(job, record, FIELD_GRADIENT_NORM);
    double *curve = job_field(job, record, FIELD_CURVE_LOSS);
    if (trace->steps == 0) return;
    for (int l = 0; l < job->cell.shape.layers + 2; l++) own[l] = trace->norm_sum[l] / (double)trace->steps;
    if (norms) job_put_layers(job, own, norms);
    for (int p = 0; curve && p < job->assignment->extents.length[DIMENSION_POINT]; p++)
        if (trace->loss_count[p] > 0) curve[p] = trace->loss_sum[p] / (double)trace->loss_count[p];
}

void job_measure(struct job *job, double *record)
{
    if (job->assignment->groups == 0) return; /* a cut in a trunk is nobody's amount */
    if (job->milestone->kind == STAGE_BRANCH) {
        job_measure_branch(job, record);
        return;
    }
    measure_language(job, record);
    put_trace(job, record);
    job_measure_prompts(job, record);
    job_measure_mediators(job, record);
    job_measure_layers(job, record);
    if (job->milestone->place < 0) return;
    for (int place = 0; place <= job->milestone->place; place++) measure_place(job, record, place);
    put_retention(job, record);
    put_displacement(job, record);
    job_measure_ablation(job, record);
    job_measure_items(job, record);
    if (job->assignment->groups & 1u << GROUP_OUTCOME) put_forgetting(job, record);
    put_first_learning(job, record);
    put_frontier(job, record);
}
