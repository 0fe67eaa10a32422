/* kernels_regression: softmax regression and inner products in double precision, for measurements that are fitted until
 * they have converged.  As in kernels.h: nothing allocates, nothing fails, every sum has one order on every machine: eight
 * lanes, folded in a fixed tree. */
#ifndef PALIMPSEST_KERNELS_REGRESSION_H
#define PALIMPSEST_KERNELS_REGRESSION_H

/* A panel holds PANEL items side by side: panel[channels][PANEL], item i of it in column i.  Columns without an item are 0. */
enum { PANEL = 64, REAL_LANES = 8 };

/* logit[classes][PANEL] = weight[classes][channels] panel; a bias is the weight of a channel that is 1 where there is an item. */
void panel_logits(double *logit, const double *panel, const double *weight, int channels, int classes);
/* The logits of the first `items` columns become the residual softmax - one-hot of label[items], those of the others 0.
 * Returns the sum of the cross-entropies (nats). */
double panel_softmax(double *logit, const int *label, int items, int classes);
/* sum[classes][channels][REAL_LANES] += residual[classes][PANEL] panel^T, lane by lane. */
void panel_gradient(double *sum, const double *residual, const double *panel, int channels, int classes);
/* out[count] = the lanes of each of sum[count][REAL_LANES] added up. */
void lanes_fold(double *out, const double *sum, int count);

/* out[rows] += the inner products of a[inner] with b[rows][inner], whose rows are `stride` apart. */
void inner_products(double *out, const double *a, const double *b, int rows, int stride, int inner);
double inner_product(const double *a, const double *b, int inner);

#endif
