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
    job->state->trace = (struct trace){0};
    return 0;
}

int job_make_branch(struct job *job, train_pause_f *pause, void *context, struct error *err)
{
    if (job->milestone->stop_step == 0) return make_join(job);
    switch ((enum branch)job->milestone->branch) {
    case BRANCH_ALONE: return make_alone(job, pause, context, err);
    case BRANCH_JOINT: return make_joint(job, pause, context, err);
    case BRANCH_RELABELLED:
    case BRANCH_ELSEWHERE:
    case BRANCH_NOISE_LABELS:
    case BRANCH_MORE_PRETRAINING:
    case BRANCH_RATE_ZERO: return make_control(job, pause, context, err);
    case BRANCH_PREQUENTIAL_FIRST:
    case BRANCH_PREQUENTIAL_LAST: return make_prequential(job, pause, context, err);
    case BRANCH_AFTER_FIRST:
    case BRANCH_AFTER_LAST:
    case BRANCH_RELEARNT:
    case BRANCH_RELEARNT_HEAD: return job_recover(job, pause, context, err);
    case BRANCH_TRANSFER:
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

/* Needs: the last task alone, and all tasks together. */
static void measure_transfer(struct job *job, double *record)
{
    int place = last_place(job);
    const double *after = job->parent->history.accuracy[place], *joint = job->needs[1]->history.accuracy[0];
    double alone = job->needs[0]->history.accuracy[0][0], gap = 0;
    for (int p = 0; p < place; p++) gap += joint[p] - after[p];
    job_put(job, record, FIELD_TRANSFER, after[place] - alone);
    job_put(job, record, FIELD_INTRANSIGENCE, joint[place] - after[place]);
    job_put(job, record, FIELD_JOINT_GAP, gap / place);
}

void job_measure_branch(struct job *job, double *record)
{
    switch ((enum branch)job->milestone->branch) {
    case BRANCH_ALONE: measure_alone(job, record); return;
    case BRANCH_TRANSFER: measure_transfer(job, record); return;
    case BRANCH_JOINT: measure_joint(job, record); return;
    case BRANCH_RELABELLED:
    case BRANCH_ELSEWHERE:
    case BRANCH_NOISE_LABELS:
    case BRANCH_MORE_PRETRAINING:
    case BRANCH_RATE_ZERO: measure_control(job, record); return;
    case BRANCH_PREQUENTIAL_FIRST:
    case BRANCH_PREQUENTIAL_LAST: measure_prequential(job, record); return;
    case BRANCH_AFTER_FIRST:
    case BRANCH_AFTER_LAST:
    case BRANCH_RELEARNT:
    case BRANCH_RELEARNT_HEAD: job_measure_recovery(job, record); return;
    case BRANCHES: break;
    }
}
