/* Attention, one sequence and one head at a time.  Where it is causal, the products leave out the masked half. */
#include <math.h>

#include "palimpsest/kernels.h"

#include "threads_private.h"
#include "vector_private.h"

struct piece { /* one head of one sequence: views into qkv */
    const float *query, *key, *value;
    int stride, size, length; /* from row to row; channels of the head; rows of the sequence */
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

/* c[length][columns] = alpha a b, of which triangle counts if the attention is causal. */
static void multiply(const struct piece *piece, int columns, int inner, float alpha, struct operand a, struct operand b,
                     float *c, int stride, enum triangle triangle)
{
    matrix_product(piece->length, columns, inner, alpha, a, b, NO_ADDEND, c, stride, piece->causal ? triangle : WHOLE);
}

/* Row r sees the keys up to r; what it does not see gets probability 0. */
CLONED static void softmax_seen(float *scores, int length, bool causal)
{
    for (int row = 0; row < length; row++)
        softmax_row(scores + (size_t)row * length, length, causal ? row + 1 : length);
}

static void forward_piece(const struct piece *piece, float *out, float *scores, int channels)
{
    const int length = piece->length, size = piece->size, stride = piece->stride;
    multiply(piece, length, size, piece->scale, (struct operand){piece->query, stride, AS_IS},
             (struct operand){piece->key, stride, TRANSPOSED}, scores, length, LOWER_RESULT);
    softmax_seen(scores, length, piece->causal);
    multiply(piece, size, length, 1, (struct operand){scores, length, AS_IS},
             (struct operand){piece->value, stride, AS_IS}, out, channels, LOWER_LEFT);
}

/* Where the probabilities [length][length] of one piece are kept. */
static size_t kept_at(const struct piece *piece, struct packing packing, int sequence, int head, int heads)
{
    return (size_t)packing.start[sequence] * heads * packing.longest + (size_t)head * piece->length * piece->length;
}

/* p = softmax(scores): dscores = p (dp - sum over the row of p dp), in place of dp; keys that are not seen get 0. */
CLONED static void softmax_backward(float *dp, const float *p, int length, bool causal)
{
    for (int row = 0; row < length; row++, dp += length, p += length) {
        const int seen = causal ? row + 1 : length;
        lanes sums = {0};
        int i = 0;
        for (; i < seen; i += LANES)
            sums += lanes_first(lanes_read(p, i, length, 0) * lanes_read(dp, i, length, 0), seen - i, 0);
        const float sum = lanes_sum(sums);
        for (i = 0; i < seen; i += LANES) {
            lanes slope = lanes_read(p, i, length, 0) * (lanes_read(dp, i, length, 0) - sum);
            lanes_write(dp, i, length, lanes_first(slope, seen - i, 0));
        }
        for (; i < length; i += LANES) lanes_write(dp, i, length, lanes_all(0));
    }
}

static void backward_piece(const struct piece *piece, float *dquery, float *dp, const float *dout, const float *p,
                           int channels)
{
    const int length = piece->length, size = piece->size, stride = piece->stride;
    float *dkey = dquery + channels, *dvalue = dkey + channels;
    /* out = p value */
    multiply(piece, length, size, 1, (struct operand){dout, channels, AS_IS},
             (struct operand){piece->value, stride, TRANSPOSED}, dp, length, LOWER_RESULT);
    multiply(piece, size, length, 1, (struct operand){p, length, TRANSPOSED}, (struct operand){dout, channels, AS_IS},
             dvalue, stride, UPPER_LEFT);
    softmax_backward(dp, p, length, piece->causal);
    /* scores = scale query key^T */
    multiply(piece, size, length, piece->scale, (struct operand){dp, length, AS_IS},
             (struct operand){piece->key, stride, AS_IS}, dquery, stride, LOWER_LEFT);
    multiply(piece, size, length, piece->scale, (struct operand){dp, length, TRANSPOSED},
             (struct operand){piece->query, stride, AS_IS}, dkey, stride, UPPER_LEFT);
}

/* ---- all pieces ---- */

struct attention { /* arguments of one of the two ways; those of the other are NULL */
    float *out, *probability, *dqkv, *scratch;
    const float *qkv, *dout, *kept;
    struct packing packing;
    int channels, heads;
    bool causal, keep;
    /* first: where the piece begins in [N][C]; kept: where its probabilities are kept; spare: room of this share */
    void (*carry_out)(const struct attention *attention, const struct piece *piece, size_t first, size_t kept,
                      size_t spare);
};

static void share_pieces(void *context, int share, int shares)
{
    const struct attention *attention = context;
    const int heads = attention->heads, pieces = attention->packing.sequences * heads;
    const int end = share_begin(pieces, share + 1, shares);
    const size_t longest = (size_t)attention->packing.longest;
    for (int p = share_begin(pieces, share, shares); p < end; p++) {
        const int s = p / heads, h = p % heads;
        struct piece piece =
            piece_of(attention->qkv, attention->packing, s, h, attention->channels, heads, attention->causal);
        size_t first = (size_t)attention->packing.start[s] * (size_t)attention->channels + (size_t)(h * piece.size);
        attention->carry_out(attention, &piece, first, kept_at(&piece, attention->packing, s, h, heads),
                             (size_t)share * longest * longest);
    }
}

static void share_attention(struct attention *attention)
{
    const struct packing *packing = &attention->packing;
    threads_share(share_pieces, attention,
                  (double)packing->start[packing->sequences] * packing->longest * attention->channels);
}

static void carry_forward(const struct attention *attention, const struct piece *piece, size_t first, size_t kept,
                          size_t spare)
{
    forward_piece(piece, attention->out + first, attention->probability + (attention->keep ? kept : spare),
                  attention->channels);
}

void attention_forward(float *out, float *probability, const float *qkv, struct packing packing, int channels,
                       int heads, bool causal, bool keep)
{
    struct attention attention = {.out = out,
                                  .probability = probability,
                                  .qkv = qkv,
                                  .packing = packing,
                                  .channels = channels,
                                  .heads = heads,
                                  .causal = causal,
                                  .keep = keep,
                                  .carry_out = carry_forward};
    share_attention(&attention);
}

static void carry_backward(const struct attention *attention, const struct piece *piece, size_t first, size_t kept,
                           size_t spare)
{
    backward_piece(piece, attention->dqkv + (piece->query - attention->qkv), attention->scratch + spare,
                   attention->dout + first, attention->kept + kept, attention->channels);
}

void attention_backward(float *dqkv, float *scratch, const float *dout, const float *probability, const float *qkv,
                        struct packing packing, int channels, int heads, bool causal)
{
    struct attention attention = {.dqkv = dqkv,
                                  .scratch = scratch,
                                  .dout = dout,
                                  .kept = probability,
                                  .qkv = qkv,
                                  .packing = packing,
                                  .channels = channels,
                                  .heads = heads,
                                  .causal = causal,
                                  .carry_out = carry_backward};
    share_attention(&attention);
}
