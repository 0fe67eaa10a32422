/* The matrix product of our own: small tiles of the result, kept in registers while the inner dimension passes.
 *
 * Bits: an element of the result is one chain, from what is added to it through step 0, 1, 2, ... of the inner
 * dimension, each a multiplication and an addition rounded once.  No way of cutting the work (vectors, tiles, blocks,
 * threads) shows in it, so every instruction set here gives the same bits. */
#ifndef PALIMPSEST_TILES_PRIVATE_H
#define PALIMPSEST_TILES_PRIVATE_H

#include "palimpsest/kernels.h"

enum { TILE_ROWS_MOST = 14, TILE_COLUMNS_MOST = 32 };

struct tile { /* c[rows][vectors of a set] = first + row + a b; c, first and row have whole vectors */
    const float *a;
    size_t apart;   /* from row to row of a, or from step to step; see tile_f */
    int steps;      /* of the inner dimension */
    const float *b; /* [steps][columns of the set]: packed */
    const float *first, *row;
    size_t first_stride;
    float *c;
    size_t stride;
};
/* rows: 1 .. those of the set; vectors: 1, or all. */
typedef void tile_f(int rows, int vectors, const struct tile *tile);

struct tile_set { /* what one instruction set computes */
    const char *name;
    int rows, width, columns; /* of the largest tile; floats of a vector; columns: width x vectors */
    tile_f *apart, *together; /* steps of a row side by side, rows apart; rows side by side, steps apart */
    /* to[i][j] = from[j][i] for width x width values; strides in floats */
    void (*transpose)(float *to, size_t to_stride, const float *from, size_t from_stride);
};
/* Those that this processor can run, the best first; NULL: there are not so many.  The last is plain C. */
const struct tile_set *tile_set(int number);

struct product { /* arguments of matrix_product */
    int m, n, k;
    float alpha;
    struct operand a, b;
    struct addend addend;
    float *c;
    int stride;
    enum triangle triangle;
};
void tiles_product(const struct tile_set *set, const struct product *product);
size_t tiles_bytes(void); /* that products keep for a thread */

#endif
