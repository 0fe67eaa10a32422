/* answer: the summary of a results file: which models forgot how much, by each axis, with intervals over paired seeds.
 */
#ifndef PALIMPSEST_ANSWER_H
#define PALIMPSEST_ANSWER_H

#include <stdio.h>

#include "palimpsest/store.h"

/* Mean and t interval at `level` (0.95) over values[count], NaN left out; NaN where fewer than one (mean) or two values
 * (interval) are there.  The unit is the seed: one value per seed, items nested inside. */
struct interval {
    double mean, low, high, deviation;
    int count; /* values used */
};
struct interval interval_of(const double *values, int count, double level);
/* Inverse of Student's t distribution function; probability in (0, 1), degrees > 0. */
double student_quantile(double probability, double degrees);

/* Means of a variable for each value of one dimension and each seed, over everything else, NaN left out. */
struct reduction {
    int values, seeds; /* values: length of the dimension, 1 without one */
    double *mean;      /* [values][seeds]; NaN where nothing is there */
    int64_t *used;     /* [values]: numbers behind the means */
};
/* dimension: a name, or NULL for the mean over everything; one that the variable does not have counts as NULL. */
void reduce(const struct variable *variable, const char *dimension, struct reduction *reduction);
void reduction_reset(struct reduction *reduction);

/* The table to `out`; works on an unfinished file and says how much is in. */
int answer_summary(struct store_reader *reader, FILE *out, struct error *err);

#endif
