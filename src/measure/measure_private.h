/* Shared between the sources of measure only. */
#ifndef PALIMPSEST_MEASURE_PRIVATE_H
#define PALIMPSEST_MEASURE_PRIVATE_H

#include "palimpsest/measure.h"

/* ---- meter.c: batches of a forward-only measurement ---- */

struct meter {
    struct model_shape shape;
    int most_tokens, most_sequences;
    struct model *model;
    /* one batch; window has room for the token after it */
    int sequences, *start, *label;
    uint16_t *token, *window;
    int32_t *target;
    float *log_probability; /* [most_sequences][classes] */
};

/* Whether the batch that is being put together has no room for one more sequence. */
bool meter_full(const struct meter *meter);
struct batch meter_batch(const struct meter *meter, bool targets);

/* ---- minimise.c ---- */

/* A smooth, strictly convex function of `variables`. */
struct convex {
    int variables;
    double (*value)(void *context, const double *x, double *gradient); /* fills gradient[variables] */
    /* direction becomes H^-1 direction for a fixed, symmetric, positive H that is like the second derivative */
    void (*precondition)(void *context, double *direction);
    void *context;
};
struct minimum {
    bool converged;
    int evaluations;
    double value, gradient; /* at the end: the function, and the largest component of its gradient */
};
/* From x to where no component of the gradient is above `tolerance`, by L-BFGS (Nocedal and Wright 2006,
 * algorithm 7.5). work[minimiser_doubles(variables)].  Not converged: the value was not finite, or steps no longer lead
 * down. */
struct minimum minimise(const struct convex *convex, double tolerance, double *x, double *work);

#endif
