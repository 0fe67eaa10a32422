/* Bias and GELU in one pass that also leaves the slope. */
#include "palimpsest/kernels.h"

#include "threads_private.h"
#include "vector_private.h"

CLONED static void gelu_rows(float *out, float *in, const float *bias, int rows, int channels)
{
    const float outer = 1.5957691216f /* 2 sqrt(2 / pi) */, cubic = 0.044715f;
    for (int row = 0; row < rows; row++, in += channels, out += channels)
        for (int i = 0; i < channels; i += LANES) {
            lanes x = lanes_read(in, i, channels, 0) + lanes_read(bias, i, channels, 0), square = x * x;
            lanes s = 1 / (1 + exponential(-outer * (x + cubic * square * x))), y = x * s;
            lanes_write(out, i, channels, y);
            /* d (x s) / dx = s + x s (1 - s) d (argument of the sigmoid) / dx */
            lanes_write(in, i, channels, s + y * (1 - s) * (outer * (1 + 3 * cubic * square)));
        }
}

struct gelu { /* arguments of the forward way */
    float *out, *in;
    const float *bias;
    int rows, channels;
};

static void share_gelu(void *context, int share, int shares)
{
    const struct gelu *gelu = context;
    const int row = share_begin(gelu->rows, share, shares), rows = share_begin(gelu->rows, share + 1, shares) - row;
    const size_t first = (size_t)row * (size_t)gelu->channels;
    gelu_rows(gelu->out + first, gelu->in + first, gelu->bias, rows, gelu->channels);
}

void bias_gelu_forward(float *out, float *in, const float *bias, int rows, int channels)
{
    struct gelu gelu = {out, in, bias, rows, channels};
    threads_share(share_gelu, &gelu, 20.0 * rows * channels);
}

CLONED void gelu_backward(float *dout, const float *slope, size_t count)
{
    for (size_t i = 0; i < count; i++) dout[i] *= slope[i];
}

CLONED void exponentials(float *out, const float *in, size_t count)
{
    for (size_t i = 0; i < count; i += LANES) {
        int left = count - i < LANES ? (int)(count - i) : LANES;
        lanes_write(out + i, 0, left, exponential(lanes_read(in + i, 0, left, 0)));
    }
}
