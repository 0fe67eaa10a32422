#include "reference.h"

#include <math.h>

void reference_linear(double *out, const double *in, const double *weight, const double *bias, int rows, int inner,
                      int columns)
{
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++) {
            double sum = bias ? bias[c] : 0;
            for (int k = 0; k < inner; k++) sum += in[r * inner + k] * weight[c * inner + k];
            out[r * columns + c] = sum;
        }
}

void reference_norm(double *out, const double *in, const double *weight, const double *bias, int rows, int channels)
{
    for (int r = 0; r < rows; r++) {
        const double *x = in + r * channels;
        double mean = 0, variance = 0;
        for (int c = 0; c < channels; c++) mean += x[c] / channels;
        for (int c = 0; c < channels; c++) variance += (x[c] - mean) * (x[c] - mean) / channels;
        for (int c = 0; c < channels; c++)
            out[r * channels + c] = (x[c] - mean) / sqrt(variance + 1e-5) * weight[c] + bias[c];
    }
}

double reference_gelu(double x) { return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }

void reference_softmax(double *out, const double *in, int columns)
{
    double top = in[0], sum = 0;
    for (int c = 1; c < columns; c++) top = fmax(top, in[c]);
    for (int c = 0; c < columns; c++) sum += exp(in[c] - top);
    for (int c = 0; c < columns; c++) out[c] = exp(in[c] - top) / sum;
}

/* One query row of one head against keys 0 .. keys - 1. */
static void attend_row(double *out, const double *query, const double *key, const double *value, int keys, int stride,
                       int size)
{
    double weight[256];
    CHECK(keys <= 256, "%d keys", keys);
    for (int k = 0; k < keys; k++) {
        double dot = 0;
        for (int c = 0; c < size; c++) dot += query[c] * key[k * stride + c];
        weight[k] = dot / sqrt(size);
    }
    reference_softmax(weight, weight, keys);
    for (int c = 0; c < size; c++) {
        out[c] = 0;
        for (int k = 0; k < keys; k++) out[c] += weight[k] * value[k * stride + c];
    }
}

void reference_attention(double *out, const double *qkv, const int *start, int sequences, int channels, int heads,
                         bool causal)
{
    int size = channels / heads, stride = 3 * channels;
    for (int s = 0; s < sequences; s++)
        for (int h = 0; h < heads; h++)
            for (int row = start[s]; row < start[s + 1]; row++) {
                const double *first = qkv + start[s] * stride + h * size;
                int keys = (causal ? row + 1 : start[s + 1]) - start[s];
                attend_row(out + row * channels + h * size, qkv + row * stride + h * size, first + channels,
                           first + 2 * channels, keys, stride, size);
            }
}

double reference_cross_entropy(const double *logits, int target, int columns)
{
    double top = logits[0], sum = 0;
    for (int c = 1; c < columns; c++) top = fmax(top, logits[c]);
    for (int c = 0; c < columns; c++) sum += exp(logits[c] - top);
    return log(sum) + top - logits[target];
}
