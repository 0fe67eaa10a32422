/* model: the transformer's tensors as one table, its state, its forward and backward pass.
 *
 * Pre-norm decoder (causal) or encoder (masked): token + learned position embeddings, L blocks of attention and GELU
 * feed-forward (GPT-2's tanh form), final layer norm, LM head tied to the token embedding (Radford et al. 2019).
 * Batches are packed: the sequences of a batch stand one after the other without padding. */
#ifndef PALIMPSEST_MODEL_H
#define PALIMPSEST_MODEL_H

#include "palimpsest/spec.h"

/* ---- tensors: names as a PyTorch state dict would have them ---- */

struct tensor {
    char name[NAME_MAX_BYTES + 16]; /* "heads.", a task, ".weight" */
    int rows, columns; /* columns 0: a vector of `rows` */
    size_t offset;     /* in floats from the start of the block */
    int layer;         /* 0 embeddings, 1 .. L blocks, L + 1 final norm, L + 2 heads; shared layers: 1 */
    bool decays;       /* weight decay applies: matrices, not norms, biases, embeddings of positions */
};
size_t tensor_floats(const struct tensor *tensor);
struct head_shape {
    char task[NAME_MAX_BYTES]; /* "shared" for the shared head */
    int classes;
};

/* What was measured on the way to a state: part of it, so that any worker can go on from it. */
struct looks { /* at a training on its way, before its end; see look_step */
    struct hash128 of; /* what is looked at, as the assignment says; zero: nothing */
    int64_t count;     /* taken so far */
    double lm_loss[LOOKS_MAX]; /* mean over the reference domains */
    double accuracy[PLACES_MAX][LOOKS_MAX], loss[PLACES_MAX][LOOKS_MAX]; /* of the task of each place */
};
struct trace { /* of the training that is going on: pretraining from its start, or one fine-tuning */
    int64_t steps;
    double loss_sum[POINTS_MAX], norm_sum[LAYERS_MAX + 2]; /* by curve point; by layer (embedding, blocks, final) */
    int64_t loss_count[POINTS_MAX];
    double block_bits[BLOCKS_MAX]; /* of a prequential code: of each block so far but the first */
    struct looks looks;
};
struct history {
    int lm_losses;                              /* stages of which the reference loss is known */
    double lm_loss[2 + PLACES_MAX];             /* mean over the reference domains: initial, pretrained, first, ... */
    double accuracy[PLACES_MAX][PLACES_MAX];    /* [after place][task of place] */
    double loss[PLACES_MAX][PLACES_MAX];
    double chance[PLACES_MAX];                  /* of the task of each place */
    int items[PLACES_MAX];                      /* test items behind each accuracy */
    double first_steps;                         /* of the first learning until it counts as recovered; NaN: it never was */
};
struct state {
    struct model_shape shape;
    int heads;
    struct head_shape head[PLACES_MAX];
    int tensors;
    struct tensor *tensor;
    size_t floats;
    float *values;   /* [floats] */
    float *moments;  /* [2 floats]: AdamW's m, then v; NULL when the state does not carry them */
    int64_t step;    /* pretraining: absolute; fine-tuning: of this stage */
    struct trace trace;
    struct history history;
};
struct state *state_create(const struct model_shape *shape, const struct head_shape *head, int heads, bool moments);
void state_destroy(struct state **state);
/* moments: with the optimiser's moments, zero where state has none. */
struct state *state_copy(const struct state *state, bool moments);
/* Initial weights by (seed, tensor name): normal with that deviation, residual projections divided by sqrt(2 L), norms 1,
 * biases 0. */
void state_initialise(struct state *state, uint64_t seed, double deviation);
/* A new state with one more head, drawn by (seed, task, place); everything else as it was. */
struct state *state_with_head(const struct state *state, const char *task, int classes, uint64_t seed, int place,
                              double deviation);
int state_find_head(const struct state *state, const char *task); /* or -1 */
const struct tensor *state_tensor(const struct state *state, const char *name); /* or NULL */
struct hash128 state_hash(const struct state *state); /* of shape, values, moments, step: for tests and golden bits */

/* ---- passes ---- */

struct batch {
    int sequences, tokens;
    const int *start;       /* [sequences + 1]: first token of each sequence; start[sequences] = tokens */
    const uint16_t *token;  /* [tokens] */
    const int32_t *target;  /* [tokens]: token to predict, or -1: none; NULL without LM loss */
};
struct readout { /* how a task is read out */
    enum head_kind kind;
    enum pool_kind pool;
    int head;                  /* of the state; unused for HEAD_LM */
    int classes;
    const uint16_t *label_token; /* [classes], for HEAD_LM: the classes are these words, renormalised among themselves */
    int skip; /* top blocks left out: the final norm and the head read what comes out of block L - skip; 0: none */
};
struct model; /* buffers for one shape; not tied to a state */
struct model *model_create(const struct model_shape *shape, int most_tokens, int most_sequences, bool training);
void model_destroy(struct model **model);
/* Mean cross-entropy (nats) over the targets of the batch.  gradient[floats of the state] gets its gradient added, NULL:
 * forward only.  freeze: layers 0 .. freeze get no gradient (0: all do; 1: embeddings and the first block frozen;
 * layers + 1: all but the heads). */
double model_lm(struct model *model, const struct state *state, const struct batch *batch, float *gradient, int freeze);
/* The same for labels[sequences]; log_probability[sequences][classes] is filled when not NULL. */
double model_labels(struct model *model, const struct state *state, const struct batch *batch,
                    const struct readout *readout, const int *label, float *log_probability, float *gradient,
                    int freeze);
/* Hidden rows after `layer` of the last pass (0 embeddings, 1 .. L blocks, L + 1 final norm): [tokens][width], borrowed;
 * those of blocks that it left out are of an earlier pass. */
const float *model_hidden(const struct model *model, int layer);
/* Forward only, nothing read out: for what model_hidden and model_pooled give then. */
void model_forward(struct model *model, const struct state *state, const struct batch *batch);
/* Of the last pass, which was over this batch: out[sequences][width], of each sequence its last hidden row after `layer`, or
 * the mean of its rows. */
void model_pooled(const struct model *model, const struct batch *batch, int layer, enum pool_kind pool, float *out);

/* Name of the arithmetic in use, part of the numerics class: BLAS library, version and kernel.  What is not a matrix product
 * gives the same bits on every instruction set (kernels.h). */
void model_numerics(char *text, size_t size);

#endif
