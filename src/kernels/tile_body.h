/* The tiles of one instruction set; tile_sets.c includes this once for each, with these macros:
 *
 *   SET(name)     name of a function of this set          TARGET         attribute that allows its instructions
 *   VECTOR        WIDTH floats                            ROWS, VECTORS  size of the largest tile
 *   LOAD(p) STORE(p, v) BROADCAST(x) SUM(a, b)            FUSED(a, b, c) a b + c, rounded once
 *
 * All sums of a tile stay in registers: ROWS x VECTORS of them, and room for a row of b and a factor beside them. */

/* rows, vectors and together are constants where this is called, so the loops over them unroll.  `together`: the values
 * of a for one step stand side by side, steps `apart`; else the steps stand side by side, rows `apart`. */
TARGET INLINED void SET(tile)(int rows, int vectors, bool together, const struct tile *tile)
{
    VECTOR sum[ROWS][VECTORS];
    const float *a[(ROWS + 2) / 3], *b = tile->b; /* every third row has a pointer: more do not fit into registers */
    const size_t apart = tile->apart;
    UNROLLED for (int i = 0; i < rows; i++)
        UNROLLED for (int v = 0; v < vectors; v++)
        {
            sum[i][v] = tile->first ? LOAD(tile->first + (size_t)i * tile->first_stride + v * WIDTH) : BROADCAST(0);
            if (tile->row) sum[i][v] = SUM(sum[i][v], LOAD(tile->row + v * WIDTH));
        }
    UNROLLED for (int i = 0; i < rows; i += 3) a[i / 3] = together ? tile->a : tile->a + (size_t)i * apart;
    for (int step = 0; step < tile->steps; step++) {
        VECTOR row[VECTORS];
        UNROLLED for (int v = 0; v < vectors; v++) row[v] = LOAD(b + v * WIDTH);
        b += VECTORS * WIDTH;
        UNROLLED for (int i = 0; i < rows; i++)
        {
            VECTOR factor = BROADCAST(together ? a[0][i] : a[i / 3][(size_t)(i % 3) * apart]);
            UNROLLED for (int v = 0; v < vectors; v++) sum[i][v] = FUSED(factor, row[v], sum[i][v]);
        }
        if (together)
            a[0] += apart;
        else
            UNROLLED for (int i = 0; i < rows; i += 3) a[i / 3]++;
    }
    UNROLLED for (int i = 0; i < rows; i++)
        UNROLLED for (int v = 0; v < vectors; v++) STORE(tile->c + (size_t)i * tile->stride + v * WIDTH, sum[i][v]);
}

#define TILE_CASE(n)                                                                                                   \
    case n:                                                                                                            \
        if (vectors == VECTORS)                                                                                        \
            SET(tile)(n, VECTORS, TOGETHER, tile);                                                                     \
        else                                                                                                           \
            SET(tile)(n, 1, TOGETHER, tile);                                                                           \
        break;

#define TOGETHER false
TARGET static void SET(apart)(int rows, int vectors, const struct tile *tile)
{
    switch (rows) {
        TILE_CASES
    default: CHECK(false, "a tile of %d rows", rows);
    }
}
#undef TOGETHER

#define TOGETHER true
TARGET static void SET(together)(int rows, int vectors, const struct tile *tile)
{
    switch (rows) {
        TILE_CASES
    default: CHECK(false, "a tile of %d rows", rows);
    }
}
#undef TOGETHER
#undef TILE_CASE

#undef TILE_CASES
#undef SET
#undef TARGET
#undef VECTOR
#undef WIDTH
#undef ROWS
#undef VECTORS
#undef LOAD
#undef STORE
#undef BROADCAST
#undef SUM
#undef FUSED
