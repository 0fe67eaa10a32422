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
static struct part part_at(int row, int m, int n, int k, enum triangle triangle)
{
    enum { ROWS = 64 };
    struct part part = {row, m - row, n, 0, k};
    if (triangle == WHOLE) return part;
    if (part.rows > ROWS) part.rows = ROWS;
    int end = row + part.rows;
    if (triangle == LOWER_RESULT && end < n) part.columns = end;
    if (triangle == LOWER_LEFT && end < k) part.steps = end;
    if (triangle == UPPER_LEFT) {
        part.from = row < k ? row : k;
        part.steps = k - part.from;
    }
    return part;
}

static void blas_product(int m, int n, int k, float alpha, struct operand a, struct operand b, bool adds, float *c,
                         int stride, enum triangle triangle)
{
    struct part part;
    for (int row = 0; row < m; row += part.rows) {
        part = part_at(row, m, n, k, triangle);
        blas.sgemm(CblasRowMajor, transpose_of(a), transpose_of(b), part.rows, part.columns, part.steps, alpha,
                   start_of(a, row, part.from), a.stride, start_of(b, part.from, 0), b.stride, adds ? 1 : 0,
                   c + (size_t)row * (size_t)stride, stride);
    }
}

struct product { /* arguments of matrix_product */
    int m, n, k;
    float alpha;
    struct operand a, b;
    struct addend addend;
    float *c;
    int stride;
};

/* Some of the rows. */
static void share_product(void *context, int share, int shares)
{
    const struct product *product = context;
    const int row = share_begin(product->m, share, shares), rows = share_begin(product->m, share + 1, shares) - row;
    struct operand a = product->a;
    struct addend addend = product->addend;
    a.values = start_of(a, row, 0);
    if (addend.matrix) addend.matrix += (size_t)row * (size_t)addend.stride;
    tiles_product(blas.tiles, rows, product->n, product->k, product->alpha, a, product->b, addend,
                  product->c + (size_t)row * (size_t)product->stride, product->stride, WHOLE);
}

void matrix_product(int m, int n, int k, float alpha, struct operand a, struct operand b, struct addend addend,
                    float *c, int stride, enum triangle triangle)
{
    ASSERT(m >= 0 && n >= 0 && k >= 0 && stride >= n, "product of %d x %d x %d, rows %d apart", m, n, k, stride);
    if (!blas.sgemm) blas_start_alone();
    if (blas.tiles && triangle == WHOLE) {
        struct product product = {m, n, k, alpha, a, b, addend, c, stride};
        threads_share(share_product, &product, (double)m * n * k);
    } else if (blas.tiles) {
        tiles_product(blas.tiles, m, n, k, alpha, a, b, addend, c, stride, triangle);
    } else {
        bool adds = addend.matrix || addend.row;
        if (adds) lay_out(addend, m, n, c, stride);
        blas_product(m, n, k, alpha, a, b, adds, c, stride, triangle);
    }
}
