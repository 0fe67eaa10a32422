/* The one place that multiplies matrices: by tiles of our own, or by BLAS. */
#include <string.h>

#include "blas_private.h"
#include "tiles_private.h"
#include "vector_private.h"

static CBLAS_TRANSPOSE transpose_of(struct operand operand)
{
    return operand.layout == TRANSPOSED ? CblasTrans : CblasNoTrans;
}

CLONED static void add_row(float *c, const float *matrix, const float *row, int columns)
{
    for (int i = 0; i < columns; i++) c[i] = matrix[i] + row[i];
}

/* BLAS adds to what stands in c. */
static void lay_out(struct addend addend, int rows, int columns, float *c, int stride)
{
    for (int r = 0; r < rows; r++, c += stride) {
        const float *matrix = addend.matrix ? addend.matrix + (size_t)r * (size_t)addend.stride : NULL;
        if (matrix && addend.row)
            add_row(c, matrix, addend.row, columns);
        else if (matrix != c)
            memcpy(c, matrix ? matrix : addend.row, (size_t)columns * sizeof *c);
    }
}

void matrix_product(int m, int n, int k, float alpha, struct operand a, struct operand b, struct addend addend,
                    float *c, int stride)
{
    ASSERT(m >= 0 && n >= 0 && k >= 0 && stride >= n, "product of %d x %d x %d, rows %d apart", m, n, k, stride);
    if (!blas.sgemm) blas_start_alone();
    if (blas.tiles) {
        tiles_product(blas.tiles, m, n, k, alpha, a, b, addend, c, stride);
        return;
    }
    bool adds = addend.matrix || addend.row;
    if (adds) lay_out(addend, m, n, c, stride);
    blas.sgemm(CblasRowMajor, transpose_of(a), transpose_of(b), m, n, k, alpha, a.values, a.stride, b.values, b.stride,
               adds ? 1 : 0, c, stride);
}
