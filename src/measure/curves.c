/* Curves of what was seen along a training: where they reach a level, and what another one is there. */
#include <math.h>

#include "palimpsest/measure.h"

struct reach curve_reach(const double *curve, int count, double level, bool falling)
{
    for (int i = 0; i < count; i++) {
        double before = i > 0 ? curve[i - 1] : NAN, step = curve[i] - before;
        if (!(falling ? curve[i] <= level : curve[i] >= level)) continue;
        return (struct reach){
            i, isnan(before) ? 1 : (level - before) / step}; /* step is not 0: before had not reached it */
    }
    return (struct reach){-1, 0};
}

double curve_at(const double *curve, struct reach reach)
{
    if (reach.at < 0) return NAN;
    if (reach.share >= 1) return curve[reach.at]; /* at the look itself: what lies before it does not count */
    return curve[reach.at - 1] + reach.share * (curve[reach.at] - curve[reach.at - 1]);
}

double savings_of(double first, double again) { return first > 0 ? 1 - again / first : NAN; }
