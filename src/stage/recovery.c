/* Recovery: how soon what was lost is there again.  Pretraining continued from a damaged state (on data that the cell
 * has not read, with zero moments, re-warmed to a constant rate), and the first task learnt once more by the recipe of
 * the first time, all of it or its head alone. */
#include <math.h>

#include "stage_private.h"

static bool reads_on(const struct job *job) { return branch_recovers_reading((enum branch)job->milestone->branch); }

static int read_on(struct job *job, train_pause_f *pause, void *context, struct error *err)
{
    const struct settings *settings = &job->cell.settings;
    struct pretraining pretraining = job_pretraining(job);
    pretraining.optimizer = recovery_optimizer_of(settings);
    pretraining.steps = recovery_schedule_of(settings, &job->cell.shape);
    pretraining.steps_before = job->cell.steps.trunk + job->cell.steps.cooldown;
    struct state *start = state_copy(job->parent, false);
    start->step = 0;
    int status = job_pretrain(job, start, &pretraining, pause, context, err);
    state_destroy(&start);
    return status;
}

/* The items come in orders of their own: those of the first time are not replayed. */
static int relearn(struct job *job, train_pause_f *pause, void *context, struct error *err)
{
    struct learning learning = {.at = 0, .place = job->cell.sequence->length, .recipe = job->cell.settings.first};
    if (job->milestone->branch == BRANCH_RELEARNT_HEAD) learning.recipe.freeze = job->cell.shape.layers + 1;
    return job_learn(job, &learning, pause, context, err);
}

int job_recover(struct job *job, train_pause_f *pause, void *context, struct error *err)
{
    return reads_on(job) ? read_on(job, pause, context, err) : relearn(job, pause, context, err);
}

/* ---- the numbers ---- */

static void put_values(const struct job *job, double *record, enum field_id id, const double *values, int count)
{
    double *field = job_field(job, record, id);
    for (int k = 0; k < count; k++) field[k] = values[k];
}

/* Returns the steps; what never was reached was not within all steps there are. */
static double put_reach(const struct job *job, double *record, struct reach reach)
{
    double steps[LOOKS_MAX + 1];
    int count = job_look_steps(job, steps);
    double taken = reach.at < 0 ? steps[count - 1] : curve_at(steps, reach);
    job_put(job, record, FIELD_RECOVERY_STEPS, taken);
    job_put(job, record, FIELD_RECOVERY_CENSORED, reach.at < 0);
    return taken;
}

static void measure_reading(struct job *job, double *record)
{
    const struct history *history = &job->state->history;
    double curve[LOOKS_MAX + 1], before = history->lm_loss[1];
    double level = before + job->cell.settings.recovery.within * (history->lm_loss[0] - before);
    int count = job_curve(job, job->state->trace.looks.lm_loss, job_language(job, NULL), curve);
    put_values(job, record, FIELD_RECOVERY_LM_LOSS, curve, count);
    put_reach(job, record, curve_reach(curve, count, level, true));
}

/* Curves of the first task; the accuracies are given back too.  The number of looks. */
static int put_learning(const struct job *job, double *record, double accuracy, double loss, double *curve)
{
    const struct looks *looks = &job->state->trace.looks;
    double losses[LOOKS_MAX + 1];
    int count = job_curve(job, looks->accuracy[0], accuracy, curve);
    job_curve(job, looks->loss[0], loss, losses);
    put_values(job, record, FIELD_RECOVERY_ACCURACY, curve, count);
    put_values(job, record, FIELD_RECOVERY_LOSS, losses, count);
    return count;
}

/* Where the first task counts as learnt again: NaN where it was not learnt to begin with. */
static double level_of_first(const struct job *job)
{
    const struct history *history = &job->state->history;
    double accuracy = history->accuracy[0][0], chance = history->chance[0];
    if (!task_learnt(accuracy, chance, history->items[0])) return NAN;
    return accuracy - job->cell.settings.recovery.within * (accuracy - chance);
}

static void measure_relearning(struct job *job, double *record)
{
    struct score score = job_score(job, 0);
    double curve[LOOKS_MAX + 1], level = level_of_first(job);
    int count = put_learning(job, record, score.accuracy, score.loss, curve);
    if (isnan(level)) return;
    double again = put_reach(job, record, curve_reach(curve, count, level, false));
    job_put(job, record, FIELD_SAVINGS, savings_of(job->state->history.first_steps, again));
}

void job_measure_recovery(struct job *job, double *record)
{
    double steps[LOOKS_MAX + 1];
    int count = job_look_steps(job, steps);
    if (job->milestone->stop_step == 0) return; /* no head that could learn alone */
    put_values(job, record, FIELD_RECOVERY_LOOKS, steps, count);
    if (reads_on(job))
        measure_reading(job, record);
    else
        measure_relearning(job, record);
}

void put_first_learning(struct job *job, double *record)
{
    struct history *history = &job->state->history;
    double steps[LOOKS_MAX + 1], curve[LOOKS_MAX + 1], level = level_of_first(job);
    if (!job_field(job, record, FIELD_RECOVERY_STEPS)) return; /* it is of the first place alone */
    int count = job_look_steps(job, steps);
    put_values(job, record, FIELD_RECOVERY_LOOKS, steps, count);
    put_learning(job, record, history->accuracy[0][0], history->loss[0][0], curve);
    history->first_steps = isnan(level) ? NAN : curve_at(steps, curve_reach(curve, count, level, false));
    job_put(job, record, FIELD_RECOVERY_STEPS, history->first_steps);
}
