/* Plain double-precision twins of the kernels and of the whole model, forward only, written for reading: what the float
 * code is held against, directly and through central differences.  They share no line with what they check. */
#ifndef TESTS_SUPPORT_REFERENCE_H
#define TESTS_SUPPORT_REFERENCE_H

#include "palimpsest/model.h"

void reference_linear(double *out, const double *in, const double *weight, const double *bias, int rows, int inner,
                      int columns); /* bias may be NULL */
void reference_norm(double *out, const double *in, const double *weight, const double *bias, int rows, int channels);
double reference_gelu(double x);
void reference_softmax(double *out, const double *in, int columns);
void reference_attention(double *out, const double *qkv, const int *start, int sequences, int channels, int heads,
                         bool causal);
double reference_cross_entropy(const double *logits, int target, int columns);

/* The whole model on `values`, laid out as those of `state`.  As model_lm and model_labels; log_probability may be
 * NULL. */
double reference_lm(const struct state *state, const double *values, const struct batch *batch);
double reference_labels(const struct state *state, const double *values, const struct batch *batch,
                        const struct readout *readout, const int *label, double *log_probability);
/* Hidden rows as model_hidden gives them: out[tokens][width]. */
void reference_hidden(const struct state *state, const double *values, const struct batch *batch, int layer,
                      double *out);

#endif
