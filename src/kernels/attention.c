/* Attention, one sequence and one head at a time.  Queries go in blocks of rows; a causal block meets only the keys up
 * to its own last row, so the masked half is skipped but for the corner of each block, which is set to zero. */
#include <math.h>
#include <string.h>

#include "palimpsest/kernels.h"

#include "vector_private.h"

enum { BLOCK = 64 };

struct piece { /* one head of one sequence: views into qkv, and a block of its queries */
    const float *query, *key, *value;
    int stride, size;       /* from row to row; channels of the head */
    int length, from, rows; /* of the sequence; the block of queries */
    int keys;               /* that the block meets */
    float scale;
    bool causal;
};

static struct piece piece_of(const float *qkv, struct packing packing, int sequence, int head, int channels, int heads,
                             bool causal)
{
    struct piece piece = {.stride = 3 * channels, .size = channels / heads, .causal = causal};
    piece.query = qkv + (size_t)packing.start[sequence] * piece.stride + (size_t)head * piece.size;
    piece.key = piece.query + channels;
    piece.value = piece.key + channels;
    piece.length = packing.start[sequence + 1] - packing.start[sequence];
    piece.scale = 1 / sqrtf((float)piece.size);
    return piece;
}

static void choose_block(struct piece *piece, int from)
{
    piece->from = from;
    piece->rows = piece->length - from < BLOCK ? piece->length - from : BLOCK;
    piece->keys = piece->causal ? from + piece->rows : piece->length;
}

static void softmax_block(const struct piece *piece, float *scores)
{
    if (!piece->causal) {
        softmax_rows(scores, piece->rows, piece->keys, piece->length);
        return;
    }
    for (int row = 0; row < piece->rows; row++) {
        float *x = scores + (size_t)row * piece->length;
        int seen = piece->from + row + 1;
        softmax_rows(x, 1, seen, piece->length);
        memset(x + seen, 0, (size_t)(piece->keys - seen) * sizeof *x);
    }
}

static void forward_block(const struct piece *piece, float *out, float *scores, int channels)
{
    struct operand query = {piece->query + (size_t)piece->from * piece->stride, piece->stride, AS_IS};
    scores += (size_t)piece->from * piece->length;
    matrix_product(piece->rows, piece->keys, piece->size, piece->scale, query,
                   (struct operand){piece->key, piece->stride, TRANSPOSED}, NO_ADDEND, scores, piece->length);
    softmax_block(piece, scores);
    matrix_product(piece->rows, piece->size, piece->keys, 1, (struct operand){scores, piece->length, AS_IS},
                   (struct operand){piece->value, piece->stride, AS_IS}, NO_ADDEND,
                   out + (size_t)piece->from * channels, channels);
}

/* Where the probabilities [length][length] of one piece are kept. */
static size_t kept_at(const struct piece *piece, struct packing packing, int sequence, int head, int heads)
{
    return (size_t)packing.start[sequence] * heads * packing.longest + (size_t)head * piece->length * piece->length;
}

void attention_forward(float *out, float *probability, const float *qkv, struct packing packing, int channels,
                       int heads, bool causal, bool keep)
{
    for (int s = 0; s < packing.sequences; s++)
        for (int h = 0; h < heads; h++) {
            struct piece piece = piece_of(qkv, packing, s, h, channels, heads, causal);
            float *scores = probability + (keep ? kept_at(&piece, packing, s, h, heads) : 0);
            float *to = out + (size_t)packing.start[s] * channels + (size_t)h * piece.size;
            for (int from = 0; from < piece.length; from += BLOCK) {
                choose_block(&piece, from);
                forward_block(&piece, to, scores, channels);
            }
        }
}

/* p = softmax(scores): dscores = p (dp - sum over the row of p dp), in place of dp; masked keys have p = 0. */
CLONED static void softmax_backward(float *dp, const float *p, int rows, int columns, int stride)
{
    for (int row = 0; row < rows; row++) {
        float *restrict d = dp + (size_t)row * stride;
        const float *restrict x = p + (size_t)row * stride;
        float sum;
        SUM_IN_LANES(sum, columns, x[i] * d[i]);
        for (int i = 0; i < columns; i++) d[i] = x[i] * (d[i] - sum);
    }
}

/* The first block of a piece to come here meets all the keys; the others add to what it left. */
static void backward_block(const struct piece *piece, float *dquery, float *dp, const float *dout, const float *p,
                           int channels, bool first_one)
{
    size_t first = (size_t)piece->from * piece->stride;
    float *dkey = dquery + channels, *dvalue = dkey + channels;
    int rows = piece->rows, keys = piece->keys, size = piece->size, stride = piece->stride, length = piece->length;
    struct addend to_values = {first_one ? NULL : dvalue, stride, NULL},
                  to_keys = {first_one ? NULL : dkey, stride, NULL};
    dout += (size_t)piece->from * channels;
    p += (size_t)piece->from * length;
    /* out = p value */
    matrix_product(rows, keys, size, 1, (struct operand){dout, channels, AS_IS},
                   (struct operand){piece->value, stride, TRANSPOSED}, NO_ADDEND, dp, length);
    matrix_product(keys, size, rows, 1, (struct operand){p, length, TRANSPOSED},
                   (struct operand){dout, channels, AS_IS}, to_values, dvalue, stride);
    softmax_backward(dp, p, rows, keys, length);
    /* scores = scale query key^T */
    matrix_product(rows, size, keys, piece->scale, (struct operand){dp, length, AS_IS},
                   (struct operand){piece->key, stride, AS_IS}, NO_ADDEND, dquery + first, stride);
    matrix_product(keys, size, rows, piece->scale, (struct operand){dp, length, TRANSPOSED},
                   (struct operand){piece->query + first, stride, AS_IS}, to_keys, dkey, stride);
}

void attention_backward(float *dqkv, float *scratch, const float *dout, const float *probability, const float *qkv,
                        struct packing packing, int channels, int heads, bool causal)
{
    for (int s = 0; s < packing.sequences; s++)
        for (int h = 0; h < heads; h++) {
            struct piece piece = piece_of(qkv, packing, s, h, channels, heads, causal);
            const float *p = probability + kept_at(&piece, packing, s, h, heads);
            const float *from_out = dout + (size_t)packing.start[s] * channels + (size_t)h * piece.size;
            float *dquery = dqkv + (piece.query - qkv);
            int last = (piece.length - 1) / BLOCK * BLOCK;
            for (int from = last; from >= 0; from -= BLOCK) {
                choose_block(&piece, from);
                backward_block(&piece, dquery, scratch, from_out, p, channels, from == last);
            }
        }
}
