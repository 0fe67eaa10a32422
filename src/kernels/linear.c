/* Linear layers. */
#include "palimpsest/kernels.h"

#include "vector_private.h"

void linear_forward(float *out, const float *in, const float *weight, const float *bias, const float *residual,
                    int rows, int inner, int columns)
{
    matrix_product(rows, columns, inner, 1, (struct operand){in, inner, AS_IS},
                   (struct operand){weight, inner, TRANSPOSED}, (struct addend){residual, columns, bias}, out, columns,
                   WHOLE);
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
                       (struct operand){weight, inner, AS_IS}, NO_ADDEND, din, inner, WHOLE);
    if (dweight)
        matrix_product(columns, inner, rows, 1, (struct operand){dout, columns, TRANSPOSED},
                       (struct operand){in, inner, AS_IS}, (struct addend){dweight, inner, NULL}, dweight, inner,
                       WHOLE);
    if (dbias) add_columns(dbias, dout, rows, columns);
}
