/* Softmax along rows, and cross-entropy with its gradient in the same pass. */
#include <math.h>

#include "palimpsest/kernels.h"

#include "vector_private.h"

/* Natural logarithm, x > 0, within two units of the last place: libm's depends on the version and on the CPU.
 * x = m 2^e with m near 1, and log m = 2 artanh s = 2 (s + s^3 / 3 + s^5 / 5 + ...) for s = (m - 1) / (m + 1), |s| <
 * 0.18. */
static double logarithm(double x)
{
    int power;
    double m = frexp(x, &power);
    if (m < 0.70710678118654752) {
        m *= 2;
        power--;
    }
    double s = (m - 1) / (m + 1), square = s * s, series = 0;
    for (int k = 23; k > 1; k -= 2) series = (series + 1.0 / k) * square;
    return 2 * (s + s * series) + power * 0.69314718055994531;
}

CLONED void softmax_rows(float *values, int rows, int columns, int stride)
{
    for (int row = 0; row < rows; row++) softmax_row(values + (size_t)row * stride, columns, columns);
}

CLONED double softmax_cross_entropy(float *logits, const int32_t *target, float scale, int rows, int columns)
{
    double loss = 0;
    for (int row = 0; row < rows; row++) {
        float *x = logits + (size_t)row * columns, top = largest(x, columns, columns);
        double chosen = x[target[row]];
        float sum = exponentiate(x, columns, columns, top), factor = scale / sum;
        for (int i = 0; i < columns; i++) x[i] *= factor;
        x[target[row]] -= scale;
        loss += logarithm((double)sum) + (double)top - chosen;
    }
    return loss;
}

/* log of the sum of exp(x), the largest taken out first */
INLINED double log_sum(const float *x, int n)
{
    float top = largest(x, n, n);
    lanes sum = {0};
    for (int i = 0; i < n; i += LANES) sum += lanes_first(exponential(lanes_read(x, i, n, top) - top), n - i, 0);
    return logarithm((double)lanes_sum(sum)) + (double)top;
}

CLONED double cross_entropy(const float *logits, const int32_t *target, int rows, int columns)
{
    double loss = 0;
    for (int row = 0; row < rows; row++) {
        const float *x = logits + (size_t)row * columns;
        loss += log_sum(x, columns) - (double)x[target[row]];
    }
    return loss;
}

CLONED void log_softmax_rows(float *out, const float *logits, int rows, int columns)
{
    for (int row = 0; row < rows; row++) {
        const float *x = logits + (size_t)row * columns;
        float *y = out + (size_t)row * columns;
        double shift = log_sum(x, columns);
        for (int i = 0; i < columns; i++) y[i] = (float)((double)x[i] - shift);
    }
}
