/* The one place that calls BLAS. */
#include <cblas.h>
#include <stdio.h>

#include "palimpsest/base.h"
#include "palimpsest/kernels.h"

void kernels_start(void) { openblas_set_num_threads(1); }

/* openblas_get_config() starts with the words "OpenBLAS" and the version. */
void kernels_numerics(char *text, size_t size)
{
    const char *config = openblas_get_config();
    int words = 0, length = 0;
    while (config[length] && !(config[length] == ' ' && ++words == 2)) length++;
    snprintf(text, size, "%.*s %s", length, config, openblas_get_corename());
}

static CBLAS_TRANSPOSE transpose_of(struct operand operand)
{
    return operand.layout == TRANSPOSED ? CblasTrans : CblasNoTrans;
}

void matrix_product(int m, int n, int k, float alpha, struct operand a, struct operand b, float beta, float *c,
                    int stride)
{
    ASSERT(m >= 0 && n >= 0 && k >= 0 && stride >= n, "product of %d x %d x %d, rows %d apart", m, n, k, stride);
    cblas_sgemm(CblasRowMajor, transpose_of(a), transpose_of(b), m, n, k, alpha, a.values, a.stride, b.values, b.stride,
                beta, c, stride);
}
