/* The corruption of the masked objective. */
#include <math.h>

#include "palimpsest/train.h"

/* Selection sampling: position i is taken with probability needed / (positions left), which gives every set of `needed`
 * positions the same chance in one pass without scratch (Fan, Muller and Rezucha 1962). */
void mask_window(struct random_cursor *cursor, int count, int mask_token, int vocabulary, uint16_t *token,
                 int32_t *target)
{
    int needed = (int)lround(0.15 * count);
    if (needed < 1) needed = 1;
    for (int i = 0; i < count; i++) {
        target[i] = -1;
        if ((int)random_below(cursor, (uint32_t)(count - i)) >= needed) continue;
        needed--;
        target[i] = token[i];
        uint32_t way = random_below(cursor, 10);
        if (way < 8) token[i] = (uint16_t)mask_token;
        if (way == 8) token[i] = (uint16_t)random_below(cursor, (uint32_t)vocabulary);
    }
}
