/* Controls: what takes the place of the second task, by its recipe, and what is left of the first one after it.  A
 * control that is a task of its own gets what a second task would: a new head where every task has one, and orders of
 * items by the second place. */
#include <math.h>

#include "stage_private.h"

/* Names of heads that no task can have. */
#define HEAD_OF(control) "control:" control

/* Warm-up over the share of the steps that the second recipe has, then pretraining's own way down to 0, from zero
 * moments; the stream is read on from where the cell's pretraining stopped. */
static int make_more_pretraining(struct job *job, train_pause_f *pause, void *context, struct error *err)
{
    struct pretraining pretraining = job_pretraining(job);
    int64_t steps = job->milestone->stop_step;
    int64_t warmup = llround(job->cell.settings.second.warmup * (double)steps);
    pretraining.steps_before = job->cell.steps.trunk + job->cell.steps.cooldown;
    pretraining.steps.warmup = pretraining.steps.trunk = warmup;
    pretraining.steps.cooldown = steps - warmup;
    pretraining.cooling = true;
    struct state *start = state_copy(job->parent, false);
    start->step = 0;
    int status = job_pretrain(job, start, &pretraining, pause, context, err);
    state_destroy(&start);
    return status;
}

int make_control(struct job *job, train_pause_f *pause, void *context, struct error *err)
{
    enum branch branch = (enum branch)job->milestone->branch;
    struct learning learning = {.place = 1,
                                .recipe = branch_recipe(branch, &job->cell.settings, job->cell.sequence->length)};
    if (branch == BRANCH_MORE_PRETRAINING) return make_more_pretraining(job, pause, context, err);
    if (branch == BRANCH_RATE_ZERO) {
        learning.at = 1;
    } else if (branch == BRANCH_RELABELLED) {
        learning.head = HEAD_OF("relabelled");
        learning.labels = LABELS_ROTATED;
    } else if (branch == BRANCH_NOISE_LABELS) {
        learning.head = HEAD_OF("noise_labels");
        learning.labels = LABELS_NOISE;
    } else {
        CHECK(branch == BRANCH_ELSEWHERE, "branch %d is no control", (int)branch);
        learning.head = HEAD_OF("elsewhere");
        learning.split = SPLIT_ELSEWHERE;
    }
    return job_learn(job, &learning, pause, context, err);
}

void measure_control(struct job *job, double *record)
{
    const struct history *before = &job->parent->history;
    struct score score = job_score(job, 0);
    double then = before->accuracy[0][0], chance = before->chance[0];
    job_put(job, record, FIELD_CONTROL_ACCURACY, score.accuracy);
    job_put(job, record, FIELD_CONTROL_LOSS, score.loss);
    if (task_learnt(then, chance, before->items[0]))
        job_put(job, record, FIELD_CONTROL_FORGETTING, (then - score.accuracy) / (then - chance));
    job_put(job, record, FIELD_CONTROL_LM_RISE, job_language(job, NULL) - before->lm_loss[1]);
}
