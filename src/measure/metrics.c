/* Formulas over scores: pure, no model in sight. */
#include <math.h>

#include "palimpsest/measure.h"

double mean_of(const double *values, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++) sum += values[i];
    return sum / count;
}

bool task_learnt(double accuracy, double chance, int items)
{
    return accuracy > chance + 3 * sqrt(chance * (1 - chance) / items);
}

struct mean { /* over those for which it is defined; NaN of none */
    double sum;
    int count;
};

static void mean_add(struct mean *mean, double value)
{
    mean->sum += value;
    mean->count++;
}

static double mean_value(struct mean mean) { return mean.count > 0 ? mean.sum / mean.count : NAN; }

/* The best score on task j from when it was learnt until before the last task: the last row is not looked at, so a task
 * that the last one improved counts as negative forgetting. */
static double best_before_last(const struct history *history, int j, int last)
{
    double best = history->accuracy[j][j];
    for (int l = j + 1; l < last; l++) best = fmax(best, history->accuracy[l][j]);
    return best;
}

double forgetting_normalised(const struct history *history, int places, const double *now)
{
    struct mean normalised = {0};
    for (int j = 0; j < places - 1; j++) {
        double then = history->accuracy[j][j], chance = history->chance[j];
        if (task_learnt(then, chance, history->items[j])) mean_add(&normalised, (then - now[j]) / (then - chance));
    }
    return mean_value(normalised);
}

struct forgetting forgetting_of(const struct history *history, int places)
{
    CHECK(places >= 2 && places <= PLACES_MAX, "forgetting after %d tasks", places);
    int last = places - 1;
    struct mean drop = {0}, rise = {0}, maximum = {0}, relative = {0}, transfer = {0};
    for (int j = 0; j < last; j++) {
        double then = history->accuracy[j][j], now = history->accuracy[last][j];
        if (then > 0) mean_add(&relative, (then - now) / then);
        mean_add(&drop, then - now);
        mean_add(&rise, history->loss[last][j] - history->loss[j][j]);
        mean_add(&maximum, best_before_last(history, j, last) - now);
        mean_add(&transfer, now - then);
    }
    return (struct forgetting){.normalised = forgetting_normalised(history, places, history->accuracy[last]),
                               .drop = mean_value(drop),
                               .loss_rise = mean_value(rise),
                               .maximum = mean_value(maximum),
                               .relative = mean_value(relative),
                               .backward_transfer = mean_value(transfer)};
}

double lm_progress_lost(double initial, double before, double after)
{
    double progress = initial - before;
    return progress > 0 ? (after - before) / progress : NAN;
}

/* Binomial terms fall from the mean on, so from there the tail is its first term, taken in logarithms, times a sum of
 * falling ratios.  Below the mean the tail is one minus the other tail. */
static double upper_tail(int items, int correct, double probability)
{
    double n = items, k = correct, odds = probability / (1 - probability), ratio = 1, sum = 1;
    int sign;
    double first = lgamma_r(n + 1, &sign) - lgamma_r(k + 1, &sign) - lgamma_r(n - k + 1, &sign) + k * log(probability) +
                   (n - k) * log1p(-probability);
    for (int i = correct; i < items && ratio > 1e-18 * sum; i++) {
        ratio *= (double)(items - i) / (double)(i + 1) * odds;
        sum += ratio;
    }
    return exp(first + log(sum));
}

double binomial_tail(int items, int correct, double probability)
{
    if (correct <= 0) return 1;
    if (correct > items || probability <= 0) return 0;
    if (probability >= 1) return 1;
    if (correct > probability * items) return upper_tail(items, correct, probability);
    return 1 - upper_tail(items, items - correct + 1, 1 - probability);
}

bool score_failed(double accuracy, int items, double majority)
{
    if (!isfinite(accuracy)) return true;
    return binomial_tail(items, (int)lround(accuracy * items), majority) > 0.05;
}
