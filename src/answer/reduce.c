/* One variable seen along one dimension, seed by seed. */
#include <math.h>
#include <string.h>

#include "palimpsest/answer.h"

static int find_dimension(const struct variable *variable, const char *name)
{
    for (int d = 0; name && d < variable->dimensions; d++)
        if (strcmp(variable->dimension[d], name) == 0) return d;
    return -1;
}

/* Index along dimension d of the value at flat place i. */
static int64_t index_along(const struct variable *variable, int d, int64_t i)
{
    for (int behind = variable->dimensions - 1; behind > d; behind--) i /= variable->length[behind];
    return i % variable->length[d];
}

void reduce(const struct variable *variable, const char *dimension, struct reduction *reduction)
{
    int along = find_dimension(variable, dimension), seed = find_dimension(variable, "seed");
    reduction->values = along < 0 ? 1 : (int)variable->length[along];
    reduction->seeds = seed < 0 ? 1 : (int)variable->length[seed];
    int64_t places = (int64_t)reduction->values * reduction->seeds;
    int64_t *count = memory_array((size_t)places, sizeof *count);
    reduction->mean = memory_array((size_t)places, sizeof *reduction->mean);
    reduction->used = memory_array((size_t)reduction->values, sizeof *reduction->used);
    for (int64_t i = 0; i < variable->count; i++) {
        int64_t value = along < 0 ? 0 : index_along(variable, along, i);
        int64_t place = value * reduction->seeds + (seed < 0 ? 0 : index_along(variable, seed, i));
        if (isnan(variable->values[i])) continue;
        reduction->mean[place] += variable->values[i];
        count[place]++;
        reduction->used[value]++;
    }
    for (int64_t p = 0; p < places; p++) reduction->mean[p] = count[p] ? reduction->mean[p] / (double)count[p] : NAN;
    memory_free(count);
}

void reduction_reset(struct reduction *reduction)
{
    memory_free(reduction->mean);
    memory_free(reduction->used);
    *reduction = (struct reduction){0};
}
