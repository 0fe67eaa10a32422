/* Linear layers: what is added to the product is laid out first, and the product is added to it. */
#include <string.h>

#include "palimpsest/kernels.h"

#include "vector_private.h"

CLONED static void add_bias(float *out, const float *residual, const float *bias, int rows, int columns)
{
    for (int row = 0; row < rows; row++) {
        float *to = out + (size_t)row * columns;
        const float *from = residual + (size_t)row * columns;
        for (int i = 0; i < columns; i++) to[i] = from[i] + bias[i];
    }
}

static void lay_out(float *out, const float *bias, const float *residual, int rows, int columns)
{
    if (bias && residual)
        add_bias(out, residual, bias, rows, columns);
    else if (bias)
        for (int row = 0; row < rows; row++) memcpy(out + (size_t)row * columns, bias, (size_t)columns * sizeof *out);
    else if (out != residual)
        memcpy(out, residual, (size_t)rows * columns * sizeof *out);
}

void linear_forward(float *out, const float *in, const float *weight, const float *bias, const float *residual,
                    int rows, int inner, int columns)
{
    bool adds = bias || residual;
    if (adds) lay_out(out, bias, residual, rows, columns);
    matrix_product(rows, columns, inner, 1, (struct operand){in, inner, AS_IS},
                   (struct operand){weight, inner, TRANSPOSED}, adds ? 1 : 0, out, columns);
}

/* Row by row, so the order of every sum is the order of rows. */
CLONED static void add_columns(float *sum, const float *values, int rows, int columns)
{
    for (int row = 0; row < rows; row++) {
        const float *from = values + (size_t)row * columns;
        for (int i = 0; i < columns; i++) sum[i] += from[i];
    }
}

void linear_backward(float *din, float *dweight, float *dbias, const float *dout, const float *in, const float *weight,
                     int rows, int inner, int columns)
{
    /* out = bias + in weight^T */
    if (din)
        matrix_product(rows, inner, columns, 1, (struct operand){dout, columns, AS_IS},
                       (struct operand){weight, inner, AS_IS}, 0, din, inner);
    if (dweight)
        matrix_product(columns, inner, rows, 1, (struct operand){dout, columns, TRANSPOSED},
                       (struct operand){in, inner, AS_IS}, 1, dweight, inner);
    if (dbias) add_columns(dbias, dout, rows, columns);
}
