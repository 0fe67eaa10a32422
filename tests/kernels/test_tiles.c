/* The matrix product of our own against its definition: one chain of fused multiply-adds for each element. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../../src/kernels/tiles_private.h"

struct sample {
    int m, n, k;
    float alpha;
    enum layout a, b;
    bool matrix, row;
    enum triangle triangle;
    int apart; /* floats between the rows of every matrix */
};

/* rows x columns random values, rows `stride` apart; what stands between them is not a number. */
static float *matrix(struct random_cursor *cursor, int rows, int columns, int stride)
{
    float *values = memory_array((size_t)rows * (size_t)stride + 1, sizeof *values);
    for (int i = 0; i < rows * stride; i++) values[i] = i % stride < columns ? (float)random_normal(cursor) : NAN;
    return values;
}

static float at(struct operand operand, int row, int column)
{
    int turned = operand.layout == TRANSPOSED;
    return operand.values[(turned ? column : row) * operand.stride + (turned ? row : column)];
}

/* The factor of a that the triangle makes zero, wherever it stands. */
static bool counts(const struct sample *sample, int i, int step)
{
    return !(sample->triangle == LOWER_LEFT && step > i) && !(sample->triangle == UPPER_LEFT && step < i);
}

static float element(const struct sample *sample, struct operand a, struct operand b, struct addend addend, int i,
                     int j)
{
    float sum = addend.matrix ? addend.matrix[i * addend.stride + j] : 0;
    if (addend.row) sum += addend.row[j];
    for (int step = 0; step < sample->k; step++) {
        if (!counts(sample, i, step)) continue;
        float factor = sample->alpha * at(a, i, step);
        sum = fmaf(factor, at(b, step, j), sum);
    }
    return sum;
}

static void check(const struct tile_set *set, const struct sample *sample, bool in_place)
{
    struct random_cursor cursor = random_at(random_stream("test tiles", 1, NULL), 0);
    const int m = sample->m, n = sample->n, k = sample->k, apart = sample->apart;
    const int a_wide = (sample->a == AS_IS ? k : m), b_wide = sample->b == AS_IS ? n : k;
    float *a = matrix(&cursor, sample->a == AS_IS ? m : k, a_wide, a_wide + apart);
    float *b = matrix(&cursor, sample->b == AS_IS ? k : n, b_wide, b_wide + apart);
    float *first = matrix(&cursor, m, n, n + apart), *row = matrix(&cursor, 1, n, n);
    float *c = matrix(&cursor, m, n, n + apart), *wanted = memory_array((size_t)m * (size_t)n + 1, sizeof *wanted);
    if (in_place) memcpy(c, first, (size_t)m * (size_t)(n + apart) * sizeof *c);
    for (int i = 0; i < m; i++)
        for (int step = 0; step < k; step++)
            if (!counts(sample, i, step))
                a[sample->a == AS_IS ? i * (a_wide + apart) + step : step * (a_wide + apart) + i] = 0;
    struct operand left = {a, a_wide + apart, sample->a}, right = {b, b_wide + apart, sample->b};
    struct addend addend = {sample->matrix ? (in_place ? c : first) : NULL, n + apart, sample->row ? row : NULL};
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) wanted[i * n + j] = element(sample, left, right, addend, i, j);
    struct product product = {m, n, k, sample->alpha, left, right, addend, c, n + apart, sample->triangle};
    tiles_product(set, &product);
    for (int i = 0; i < m; i++) {
        int compared = sample->triangle == LOWER_RESULT && i + 1 < n ? i + 1 : n;
        if (memcmp(c + i * (n + apart), wanted + i * n, (size_t)compared * sizeof *c) != 0)
            fail_msg("%s: row %d of %d x %d x %d, layouts %d %d", set->name, i, m, n, k, sample->a, sample->b);
        for (int j = n; j < n + apart; j++) assert_true(isnan(c[i * (n + apart) + j]));
    }
    memory_free(a);
    memory_free(b);
    memory_free(first);
    memory_free(row);
    memory_free(c);
    memory_free(wanted);
}

/* Sizes around those of vectors, tiles and blocks. */
static void every_set_gives_the_bits_of_the_definition(void **context)
{
    (void)context;
    static const int sizes[][3] = {{1, 1, 1},     {14, 32, 16}, {15, 33, 17}, {13, 31, 255},  {16, 16, 256},
                                   {29, 48, 257}, {64, 16, 64}, {7, 400, 30}, {43, 385, 300}, {5, 9, 600}};
    for (int s = 0; tile_set(s); s++)
        for (size_t z = 0; z < sizeof sizes / sizeof *sizes; z++)
            for (unsigned way = 0; way < 128; way += z < 6 ? 1 : 7) {
                struct sample sample = {sizes[z][0],     sizes[z][1], sizes[z][2], way & 1 ? 0.3f : 1, (way >> 1) & 1u,
                                        (way >> 2) & 1u, way & 8,     way & 16,    way / 32,           (int)(way % 3)};
                check(tile_set(s), &sample, false);
                if (sample.matrix) check(tile_set(s), &sample, true);
            }
}

static void products_of_nothing_are_what_is_added(void **context)
{
    (void)context;
    static const int sizes[][3] = {{0, 5, 5}, {5, 0, 5}, {5, 5, 0}};
    for (int s = 0; tile_set(s); s++)
        for (int z = 0; z < 3; z++)
            for (unsigned way = 0; way < 4; way++) {
                struct sample sample = {sizes[z][0], sizes[z][1], sizes[z][2], 1,     AS_IS,
                                        TRANSPOSED,  way & 1,     way & 2,     WHOLE, 1};
                check(tile_set(s), &sample, false);
            }
}

/* Planted: a value of b that one tile alone reads shows in that column and in no other. */
static void a_wrong_value_shows_where_it_belongs(void **context)
{
    (void)context;
    enum { M = 30, N = 70, K = 40 };
    float a[M * K], b[K * N], c[M * N], d[M * N];
    for (int i = 0; i < M * K; i++) a[i] = 1 + (float)(i % 7);
    for (int i = 0; i < K * N; i++) b[i] = 1 + (float)(i % 5);
    for (int s = 0; tile_set(s); s++) {
        struct operand left = {a, K, AS_IS}, right = {b, N, AS_IS};
        struct product product = {M, N, K, 1, left, right, NO_ADDEND, c, N, WHOLE};
        tiles_product(tile_set(s), &product);
        b[17 * N + 66] += 1;
        product.c = d;
        tiles_product(tile_set(s), &product);
        b[17 * N + 66] -= 1;
        for (int i = 0; i < M * N; i++) assert_true((c[i] != d[i]) == (i % N == 66));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_gives_the_bits_of_the_definition),
        cmocka_unit_test(products_of_nothing_are_what_is_added),
        cmocka_unit_test(a_wrong_value_shows_where_it_belongs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
