/* All tasks of a sequence learnt together: a batch of each in turn, by the recipe of the first place, for the steps of
 * all places. */
#include "stage_private.h"

int make_joint(struct job *job, train_pause_f *pause, void *context, struct error *err)
{
    int parts = job->cell.sequence->length;
    struct learning learning[PLACES_MAX];
    for (int p = 0; p < parts; p++)
        learning[p] =
            (struct learning){.at = p, .place = p, .recipe = branch_recipe(BRANCH_JOINT, &job->cell.settings, parts)};
    job_begin(job, learning, parts);
    return job_train(job, learning, parts, pause, context, err);
}

/* Scores of all tasks stand in the history, for the stage that compares them. */
void measure_joint(struct job *job, double *record)
{
    int last = job->cell.sequence->length - 1;
    struct history *history = &job->state->history;
    for (int p = 0; p <= last; p++) {
        struct score score = job_score(job, p);
        history->accuracy[0][p] = score.accuracy;
        history->loss[0][p] = score.loss;
    }
    job_put(job, record, FIELD_JOINT_ACCURACY_FIRST, history->accuracy[0][0]);
    job_put(job, record, FIELD_JOINT_ACCURACY_LAST, history->accuracy[0][last]);
    job_put(job, record, FIELD_JOINT_LOSS_FIRST, history->loss[0][0]);
    job_put(job, record, FIELD_JOINT_LOSS_LAST, history->loss[0][last]);
}
