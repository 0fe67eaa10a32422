/* The model's shape in numbers: parameters, operations, bytes. */
#include "palimpsest/spec.h"

struct model_shape shape_of(const struct settings *settings, int vocabulary)
{
    return (struct model_shape){
        .layers = (int)settings->model.layers,
        .width = (int)settings->model.width,
        .heads = (int)settings->model.heads,
        .context = (int)settings->model.context,
        .vocabulary = vocabulary,
        .feed_forward = (int)settings->model.feed_forward,
        .objective = (enum objective)settings->model.objective,
        .share_layers = settings->model.share_layers != 0,
    };
}

bool shape_equal(const struct model_shape *a, const struct model_shape *b)
{
    return a->layers == b->layers && a->width == b->width && a->heads == b->heads && a->context == b->context &&
           a->vocabulary == b->vocabulary && a->feed_forward == b->feed_forward && a->objective == b->objective &&
           a->share_layers == b->share_layers;
}

/* Attention: d^2 for each of query, key, value and output; feed-forward: up and down. */
static int64_t block_matrices(const struct model_shape *shape)
{
    int64_t width = shape->width;
    return (4 + 2 * (int64_t)shape->feed_forward) * width * width;
}

/* Biases of query, key, value, output, up and down; two norms with weight and bias. */
static int64_t block_vectors(const struct model_shape *shape)
{
    return (3 + 1 + (int64_t)shape->feed_forward + 1 + 4) * shape->width;
}

int64_t shape_parameters_non_embedding(const struct model_shape *shape)
{
    int64_t blocks = shape->share_layers ? 1 : shape->layers;
    return blocks * (block_matrices(shape) + block_vectors(shape)) + 2 * (int64_t)shape->width;
}

int64_t shape_parameters(const struct model_shape *shape)
{
    int64_t embeddings = ((int64_t)shape->vocabulary + shape->context) * shape->width;
    return embeddings + shape_parameters_non_embedding(shape);
}

/* Two operations per weight and token forward, four backward; scores and weighted values: 2 T d each, times three. */
double shape_training_flops(const struct model_shape *shape, double tokens, double length, bool lm_head)
{
    double matrices = (double)shape->layers * (double)block_matrices(shape);
    double head = lm_head ? (double)shape->vocabulary * shape->width : 0;
    return tokens * (6 * (matrices + head) + 12.0 * shape->layers * length * shape->width);
}

int64_t shape_state_bytes(const struct model_shape *shape, int heads, int classes)
{
    int64_t head_floats = (int64_t)classes * (shape->width + 1);
    (void)heads; /* a head is its classes' weights and biases: only their number counts */
    return (int64_t)sizeof(float) * (shape_parameters(shape) + head_floats);
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* Forward only, the blocks take turns in the buffers of one; only the hidden rows after each are kept. */
void shape_work_table(const struct model_shape *shape, int tokens, int sequences, bool training,
                      int64_t start[WORK_BUFFERS + 1])
{
    const int64_t width = shape->width, inner = width * shape->feed_forward, rows = tokens;
    const int64_t kept = rows * (training ? shape->layers : 1), back = training ? rows : 0;
    const int64_t square = (int64_t)shape->context * shape->context;
    const int64_t logit_rows = tokens < LOGIT_ROWS ? tokens : LOGIT_ROWS, read_rows = larger(logit_rows, sequences);
    const int64_t floats[WORK_BUFFERS] = {
        [WORK_HIDDEN] = (shape->layers + 1) * rows * width,
        [WORK_FINAL] = rows * width,
        [WORK_STATS] = 2 * (2 * kept + rows),
        [WORK_NORM1] = kept * width,
        [WORK_QKV] = kept * 3 * width,
        [WORK_PROBABILITY] = training ? kept * shape->heads * shape->context : square,
        [WORK_ATTENDED] = kept * width,
        [WORK_MIDDLE] = kept * width,
        [WORK_NORM2] = kept * width,
        [WORK_SLOPE] = kept * inner,
        [WORK_ACTIVE] = kept * inner,
        [WORK_ROWS] = read_rows * width,
        [WORK_LOGITS] = larger(logit_rows * shape->vocabulary, (int64_t)sequences * CLASSES_MAX),
        [WORK_LABELS] = CLASSES_MAX * width,
        [WORK_DHIDDEN] = back * width,
        [WORK_DNORM] = back * width,
        [WORK_DWIDE] = back * larger(3 * width, inner),
        [WORK_DSCORES] = training ? square : 0,
        [WORK_DROWS] = training ? read_rows * width : 0,
        [WORK_DLABELS] = training ? CLASSES_MAX * width : 0,
    };
    start[0] = 0;
    for (int i = 0; i < WORK_BUFFERS; i++) start[i + 1] = start[i] + (floats[i] + 15) / 16 * 16; /* whole cache lines */
}

int64_t shape_work_bytes(const struct model_shape *shape, int tokens, int sequences, bool training)
{
    int64_t start[WORK_BUFFERS + 1];
    shape_work_table(shape, tokens, sequences, training, start);
    int64_t floats = start[WORK_BUFFERS] + (training ? shape_parameters(shape) : 0);
    return (int64_t)sizeof(float) * floats + (int64_t)(sizeof(int) + sizeof(int32_t)) * tokens; /* rows, targets */
}

void shape_measuring_batch(const struct model_shape *shape, int *tokens, int *sequences)
{
    enum { BUDGET = 2048, MOST_SEQUENCES = 128 };
    *tokens = shape->context > BUDGET ? shape->context : BUDGET;
    *sequences = MOST_SEQUENCES;
}

void shape_training_batch(const struct model_shape *shape, const struct settings *settings, int *tokens, int *sequences)
{
    int64_t most = settings->pretrain.batch;
    if (settings->first.batch > most) most = settings->first.batch;
    if (settings->second.batch > most) most = settings->second.batch;
    *sequences = (int)most;
    *tokens = (int)most * shape->context;
}
