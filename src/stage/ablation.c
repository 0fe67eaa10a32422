/* What each layer contributes: read out after it, or put it back; and what the model says before it is taught. */
#include "stage_private.h"

/* ---- prompts ---- */

void job_measure_prompts(struct job *job, double *record)
{
    double *accuracy = job_field(job, record, FIELD_ZERO_SHOT_ACCURACY);
    double *loss = job_field(job, record, FIELD_ZERO_SHOT_LOSS);
    const struct workshop *workshop = job->workshop;
    if (!accuracy) return;
    struct meter *meter = workshop_meter(job->workshop, &job->cell.shape);
    for (int task = 0; task < workshop->facts->tasks; task++) {
        uint16_t label_token[CLASSES_MAX];
        struct readout readout = prompt_readout(workshop->world, task, label_token);
        struct score score =
            measure_task(meter, workshop->world, job->state, task, &readout, (int)job->cell.settings.evaluate.items);
        accuracy[task] = score.accuracy;
        loss[task] = score.loss;
    }
}

/* ---- ablation ---- */

/* Of the task just learnt, after each block.  Where its head was trained to read is known, and stands once more as the
 * last layer, which models of all sizes have. */
static void put_readouts(struct job *job, double *record)
{
    const int layers = job->cell.shape.layers, place = job->milestone->place;
    const struct history *history = &job->state->history;
    uint16_t label_token[CLASSES_MAX];
    double accuracy[LAYERS_MAX + 2], loss[LAYERS_MAX + 2];
    struct readout readout = readout_of(job, place, label_token);
    const int whole = layers - readout.skip;
    struct meter *meter = workshop_meter(job->workshop, &job->cell.shape);
    for (int layer = 0; layer <= layers; layer++) {
        if (layer == whole) continue;
        readout.skip = layers - layer;
        struct score score = measure_task(meter, job->workshop->world, job->state, job->cell.sequence->task[place],
                                          &readout, (int)job->cell.settings.evaluate.items);
        accuracy[layer] = score.accuracy;
        loss[layer] = score.loss;
    }
    accuracy[whole] = accuracy[layers + 1] = history->accuracy[place][place];
    loss[whole] = loss[layers + 1] = history->loss[place][place];
    job_put_layers(job, accuracy, job_field(job, record, FIELD_READOUT_ACCURACY));
    job_put_layers(job, loss, job_field(job, record, FIELD_READOUT_LOSS));
}

/* The ends of the curve are the losses of the two states, which have been measured on the same windows. */
static void put_restored(struct job *job, double *restored)
{
    const int layers = job->cell.shape.layers;
    const struct history *history = &job->state->history;
    struct meter *meter = workshop_meter(job->workshop, &job->cell.shape);
    struct state *scratch = state_copy(job->state, false);
    restored[0] = history->lm_loss[2 + job->milestone->place];
    for (int back = 1; back <= layers; back++)
        restored[back] = measure_restored(meter, job->workshop->world, job->state, job->pretrained, back,
                                          job->cell.settings.evaluate.tokens, scratch);
    restored[layers + 1] = history->lm_loss[1];
    state_destroy(&scratch);
}

void job_measure_ablation(struct job *job, double *record)
{
    double *restored = job_field(job, record, FIELD_RESTORED_LM_LOSS);
    if (!restored) return;
    put_readouts(job, record);
    put_restored(job, restored);
}
