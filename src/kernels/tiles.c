/* A product cut into tiles (Goto and van de Geijn 2008): a block of b is packed once, so that a tile reads it in one
 * stream, and meets strips of rows of a.  The packed block stays in the second cache, a strip in the first. */
#include <string.h>

#include "threads_private.h"
#include "tiles_private.h"
#include "vector_private.h"

enum {
    STEPS = 256,       /* of a block: a tile's share of b then fills two thirds of a first cache of 48 KiB at most */
    COLUMNS = 384,     /* of a block; a multiple of the columns of every set */
    SHORT = 16,        /* at least the rows of any tile */
    STRIP = STEPS + 16 /* from row to row of a strip: no power of two, whose rows would share few places of a cache */
};
static int least(int a, int b) { return a < b ? a : b; }

/* Kernels do not allocate: 384 + 17 KiB of every thread that computes products. */
static _Thread_local float packed[STEPS * COLUMNS] __attribute__((aligned(64)));
static _Thread_local float strip[SHORT * STRIP] __attribute__((aligned(64)));

size_t tiles_bytes(void) { return sizeof packed + sizeof strip; }

struct work { /* a product by a set of tiles */
    const struct tile_set *set;
    const struct product *product;
};
struct block { /* of b: steps step .. step + steps - 1, columns column .. column + columns - 1 */
    int step, steps, column, columns;
};

/* ---- b ---- */

/* alpha times `lines` lines of `length` floats each. */
CLONED static void copy_lines(float *to, size_t to_stride, const float *from, size_t from_stride, float alpha,
                              int lines, int length)
{
    for (int line = 0; line < lines; line++, to += to_stride, from += from_stride)
        for (int i = 0; i < length; i += LANES) lanes_write(to, i, length, alpha * lanes_read(from, i, length, 0));
}

static void pack_rows(const struct work *work, const struct block *block, int column, int columns, float *to)
{
    const int wide = work->set->columns;
    const float *from = work->product->b.values + (size_t)block->step * (size_t)work->product->b.stride + column;
    copy_lines(to, (size_t)wide, from, (size_t)work->product->b.stride, 1, block->steps, columns);
    for (int step = 0; columns < wide && step < block->steps; step++)
        memset(to + step * wide + columns, 0, (size_t)(wide - columns) * sizeof *to);
}

/* Squares of one vector, then what is left of the steps; columns that are not there are zero. */
static void pack_columns(const struct work *work, const struct block *block, int column, int columns, float *to)
{
    const int width = work->set->width, wide = work->set->columns, whole = block->steps / width * width;
    const size_t stride = (size_t)work->product->b.stride;
    for (int j = 0; j < wide; j++) {
        const float *from = work->product->b.values + (size_t)(column + j) * stride + block->step;
        bool square = j % width == 0 && j + width <= columns;
        for (int step = 0; square && step < whole; step += width)
            work->set->transpose(to + (size_t)step * (size_t)wide + j, (size_t)wide, from + step, stride);
        int first = j / width * width + width <= columns ? whole : 0;
        for (int step = first; step < block->steps; step++) to[step * wide + j] = j < columns ? from[step] : 0;
    }
}

static void pack(const struct work *work, const struct block *block)
{
    const int wide = work->set->columns;
    float *to = packed;
    for (int j = 0; j < block->columns; j += wide, to += block->steps * wide) {
        int columns = block->columns - j < wide ? block->columns - j : wide;
        (work->product->b.layout == AS_IS ? pack_rows : pack_columns)(work, block, block->column + j, columns, to);
    }
}

/* ---- a ---- */

struct reach { /* of a strip: its rows, and the steps of the block that count for them */
    int row, rows, from, steps;
};

static struct reach reach_of(const struct work *work, const struct block *block, int row, int rows)
{
    int from = block->step, end = block->step + block->steps;
    if (work->product->triangle == LOWER_LEFT && end > row + rows) end = row + rows;
    if (work->product->triangle == UPPER_LEFT && from < row) from = row;
    return (struct reach){row, rows, from < end ? from : block->step, from < end ? end - from : 0};
}

/* The rows and steps of a, or a copy of them, `alpha` times, where several tiles read it. */
static void take_strip(const struct work *work, const struct block *block, const struct reach *reach, struct tile *tile)
{
    const size_t stride = (size_t)work->product->a.stride;
    const bool together = work->product->a.layout == TRANSPOSED;
    const float *from = work->product->a.values + (together ? (size_t)reach->from * stride + (size_t)reach->row
                                                            : (size_t)reach->row * stride + (size_t)reach->from);
    *tile = (struct tile){.a = from, .apart = stride, .steps = reach->steps};
    if (block->columns <= 2 * work->set->columns && work->product->alpha == 1) return;
    tile->a = strip;
    tile->apart = together ? SHORT : STRIP;
    if (!together) {
        copy_lines(strip, STRIP, from, stride, work->product->alpha, reach->rows, reach->steps);
        return;
    }
    /* Lines of one length are copied fastest; at the last rows they begin before the strip, else they go beyond it. */
    int before = reach->row + SHORT - work->product->m;
    if (before < 0) before = 0;
    const bool short_one = before > reach->row;
    if (!short_one) tile->a = strip + before;
    copy_lines(strip, SHORT, short_one ? from : from - before, stride, work->product->alpha, reach->steps,
               short_one ? reach->rows : SHORT);
}

/* ---- c ---- */

static void copy_block(float *to, size_t to_stride, const float *from, size_t from_stride, int rows, int columns)
{
    for (int i = 0; i < rows; i++)
        memcpy(to + (size_t)i * to_stride, from + (size_t)i * from_stride, (size_t)columns * sizeof *to);
}

/* A tile that sticks out beyond the last column goes through a place of its own. */
static void edge_tile(const struct tile_set *set, tile_f *run, int rows, int vectors, int columns, struct tile tile)
{
    float first[TILE_ROWS_MOST * TILE_COLUMNS_MOST], row[TILE_COLUMNS_MOST], *c = tile.c;
    const size_t stride = tile.stride, wide = (size_t)set->columns;
    if (tile.first) {
        copy_block(first, wide, tile.first, tile.first_stride, rows, columns);
        for (int i = 0; i < rows; i++)
            memset(first + (size_t)i * wide + columns, 0, (wide - (size_t)columns) * sizeof *first);
        tile.first = first;
        tile.first_stride = wide;
    }
    if (tile.row) {
        memset(row, 0, sizeof row);
        memcpy(row, tile.row, (size_t)columns * sizeof *row);
        tile.row = row;
    }
    tile.c = first;
    tile.stride = wide;
    run(rows, vectors, &tile);
    copy_block(c, stride, first, wide, rows, columns);
}

/* What a tile begins with: what is added to the product, or what the steps before have left. */
static void begin_tile(const struct work *work, const struct block *block, int row, int column, struct tile *tile)
{
    const struct addend *addend = &work->product->addend;
    tile->c = work->product->c + (size_t)row * tile->stride + column;
    tile->first_stride = block->step > 0 ? tile->stride : (size_t)addend->stride;
    tile->first = tile->c;
    tile->row = NULL;
    if (block->step > 0) return;
    tile->first = addend->matrix ? addend->matrix + (size_t)row * tile->first_stride + column : NULL;
    tile->row = addend->row ? addend->row + column : NULL;
}

static void multiply_strip(const struct work *work, const struct block *block, int row, int rows)
{
    const struct tile_set *set = work->set;
    const struct reach reach = reach_of(work, block, row, rows);
    tile_f *run = work->product->a.layout == TRANSPOSED ? set->together : set->apart;
    int end = block->columns;
    struct tile tile;
    if (reach.steps == 0 && block->step > 0) return;
    if (work->product->triangle == LOWER_RESULT) end = least(end, row + rows - block->column);
    take_strip(work, block, &reach, &tile);
    tile.stride = (size_t)work->product->stride;
    for (int j = 0; j < end; j += set->columns) {
        const int columns = least(set->columns, block->columns - j);
        const int vectors = columns <= set->width ? 1 : set->columns / set->width;
        tile.b = packed + (size_t)j * (size_t)block->steps + (size_t)((reach.from - block->step) * set->columns);
        begin_tile(work, block, row, block->column + j, &tile);
        if (columns == vectors * set->width)
            run(rows, vectors, &tile);
        else
            edge_tile(set, run, rows, vectors, columns, tile);
    }
}

void tiles_product(const struct tile_set *set, const struct product *product)
{
    const struct work work = {set, product};
    const int m = product->m, strips = (m + set->rows - 1) / set->rows; /* of rows, as many in each as can be */
    struct block block;
    for (block.column = 0; block.column < product->n; block.column += COLUMNS)
        for (block.step = 0; block.step == 0 || block.step < product->k; block.step += STEPS) {
            block.columns = least(COLUMNS, product->n - block.column);
            block.steps = least(STEPS, product->k - block.step);
            pack(&work, &block);
            for (int s = 0; s < strips; s++) {
                int row = share_begin(m, s, strips);
                multiply_strip(&work, &block, row, share_begin(m, s + 1, strips) - row);
            }
        }
}
