/* answer: the summary of a results file: which models forgot how much, by each axis, with intervals over paired seeds.
 */
#ifndef PALIMPSEST_ANSWER_H
#define PALIMPSEST_ANSWER_H

#include <stdio.h>

#include "palimpsest/store.h"

/* Mean and t interval at `level` (0.95) over values[count], NaN left out; NaN where fewer than one (mean) or two values
 * (interval) are there.  The unit is the seed: one value per seed, items and cells nested inside.  With n values x_i:
 *     mean        m = sum x_i / n
 *     deviation   s = sqrt(sum (x_i - m)^2 / (n - 1))
 *     low, high   m -+ t s / sqrt(n),   t the quantile of Student's t with n - 1 degrees of freedom at (1 + level) / 2
 * Student 1908.  The report computes the same. */
struct interval {
    double mean, low, high, deviation;
    int count; /* values used */
};
struct interval interval_of(const double *values, int count, double level);
/* Inverse of Student's t distribution function; probability in (0, 1), degrees > 0. */
double student_quantile(double probability, double degrees);

/* For each value of one dimension and each seed a mean over everything else, NaN left out. */
struct reduction {
    int values, seeds; /* values: length of the dimension, 1 without one */
    double *mean;      /* [values][seeds]; NaN where nothing is there */
    int64_t *used;     /* [values]: numbers behind the means */
};
/* Means of the variable.  dimension: a name, or NULL for the mean over everything; one that the variable does not have
 * counts as NULL.  reduction_reset when done. */
void reduce(const struct variable *variable, const char *dimension, struct reduction *reduction);
/* Means of its change from the value before along the dimension, which the variable has, over the places where both are
 * there, so that seed, pair and all else are the same on both sides; NaN at value 0. */
void reduce_changes(const struct variable *variable, const char *dimension, struct reduction *reduction);
void reduction_reset(struct reduction *reduction);

/* What is asked for. */
struct answer_request {
    const char *by;     /* a dimension whose values are shown, dots for _ are understood; NULL: all that have several */
    const char *metric; /* a variable of the root with seeds; NULL: forgetting, language modelling, transfer */
    int columns;        /* that a line may have; below 40 counts as 40 */
    bool csv;           /* lines of values instead of tables */
};
/* To `out`, as plain text.  Works on an unfinished file and says how much is in.  ERROR_INPUT: nothing is in yet; no
 * such metric or dimension (and which was meant).  The columns of the CSV are answer_csv_columns. */
int answer_summary(struct store_reader *reader, const struct answer_request *request, FILE *out, struct error *err);
/* Name and meaning of every column, in order, one a line; for --help. */
void answer_csv_columns(FILE *out);

#endif
