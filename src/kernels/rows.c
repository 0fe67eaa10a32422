/* Rows picked, spread and averaged: embeddings, gathering, pooling. */
#include <string.h>

#include "palimpsest/kernels.h"

#include "vector_private.h"

INLINED void add_row(float *restrict to, const float *restrict from, int channels)
{
    for (int i = 0; i < channels; i++) to[i] += from[i];
}

CLONED void embedding_forward(float *out, const uint16_t *token, const float *tokens, const float *positions,
                              struct packing packing, int channels)
{
    for (int s = 0; s < packing.sequences; s++)
        for (int row = packing.start[s]; row < packing.start[s + 1]; row++) {
            float *restrict to = out + (size_t)row * channels;
            const float *a = tokens + (size_t)token[row] * channels;
            const float *b = positions + (size_t)(row - packing.start[s]) * channels;
            for (int i = 0; i < channels; i++) to[i] = a[i] + b[i];
        }
}

CLONED void embedding_backward(float *dtokens, float *dpositions, const uint16_t *token, const float *dout,
                               struct packing packing, int channels)
{
    for (int s = 0; s < packing.sequences; s++)
        for (int row = packing.start[s]; row < packing.start[s + 1]; row++) {
            const float *from = dout + (size_t)row * channels;
            add_row(dtokens + (size_t)token[row] * channels, from, channels);
            add_row(dpositions + (size_t)(row - packing.start[s]) * channels, from, channels);
        }
}

void rows_gather(float *out, const float *in, const int *row, int rows, int channels)
{
    for (int i = 0; i < rows; i++)
        memcpy(out + (size_t)i * channels, in + (size_t)row[i] * channels, (size_t)channels * sizeof *out);
}

CLONED void rows_scatter_add(float *out, const float *in, const int *row, int rows, int channels)
{
    for (int i = 0; i < rows; i++) add_row(out + (size_t)row[i] * channels, in + (size_t)i * channels, channels);
}

CLONED void mean_pool_forward(float *out, const float *in, struct packing packing, int channels)
{
    for (int s = 0; s < packing.sequences; s++) {
        float *restrict to = out + (size_t)s * channels;
        float share = 1 / (float)(packing.start[s + 1] - packing.start[s]);
        memset(to, 0, (size_t)channels * sizeof *to);
        for (int row = packing.start[s]; row < packing.start[s + 1]; row++)
            add_row(to, in + (size_t)row * channels, channels);
        for (int i = 0; i < channels; i++) to[i] *= share;
    }
}

CLONED void mean_pool_backward(float *din, const float *dout, struct packing packing, int channels)
{
    for (int s = 0; s < packing.sequences; s++) {
        const float *restrict from = dout + (size_t)s * channels;
        float share = 1 / (float)(packing.start[s + 1] - packing.start[s]);
        for (int row = packing.start[s]; row < packing.start[s + 1]; row++) {
            float *restrict to = din + (size_t)row * channels;
            for (int i = 0; i < channels; i++) to[i] += share * from[i];
        }
    }
}
