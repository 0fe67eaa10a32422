/* Looks at a training on its way.  They are taken before the step that they stand for, in the question whether to pause
 * there, so that the training knows nothing of them; what is seen stands in the trace of the state, and so survives a
 * pause.  The last look, after the last step, is the measurement that the state gets anyway. */
#include "stage_private.h"

/* The last place that the parent has been through; -1: none. */
static int place_before(const struct job *job)
{
    return job->milestone->kind == STAGE_FINETUNE ? job->milestone->place - 1 : job->milestone->place;
}

/* Before the first step the weights are those of the parent, whose scores are known: only a task that is new is not. */
static void look_at_task(struct job *job, int place, int64_t look)
{
    struct looks *looks = &job->state->trace.looks;
    const struct history *history = &job->state->history;
    int before = place_before(job);
    if (look == 0 && place <= before) {
        looks->accuracy[place][0] = history->accuracy[before][place];
        looks->loss[place][0] = history->loss[before][place];
        return;
    }
    struct score score = job_score(job, place);
    looks->accuracy[place][look] = score.accuracy;
    looks->loss[place][look] = score.loss;
}

static void take_look(struct job *job)
{
    struct looks *looks = &job->state->trace.looks;
    const struct looks_wanted *wanted = &job->assignment->looks;
    int64_t look = looks->count++;
    looks->of = wanted->id;
    for (int place = 0; place < wanted->tasks; place++) look_at_task(job, place, look);
    if (!wanted->language) return;
    looks->lm_loss[look] = look > 0 ? job_language(job, NULL) : job->state->history.lm_loss[2 + place_before(job)];
}

static bool looks_at_all(const struct job *job)
{
    return job->assignment->looks.tasks > 0 || job->assignment->looks.language;
}

static bool is_due(const struct job *job, int64_t step)
{
    int looks = (int)job->cell.settings.evaluate.looks;
    int64_t taken = job->state->trace.looks.count;
    return taken < looks && step == look_step(job->milestone->stop_step, looks, (int)taken);
}

bool looks_or_pauses(void *context, int64_t step)
{
    struct looking *looking = context;
    struct job *job = looking->job;
    if (looking->pause && looking->pause(looking->context, step)) return true; /* it is looked at when that goes on */
    if (!looks_at_all(job) || !is_due(job, step)) return false;
    double started = clock_seconds();
    take_look(job);
    job->looking_seconds += clock_seconds() - started;
    return false;
}

/* ---- what was seen ---- */

static int looks_of(const struct job *job) { return (int)job->cell.settings.evaluate.looks; }

int job_look_steps(const struct job *job, double *steps)
{
    int count = looks_of(job) + 1;
    for (int k = 0; k < count; k++) steps[k] = (double)look_step(job->milestone->stop_step, count - 1, k);
    return count;
}

int job_curve(const struct job *job, const double *seen, double last, double *curve)
{
    const struct looks *looks = &job->state->trace.looks;
    double steps[LOOKS_MAX + 1];
    int count = job_look_steps(job, steps), taken = 0;
    while (steps[taken] < (double)job->milestone->stop_step) taken++;
    CHECK(looks->count == taken && hash_equal(looks->of, job->assignment->looks.id), "%lld looks taken, not %d",
          (long long)looks->count, taken);
    for (int k = 0; k < count; k++) curve[k] = k < taken ? seen[k] : last;
    return count;
}
