/* Speeds measured beforehand.  The time of a step has a part that goes with its FLOPs and one that goes with the number
 * of parameters alone (clip and AdamW, products too small to be fast): two sizes of batch tell them apart. */
#include <math.h>

#include "ledger_private.h"

static struct rates rates_of(const struct speed_point *point)
{
    double seconds = point->seconds - point->small_seconds, flops = point->flops - point->small_flops;
    struct rates rates = {0, point->flops / point->seconds, point->finetune_flops / point->finetune_seconds,
                          point->forward_flops / point->forward_seconds};
    if (flops <= 0 || seconds <= 0) return rates;
    double fixed = point->seconds - point->flops * seconds / flops;
    if (fixed <= 0) return rates; /* the small batch was disturbed: there is no step of less than no time */
    rates.per_parameter = fixed / point->parameters;
    rates.flops_per_second = flops / seconds;
    /* the fixed part is a difference of measurements, and never all of a step */
    rates.finetune_flops_per_second =
        point->finetune_flops / fmax(point->finetune_seconds - fixed, 0.1 * point->finetune_seconds);
    return rates;
}

/* The mean over all shapes of one width. */
static struct rates rates_of_width(const struct speed_point *point, int points, int width)
{
    double per_parameter = 0, training = 0, finetuning = 0, forward = 0;
    int found = 0;
    for (int p = 0; p < points; p++) {
        if (point[p].width != width) continue;
        struct rates rates = rates_of(&point[p]);
        per_parameter += rates.per_parameter;
        training += log(rates.flops_per_second);
        finetuning += log(rates.finetune_flops_per_second);
        forward += log(rates.forward_flops_per_second);
        found++;
    }
    return (struct rates){per_parameter / found, exp(training / found), exp(finetuning / found), exp(forward / found)};
}

static double between(double a, double b, double share) { return exp(log(a) + share * (log(b) - log(a))); }

/* The narrowest measured width that is at least `least`; 0: none. */
static int next_width(const struct speed_point *point, int points, int least)
{
    int found = 0;
    for (int p = 0; p < points; p++)
        if (point[p].width >= least && (found == 0 || point[p].width < found)) found = point[p].width;
    return found;
}

static struct rates rates_between(const struct rates *a, const struct rates *b, double share)
{
    return (struct rates){a->per_parameter + share * (b->per_parameter - a->per_parameter),
                          between(a->flops_per_second, b->flops_per_second, share),
                          between(a->finetune_flops_per_second, b->finetune_flops_per_second, share),
                          between(a->forward_flops_per_second, b->forward_flops_per_second, share)};
}

/* share: below 0. */
static struct rates rates_below(const struct rates *narrowest, const struct rates *next, double share)
{
    struct rates line = rates_between(narrowest, next, share);
    return (struct rates){narrowest->per_parameter, fmin(narrowest->flops_per_second, line.flops_per_second),
                          fmin(narrowest->finetune_flops_per_second, line.finetune_flops_per_second),
                          fmin(narrowest->forward_flops_per_second, line.forward_flops_per_second)};
}

struct rates rates_at(const struct speed_point *point, int points, int width)
{
    CHECK(points > 0 && width > 0, "%d points, width %d", points, width);
    int low = next_width(point, points, 1), high = next_width(point, points, low + 1);
    while (high && high <= width) {
        low = high;
        high = next_width(point, points, low + 1);
    }
    struct rates a = rates_of_width(point, points, low);
    if (!high || width == low) return a;
    struct rates b = rates_of_width(point, points, high);
    double share = log((double)width / low) / log((double)high / low);
    return width < low ? rates_below(&a, &b, share) : rates_between(&a, &b, share);
}
