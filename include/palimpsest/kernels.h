/* kernels: one layer each, forward and backward, as pure functions on float arrays.  They never allocate and never
 * fail.
 *
 * Matrices are row-major.  N rows (tokens), C channels, H heads, V columns of logits.  The gradient of x is dx.
 * Gradients of parameters and of the residual stream are added to, the caller clears them; a gradient that has one
 * source only is overwritten, and its declaration says so.
 *
 * Bits: every sum has one order, whatever the instruction set: sums along a row run in 16 lanes that are folded in a
 * fixed tree, sums over rows go row by row.  Exponential and logarithm are our own.  So all that is not a matrix
 * product gives the same bits on every machine.  So do the products by tiles of our own; those of BLAS, which
 * take their place on old cores, give the bits of the library and core that kernels_numerics() names. */
#ifndef PALIMPSEST_KERNELS_H
#define PALIMPSEST_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "palimpsest/kernels_start.h"

/* ---- the one matrix product: c[M][N] = addend + alpha op(a)[M][K] op(b)[K][N] ---- */

enum layout { AS_IS, TRANSPOSED };
struct operand {
    const float *values;
    int stride; /* floats from one row to the next */
    enum layout layout;
};
struct addend { /* matrix + row; either may be NULL */
    const float *matrix; /* [M][N]; may be c, with its stride */
    int stride;          /* of the matrix, floats from one row to the next */
    const float *row;    /* [N], added to every row */
};
#define NO_ADDEND ((struct addend){.matrix = NULL})
enum triangle {   /* what of a product counts; the rest is not computed, or not read */
    WHOLE,
    LOWER_RESULT, /* c[i][j] is wanted for j <= i; elsewhere it becomes anything */
    LOWER_LEFT,   /* op(a)[i][s] is 0 for s > i */
    UPPER_LEFT    /* op(a)[i][s] is 0 for s < i */
};
/* Without addend c is not read.  M, N or K may be 0. */
void matrix_product(int m, int n, int k, float alpha, struct operand a, struct operand b, struct addend addend,
                    float *c, int stride, enum triangle triangle);

/* ---- linear layer; weight[columns][inner] as PyTorch stores it ---- */

/* out[N][columns] = residual + bias + in[N][inner] weight^T; residual and bias may be NULL. out may be residual. */
void linear_forward(float *out, const float *in, const float *weight, const float *bias, const float *residual,
                    int rows, int inner, int columns);
/* din is overwritten; dweight and dbias are added to; each may be NULL: not wanted. */
void linear_backward(float *din, float *dweight, float *dbias, const float *dout, const float *in, const float *weight,
                     int rows, int inner, int columns);

/* ---- layer norm (Ba et al. 2016), epsilon 1e-5 ---- */

/* out = (in - mean) rstd weight + bias; stats[N][2] keeps mean and rstd = 1 / sqrt(variance + epsilon) of each row. */
void norm_forward(float *out, float *stats, const float *in, const float *weight, const float *bias, int rows,
                  int channels);
/* din is added to: the norm hangs on the residual stream. */
void norm_backward(float *din, float *dweight, float *dbias, const float *dout, const float *in, const float *stats,
                   const float *weight, int rows, int channels);

/* ---- bias and GELU in one: x = in + bias, out = x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)) ---- */

/* This is GPT-2's tanh form (Hendrycks and Gimpel 2016), since (1 + tanh u) / 2 = sigmoid(2 u).  On return `in` holds
 * the slope d out / d x, so that the way back needs no exponential. */
void bias_gelu_forward(float *out, float *in, const float *bias, int rows, int channels);
/* dout becomes dx = dout slope, in place. */
void gelu_backward(float *dout, const float *slope, size_t count);

/* ---- multi-head attention over packed sequences (Vaswani et al. 2017) ---- */

struct packing { /* sequence s has the rows start[s] .. start[s + 1] - 1 */
    int sequences;
    const int *start; /* [sequences + 1] */
    int longest;      /* no sequence has more rows */
};
/* qkv[N][3C]: queries, keys, values of all heads side by side.  out[N][C].  probability: room for N H longest floats
 * when `keep`, which the way back needs, else longest^2 for each thread.  Causal: no row sees a later row of its sequence. */
void attention_forward(float *out, float *probability, const float *qkv, struct packing packing, int channels,
                       int heads, bool causal, bool keep);
/* dqkv is overwritten.  scratch[threads][longest^2]. */
void attention_backward(float *dqkv, float *scratch, const float *dout, const float *probability, const float *qkv,
                        struct packing packing, int channels, int heads, bool causal);

/* ---- embeddings: out = tokens[token] + positions[place in its sequence] ---- */

void embedding_forward(float *out, const uint16_t *token, const float *tokens, const float *positions,
                       struct packing packing, int channels);
void embedding_backward(float *dtokens, float *dpositions, const uint16_t *token, const float *dout,
                        struct packing packing, int channels);

/* ---- picking rows ---- */

void rows_gather(float *out, const float *in, const int *row, int rows, int channels);        /* out[i] = in[row[i]] */
void rows_scatter_add(float *out, const float *in, const int *row, int rows, int channels);   /* out[row[i]] += in[i] */
void mean_pool_forward(float *out, const float *in, struct packing packing, int channels);    /* out[sequences][C] */
void mean_pool_backward(float *din, const float *dout, struct packing packing, int channels); /* din is added to */

/* ---- softmax ---- */

/* values[N][columns], rows `stride` apart, becomes its softmax along each row. */
void softmax_rows(float *values, int rows, int columns, int stride);
/* logits[N][V] becomes its own gradient, scale (softmax - one-hot of target); returns the sum of the cross-entropies
 * (nats) of the rows, added up in double in the order of rows. */
double softmax_cross_entropy(float *logits, const int32_t *target, float scale, int rows, int columns);
/* The same losses, logits untouched. */
double cross_entropy(const float *logits, const int32_t *target, int rows, int columns);
/* out[N][V] = log of the softmax; out may be logits. */
void log_softmax_rows(float *out, const float *logits, int rows, int columns);

/* ---- the exponential under all this, for tests: out[i] = exp(in[i]), inputs held within -87 .. 88 ---- */

void exponentials(float *out, const float *in, size_t count);

#endif
