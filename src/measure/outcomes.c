/* Items lost and gained from one state to another. */
#include <math.h>

#include "palimpsest/measure.h"

struct transitions transitions_of(const uint8_t *before, const uint8_t *after, int items, int classes)
{
    struct transitions found = {.items = items};
    int wrong_before = 0, wrong_after = 0;
    for (int i = 0; i < items; i++) {
        found.lost += before[i] && !after[i];
        found.gained += !before[i] && after[i];
        wrong_before += !before[i];
        wrong_after += !after[i];
    }
    double by_luck = classes > 1 && items > 0 ? (double)wrong_before * wrong_after / items / (classes - 1) : NAN;
    found.lost_above_chance = found.lost - by_luck;
    found.gained_above_chance = found.gained - by_luck;
    return found;
}
