/* Layer norm: one row at a time, which stays in the cache between its passes. */
#include <math.h>

#include "palimpsest/kernels.h"

#include "vector_private.h"

static const float epsilon = 1e-5f;

CLONED void norm_forward(float *out, float *stats, const float *in, const float *weight, const float *bias, int rows,
                         int channels)
{
    for (int row = 0; row < rows; row++, in += channels, out += channels, stats += 2) {
        lanes sum = {0}, squares = {0};
        for (int i = 0; i < channels; i += LANES) sum += lanes_read(in, i, channels, 0);
        const float mean = lanes_sum(sum) / (float)channels;
        for (int i = 0; i < channels; i += LANES) {
            lanes distance = lanes_read(in, i, channels, mean) - mean;
            squares += distance * distance;
        }
        const float rstd = 1 / sqrtf(lanes_sum(squares) / (float)channels + epsilon);
        for (int i = 0; i < channels; i += LANES)
            lanes_write(out, i, channels,
                        (lanes_read(in, i, channels, 0) - mean) * rstd * lanes_read(weight, i, channels, 0) +
                            lanes_read(bias, i, channels, 0));
        stats[0] = mean;
        stats[1] = rstd;
    }
}

CLONED void norm_backward(float *din, float *dweight, float *dbias, const float *dout, const float *in,
                          const float *stats, const float *weight, int rows, int channels)
{
    for (int row = 0; row < rows; row++, in += channels, dout += channels, din += channels, stats += 2) {
        const float mean = stats[0], rstd = stats[1];
        lanes sums = {0}, products = {0};
        /* y = xhat weight + bias, xhat = (x - mean) rstd */
        for (int i = 0; i < channels; i += LANES) {
            lanes part = lanes_read(dout, i, channels, 0) * lanes_read(weight, i, channels, 0);
            sums += part;
            products += part * ((lanes_read(in, i, channels, 0) - mean) * rstd);
        }
        const float sum = lanes_sum(sums) / (float)channels, product = lanes_sum(products) / (float)channels;
        for (int i = 0; i < channels; i += LANES) {
            lanes xhat = (lanes_read(in, i, channels, 0) - mean) * rstd, dy = lanes_read(dout, i, channels, 0);
            lanes part = dy * lanes_read(weight, i, channels, 0);
            lanes_write(din, i, channels, lanes_read(din, i, channels, 0) + rstd * (part - sum - xhat * product));
            lanes_write(dweight, i, channels, lanes_read(dweight, i, channels, 0) + dy * xhat);
            lanes_write(dbias, i, channels, lanes_read(dbias, i, channels, 0) + dy);
        }
    }
}
