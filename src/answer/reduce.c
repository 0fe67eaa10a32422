/* One variable seen along one dimension, seed by seed. */
#include <math.h>
#include <string.h>

#include "answer_private.h"

int dimension_find(const struct variable *variable, const char *name)
{
    for (int d = 0; name && d < variable->dimensions; d++)
        if (strcmp(variable->dimension[d], name) == 0) return d;
    return -1;
}

/* Places between one value of dimension d and the next. */
static int64_t stride_of(const struct variable *variable, int d)
{
    int64_t stride = 1;
    for (int behind = variable->dimensions - 1; behind > d; behind--) stride *= variable->length[behind];
    return stride;
}

int64_t dimension_index(const struct variable *variable, int dimension, int64_t place)
{
    return place / stride_of(variable, dimension) % variable->length[dimension];
}

/* Averages the values, or with `change` what each differs by from the one before it along the dimension. */
static void average(const struct variable *variable, int along, bool change, struct reduction *reduction)
{
    int seed = dimension_find(variable, "seed");
    reduction->values = along < 0 ? 1 : (int)variable->length[along];
    reduction->seeds = seed < 0 ? 1 : (int)variable->length[seed];
    int64_t places = (int64_t)reduction->values * reduction->seeds;
    int64_t *count = memory_array((size_t)places, sizeof *count);
    reduction->mean = memory_array((size_t)places, sizeof *reduction->mean);
    reduction->used = memory_array((size_t)reduction->values, sizeof *reduction->used);
    for (int64_t i = 0; i < variable->count; i++) {
        int64_t value = along < 0 ? 0 : dimension_index(variable, along, i);
        int64_t place = value * reduction->seeds + (seed < 0 ? 0 : dimension_index(variable, seed, i));
        if (change && value == 0) continue;
        double number = variable->values[i] - (change ? variable->values[i - stride_of(variable, along)] : 0);
        if (isnan(number)) continue;
        reduction->mean[place] += number;
        count[place]++;
        reduction->used[value]++;
    }
    for (int64_t p = 0; p < places; p++) reduction->mean[p] = count[p] ? reduction->mean[p] / (double)count[p] : NAN;
    memory_free(count);
}

void reduce(const struct variable *variable, const char *dimension, struct reduction *reduction)
{
    average(variable, dimension_find(variable, dimension), false, reduction);
}

void reduce_changes(const struct variable *variable, const char *dimension, struct reduction *reduction)
{
    int along = dimension_find(variable, dimension);
    CHECK(along >= 0, "%s is no dimension", dimension);
    average(variable, along, true, reduction);
}

void reduction_reset(struct reduction *reduction)
{
    memory_free(reduction->mean);
    memory_free(reduction->used);
    *reduction = (struct reduction){0};
}
