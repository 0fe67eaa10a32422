/* The one place that multiplies matrices: by tiles of our own, or by BLAS. */
#include <string.h>

#include "blas_private.h"
#include "threads_private.h"
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

struct part { /* of a product: some of its rows, and what counts there */
    int row, rows, columns, from, steps;
};

/* Where op(a) starts in row `row` and step `step`. */
static const float *start_of(struct operand a, int row, int step)
{
    size_t line = (size_t)(a.layout == AS_IS ? row : step), place = (size_t)(a.layout == AS_IS ? step : row);
    return a.values + line * (size_t)a.stride + place;
}

/* BLAS knows no such triangles: rows go in blocks, each with its share of columns or steps. */
static struct part part_at(const struct product *product, int row)
{
    enum { ROWS = 64 };
    struct part part = {row, product->m - row, product->n, 0, product->k};
    if (product->triangle == WHOLE) return part;
    if (part.rows > ROWS) part.rows = ROWS;
    int end = row + part.rows;
    if (product->triangle == LOWER_RESULT && end < part.columns) part.columns = end;
    if (product->triangle == LOWER_LEFT && end < part.steps) part.steps = end;
    if (product->triangle == UPPER_LEFT) {
        part.from = row < product->k ? row : product->k;
        part.steps = product->k - part.from;
    }
    return part;
}

static void blas_product(const struct product *product)
{
    const struct operand a = product->a, b = product->b;
    const bool adds = product->addend.matrix || product->addend.row;
    struct part part;
    if (adds) lay_out(product->addend, product->m, product->n, product->c, product->stride);
    for (int row = 0; row < product->m; row += part.rows) {
        part = part_at(product, row);
        blas.sgemm(CblasRowMajor, transpose_of(a), transpose_of(b), part.rows, part.columns, part.steps, product->alpha,
                   start_of(a, row, part.from), a.stride, start_of(b, part.from, 0), b.stride, adds ? 1 : 0,
                   product->c + (size_t)row * (size_t)product->stride, product->stride);
    }
}

/* Some of the rows of a whole product. */
static void share_product(void *context, int share, int shares)
{
    struct product product = *(const struct product *)context;
    const int row = share_begin(product.m, share, shares);
    product.m = share_begin(product.m, share + 1, shares) - row;
    product.a.values = start_of(product.a, row, 0);
    if (product.addend.matrix) product.addend.matrix += (size_t)row * (size_t)product.addend.stride;
    product.c += (size_t)row * (size_t)product.stride;
    tiles_product(blas.tiles, &product);
}

void matrix_product(int m, int n, int k, float alpha, struct operand a, struct operand b, struct addend addend,
                    float *c, int stride, enum triangle triangle)
{
    struct product product = {m, n, k, alpha, a, b, addend, c, stride, triangle};
    ASSERT(m >= 0 && n >= 0 && k >= 0 && stride >= n, "product of %d x %d x %d, rows %d apart", m, n, k, stride);
    if (!blas.sgemm) blas_start_alone();
    if (!blas.tiles)
        blas_product(&product);
    else if (triangle == WHOLE)
        threads_share(share_product, &product, (double)m * n * k);
    else
        tiles_product(blas.tiles, &product);
}
