/* Bias and GELU in one pass that also leaves the slope. */
#include "palimpsest/kernels.h"

#include "vector_private.h"

CLONED void bias_gelu_forward(float *out, float *in, const float *bias, int rows, int channels)
{
    const float outer = 1.5957691216f /* 2 sqrt(2 / pi) */, cubic = 0.044715f;
    for (int row = 0; row < rows; row++) {
        float *restrict slope = in + (size_t)row * channels, *restrict y = out + (size_t)row * channels;
        for (int i = 0; i < channels; i++) {
            float x = slope[i] + bias[i], square = x * x;
            float s = 1 / (1 + exponential(-outer * (x + cubic * square * x)));
            y[i] = x * s;
            /* d (x s) / dx = s + x s (1 - s) d (argument of the sigmoid) / dx */
            slope[i] = s + y[i] * (1 - s) * (outer * (1 + 3 * cubic * square));
        }
    }
}

CLONED void gelu_backward(float *dout, const float *slope, size_t count)
{
    for (size_t i = 0; i < count; i++) dout[i] *= slope[i];
}

CLONED void exponentials(float *out, const float *in, size_t count)
{
    for (size_t i = 0; i < count; i++) out[i] = exponential(in[i]);
}
