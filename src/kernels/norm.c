/* Layer norm: one row at a time, which stays in the cache between its passes. */
#include <math.h>

#include "palimpsest/kernels.h"

#include "vector_private.h"

static const float epsilon = 1e-5f;

CLONED void norm_forward(float *out, float *stats, const float *in, const float *weight, const float *bias, int rows,
                         int channels)
{
    for (int row = 0; row < rows; row++) {
        const float *restrict x = in + (size_t)row * channels;
        float *restrict y = out + (size_t)row * channels;
        float mean, variance;
        SUM_IN_LANES(mean, channels, x[i]);
        mean /= (float)channels;
        SUM_IN_LANES(variance, channels, (x[i] - mean) * (x[i] - mean));
        float rstd = 1 / sqrtf(variance / (float)channels + epsilon);
        for (int i = 0; i < channels; i++) y[i] = (x[i] - mean) * rstd * weight[i] + bias[i];
        stats[2 * row] = mean;
        stats[2 * row + 1] = rstd;
    }
}

CLONED void norm_backward(float *din, float *dweight, float *dbias, const float *dout, const float *in,
                          const float *stats, const float *weight, int rows, int channels)
{
    float *restrict dw = dweight, *restrict db = dbias;
    for (int row = 0; row < rows; row++) {
        const float *restrict x = in + (size_t)row * channels, *restrict dy = dout + (size_t)row * channels;
        float *restrict dx = din + (size_t)row * channels;
        float mean = stats[2 * row], rstd = stats[2 * row + 1], sum, product;
        /* y = xhat weight + bias, xhat = (x - mean) rstd */
        SUM_IN_LANES(sum, channels, dy[i] * weight[i]);
        SUM_IN_LANES(product, channels, dy[i] * weight[i] * ((x[i] - mean) * rstd));
        sum /= (float)channels;
        product /= (float)channels;
        for (int i = 0; i < channels; i++) {
            float xhat = (x[i] - mean) * rstd;
            dx[i] += rstd * (dy[i] * weight[i] - sum - xhat * product);
            dw[i] += dy[i] * xhat;
            db[i] += dy[i];
        }
    }
}
