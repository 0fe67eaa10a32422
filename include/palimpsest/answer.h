/* answer: the summary of a results file: which models forgot how much, by each axis, with intervals over paired seeds. */
#ifndef PALIMPSEST_ANSWER_H
#define PALIMPSEST_ANSWER_H

#include <stdio.h>

#include "palimpsest/store.h"

/* Mean and 95 % t interval over values[count], NaN left out; count of what was used. */
struct interval {
    double mean, low, high, deviation;
    int count;
};
struct interval interval_of(const double *values, int count, double level);
double student_quantile(double probability, double degrees); /* inverse of Student's t distribution function */

/* The table to `out`; works on an unfinished file and says how much is in. */
int answer_summary(struct store_reader *reader, FILE *out, struct error *err);

#endif
