/* The frontier: all scores along the training of a place, so that forgetting can be read where the last task is learnt
 * equally well in all cells. */
#include "stage_private.h"

/* curve[place][look]: accuracies along the training of the last place. */
static void put_equal_success(struct job *job, double *record, double curve[PLACES_MAX][LOOKS_MAX + 1],
                              const double *lm_loss)
{
    const struct history *history = &job->state->history;
    int last = job->milestone->place;
    double chance = history->chance[last], steps[LOOKS_MAX + 1], now[PLACES_MAX];
    double level = chance + job->cell.settings.frontier.success * (1 - chance);
    int count = job_look_steps(job, steps);
    struct reach reach = curve_reach(curve[last], count, level, false);
    for (int place = 0; place < last; place++) now[place] = curve_at(curve[place], reach);
    job_put(job, record, FIELD_FRONTIER_STEPS, curve_at(steps, reach));
    job_put(job, record, FIELD_FORGETTING_EQUAL_SUCCESS, forgetting_normalised(history, last + 1, now));
    job_put(job, record, FIELD_LM_RISE_EQUAL_SUCCESS, curve_at(lm_loss, reach) - history->lm_loss[1]);
}

static void put_curve(const struct job *job, double *record, enum field_id id, int place, const double *curve)
{
    int count = (int)job->cell.settings.evaluate.looks + 1;
    double *field = job_field(job, record, id) + (size_t)place * (size_t)count;
    for (int k = 0; k < count; k++) field[k] = curve[k];
}

void put_frontier(struct job *job, double *record)
{
    const struct looks *looks = &job->state->trace.looks;
    const struct history *history = &job->state->history;
    int after = job->milestone->place;
    double steps[LOOKS_MAX + 1], lm_loss[LOOKS_MAX + 1], loss[LOOKS_MAX + 1], accuracy[PLACES_MAX][LOOKS_MAX + 1];
    if (!job_field(job, record, FIELD_FRONTIER_LOOKS)) return;
    job_look_steps(job, steps);
    put_curve(job, record, FIELD_FRONTIER_LOOKS, 0, steps);
    job_curve(job, looks->lm_loss, history->lm_loss[2 + after], lm_loss);
    put_curve(job, record, FIELD_FRONTIER_LM_LOSS, 0, lm_loss);
    for (int place = 0; place <= after; place++) {
        job_curve(job, looks->accuracy[place], history->accuracy[after][place], accuracy[place]);
        put_curve(job, record, FIELD_FRONTIER_ACCURACY, place, accuracy[place]);
        job_curve(job, looks->loss[place], history->loss[after][place], loss);
        put_curve(job, record, FIELD_FRONTIER_LOSS, place, loss);
    }
    if (job->assignment->groups & 1u << GROUP_OUTCOME) put_equal_success(job, record, accuracy, lm_loss);
}
