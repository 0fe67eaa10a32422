/* Speeds measured beforehand.  The time of a step has a part that goes with its FLOPs and one that goes with the number
 * of parameters alone (clip and AdamW, products too small to be fast): two sizes of batch tell them apart. */
#include <math.h>

#include "ledger_private.h"

static struct rates rates_of(const struct speed_point *point)
{
    double seconds = point->seconds - point->small_seconds, flops = point->flops - point->small_flops;
    struct rates rates = {0, point->flops / point->seconds, point->forward_flops / point->forward_seconds};
    if (flops <= 0 || seconds <= 0) return rates;
    double fixed = point->seconds - point->flops * seconds / flops;
    if (fixed <= 0) return rates; /* the small batch was disturbed: there is no step of less than no time */
    rates.per_parameter = fixed / point->parameters;
    rates.flops_per_second = flops / seconds;
    return rates;
}

/* The mean over all shapes of one width. */
static struct rates rates_of_width(const struct speed_point *point, int points, int width)
{
    double per_parameter = 0, training = 0, forward = 0;
    int found = 0;
    for (int p = 0; p < points; p++) {
        if (point[p].width != width) continue;
        struct rates rates = rates_of(&point[p]);
        per_parameter += rates.per_parameter;
        training += log(rates.flops_per_second);
        forward += log(rates.forward_flops_per_second);
        found++;
    }
    return (struct rates){per_parameter / found, exp(training / found), exp(forward / found)};
}

static double between(double a, double b, double share) { return exp(log(a) + share * (log(b) - log(a))); }

struct rates rates_at(const struct speed_point *point, int points, int width)
{
    int below = 0, above = 0; /* the nearest measured widths on both sides; 0: none */
    CHECK(points > 0 && width > 0, "%d points, width %d", points, width);
    for (int p = 0; p < points; p++) {
        if (point[p].width <= width && point[p].width > below) below = point[p].width;
        if (point[p].width >= width && (above == 0 || point[p].width < above)) above = point[p].width;
    }
    if (below == 0 || above == 0 || below == above) return rates_of_width(point, points, below ? below : above);
    struct rates a = rates_of_width(point, points, below), b = rates_of_width(point, points, above);
    double share = log((double)width / below) / log((double)above / below);
    return (struct rates){a.per_parameter + share * (b.per_parameter - a.per_parameter),
                          between(a.flops_per_second, b.flops_per_second, share),
                          between(a.forward_flops_per_second, b.forward_flops_per_second, share)};
}
