/* Branches: what an instrument makes of a state on a cell's path, and the numbers it reads off what came out. */
#include "stage_private.h"

static int last_place(const struct job *job) { return job->cell.sequence->length - 1; }

static int make_alone(struct job *job, train_pause_f *pause, void *context, struct error *err)
{
    struct learning learning = {.at = last_place(job), .place = 1, .recipe = job->cell.settings.second};
    return job_learn(job, &learning, pause, context, err);
}

/* Nothing is trained: the numbers of several states are brought together. */
static int make_join(struct job *job)
{
    job->state = state_copy(job->parent, false);
    job->state->step = 0;
    return 0;
}

int job_make_branch(struct job *job, train_pause_f *pause, void *context, struct error *err)
{
    switch ((enum branch)job->milestone->branch) {
    case BRANCH_ALONE: return make_alone(job, pause, context, err);
    case BRANCH_TRANSFER: return make_join(job);
    case BRANCHES: break;
    }
    CHECK(false, "branch %d", job->milestone->branch);
    return -1;
}

/* Its score stands in the history, for the stage that compares it. */
static void measure_alone(struct job *job, double *record)
{
    struct score score = job_score(job, last_place(job));
    job->state->history.accuracy[0][0] = score.accuracy;
    job_put(job, record, FIELD_ALONE_ACCURACY, score.accuracy);
    job_put(job, record, FIELD_ALONE_LOSS, score.loss);
}

static void measure_transfer(struct job *job, double *record)
{
    int place = last_place(job);
    double after = job->parent->history.accuracy[place][place], alone = job->needs[0]->history.accuracy[0][0];
    job_put(job, record, FIELD_TRANSFER, after - alone);
}

void job_measure_branch(struct job *job, double *record)
{
    switch ((enum branch)job->milestone->branch) {
    case BRANCH_ALONE: measure_alone(job, record); return;
    case BRANCH_TRANSFER: measure_transfer(job, record); return;
    case BRANCHES: break;
    }
}
