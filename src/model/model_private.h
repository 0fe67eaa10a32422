/* Shared between the sources of model only. */
#ifndef PALIMPSEST_MODEL_PRIVATE_H
#define PALIMPSEST_MODEL_PRIVATE_H

#include "palimpsest/base_profile.h"
#include "palimpsest/kernels.h"
#include "palimpsest/model.h"

/* Order of the table: two embeddings, then the blocks, then the final norm, then two tensors for each head. */
enum { TOKENS, POSITIONS, BLOCKS };
enum {
    NORM1_WEIGHT,
    NORM1_BIAS,
    QKV_WEIGHT,
    QKV_BIAS,
    OUTPUT_WEIGHT,
    OUTPUT_BIAS,
    NORM2_WEIGHT,
    NORM2_BIAS,
    UP_WEIGHT,
    UP_BIAS,
    DOWN_WEIGHT,
    DOWN_BIAS,
    BLOCK_TENSORS
};
enum { FINAL_WEIGHT, FINAL_BIAS, FINAL_TENSORS };
enum { HEAD_WEIGHT, HEAD_BIAS, HEAD_TENSORS };

int tensor_sets(const struct model_shape *shape); /* blocks with tensors of their own: 1 when layers share */
int tensor_of_block(const struct model_shape *shape, int block, int which);
int tensor_of_final(const struct model_shape *shape, int which);
int tensor_of_head(const struct model_shape *shape, int head, int which);
/* Lays out state->tensor, ->tensors and ->floats for its shape and heads. */
void tensors_lay_out(struct state *state);

struct model {
    struct model_shape shape;
    int most_tokens, most_sequences;
    bool training;
    float *block, *buffer[WORK_BUFFERS]; /* views into the block */
    float *spare;                        /* what several threads need beside the block; NULL: nothing */
    float *scores;                       /* [threads][context^2]: of the pieces of attention in progress */
    int *row;                            /* [most_tokens]: rows that are read out */
    int32_t *target;                     /* [most_tokens]: what is wanted there */
    struct packing packing;              /* of the last pass; start is the caller's and is not used after it */
    int tokens;
};

/* A pass in progress: the gradient may be NULL. */
struct pass {
    struct model *model;
    const struct state *state;
    const struct batch *batch;
    float *gradient;
    int freeze;
    int blocks; /* that are run, from the bottom: all of them, unless a readout skips some */
};
const float *pass_values(const struct pass *pass, int tensor);
float *pass_gradient(const struct pass *pass, int tensor);
bool pass_trains(const struct pass *pass, int tensor); /* a gradient is wanted for this tensor */

/* Checks the batch against the buffers, then embeds, runs all blocks and the final norm. */
void blocks_forward(struct pass *pass);
/* From the gradient of the final norm's output in WORK_DNORM down to the embeddings, or to where `freeze` says. */
void blocks_backward(struct pass *pass);

#endif
