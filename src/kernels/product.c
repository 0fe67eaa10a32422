/* The one place that calls BLAS. */
#include "blas_private.h"

static CBLAS_TRANSPOSE transpose_of(struct operand operand)
{
    return operand.layout == TRANSPOSED ? CblasTrans : CblasNoTrans;
}

void matrix_product(int m, int n, int k, float alpha, struct operand a, struct operand b, float beta, float *c,
                    int stride)
{
    ASSERT(m >= 0 && n >= 0 && k >= 0 && stride >= n, "product of %d x %d x %d, rows %d apart", m, n, k, stride);
    if (!blas.sgemm) blas_start_alone();
    blas.sgemm(CblasRowMajor, transpose_of(a), transpose_of(b), m, n, k, alpha, a.values, a.stride, b.values, b.stride,
               beta, c, stride);
}
