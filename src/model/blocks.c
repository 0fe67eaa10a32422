/* The transformer's blocks, forward and backward, over one packed batch. */
#include <string.h>

#include "model_private.h"

/* Views of what block `block` keeps; forward only, all blocks share the place of the first. */
struct views {
    float *hidden, *next; /* the residual stream before and after the block */
    float *stats1, *norm1, *qkv, *probability, *attended, *middle, *stats2, *norm2, *slope, *active;
};

static struct views views_of(const struct model *model, int block)
{
    const struct model_shape *shape = &model->shape;
    const size_t rows = (size_t)model->most_tokens, width = (size_t)shape->width;
    const size_t kept = rows * (size_t)(model->training ? block : 0);
    float *const *buffer = model->buffer;
    return (struct views){
        .hidden = buffer[WORK_HIDDEN] + rows * width * (size_t)block,
        .next = buffer[WORK_HIDDEN] + rows * width * (size_t)(block + 1),
        .stats1 = buffer[WORK_STATS] + 4 * kept,
        .norm1 = buffer[WORK_NORM1] + kept * width,
        .qkv = buffer[WORK_QKV] + kept * 3 * width,
        .probability = buffer[WORK_PROBABILITY] + kept * (size_t)(shape->heads * shape->context),
        .attended = buffer[WORK_ATTENDED] + kept * width,
        .middle = buffer[WORK_MIDDLE] + kept * width,
        .stats2 = buffer[WORK_STATS] + 4 * kept + 2 * rows,
        .norm2 = buffer[WORK_NORM2] + kept * width,
        .slope = buffer[WORK_SLOPE] + kept * width * (size_t)shape->feed_forward,
        .active = buffer[WORK_ACTIVE] + kept * width * (size_t)shape->feed_forward,
    };
}

/* The final norm's, after those of all blocks. */
static float *final_stats(const struct model *model)
{
    size_t kept = (size_t)model->most_tokens * (size_t)(model->training ? model->shape.layers : 1);
    return model->buffer[WORK_STATS] + 4 * kept;
}

/* The residual stream where the final norm reads it. */
static const float *last_rows(const struct pass *pass)
{
    const struct model *model = pass->model;
    return model->buffer[WORK_HIDDEN] + (size_t)model->most_tokens * (size_t)model->shape.width * (size_t)pass->blocks;
}

const float *pass_values(const struct pass *pass, int tensor)
{
    return pass->state->values + pass->state->tensor[tensor].offset;
}

float *pass_gradient(const struct pass *pass, int tensor)
{
    return pass->gradient + pass->state->tensor[tensor].offset;
}

bool pass_trains(const struct pass *pass, int tensor)
{
    return pass->gradient && (pass->freeze == 0 || pass->state->tensor[tensor].layer > pass->freeze);
}

static const float *values_of(const struct pass *pass, int block, int which)
{
    return pass_values(pass, tensor_of_block(&pass->model->shape, block, which));
}

static float *gradient_of(const struct pass *pass, int block, int which)
{
    return pass_gradient(pass, tensor_of_block(&pass->model->shape, block, which));
}

static bool is_causal(const struct model *model) { return model->shape.objective == OBJECTIVE_CAUSAL; }

static void attend(const struct pass *pass, const struct views *at, int block)
{
    const struct model *model = pass->model;
    const int rows = model->tokens, width = model->shape.width;
    profile_part(PROFILE_NORM);
    norm_forward(at->norm1, at->stats1, at->hidden, values_of(pass, block, NORM1_WEIGHT),
                 values_of(pass, block, NORM1_BIAS), rows, width);
    profile_part(PROFILE_PRODUCT_FORWARD);
    linear_forward(at->qkv, at->norm1, values_of(pass, block, QKV_WEIGHT), values_of(pass, block, QKV_BIAS), NULL, rows,
                   width, 3 * width);
    profile_part(PROFILE_ATTENTION);
    attention_forward(at->attended, model->training ? at->probability : model->scores, at->qkv, model->packing, width,
                      model->shape.heads, is_causal(model), model->training);
    profile_part(PROFILE_PRODUCT_FORWARD);
    linear_forward(at->middle, at->attended, values_of(pass, block, OUTPUT_WEIGHT), values_of(pass, block, OUTPUT_BIAS),
                   at->hidden, rows, width, width);
}

static void feed_forward(const struct pass *pass, const struct views *at, int block)
{
    const int rows = pass->model->tokens, width = pass->model->shape.width;
    const int inner = width * pass->model->shape.feed_forward;
    profile_part(PROFILE_NORM);
    norm_forward(at->norm2, at->stats2, at->middle, values_of(pass, block, NORM2_WEIGHT),
                 values_of(pass, block, NORM2_BIAS), rows, width);
    profile_part(PROFILE_PRODUCT_FORWARD);
    linear_forward(at->slope, at->norm2, values_of(pass, block, UP_WEIGHT), NULL, NULL, rows, width, inner);
    profile_part(PROFILE_GELU);
    bias_gelu_forward(at->active, at->slope, values_of(pass, block, UP_BIAS), rows, inner);
    profile_part(PROFILE_PRODUCT_FORWARD);
    linear_forward(at->next, at->active, values_of(pass, block, DOWN_WEIGHT), values_of(pass, block, DOWN_BIAS),
                   at->middle, rows, inner, width);
}

static void check_batch(const struct pass *pass)
{
    const struct model *model = pass->model;
    const struct batch *batch = pass->batch;
    const struct model_shape *shape = &model->shape;
    CHECK(batch->sequences >= 1 && batch->sequences <= model->most_sequences && batch->tokens <= model->most_tokens,
          "%d sequences, %d tokens; room for %d, %d", batch->sequences, batch->tokens, model->most_sequences,
          model->most_tokens);
    CHECK(batch->start[0] == 0 && batch->start[batch->sequences] == batch->tokens, "sequences do not fill the batch");
    for (int s = 0; s < batch->sequences; s++) {
        int length = batch->start[s + 1] - batch->start[s];
        CHECK(length >= 1 && length <= shape->context, "a sequence of %d tokens, context %d", length, shape->context);
    }
    for (int i = 0; i < batch->tokens; i++)
        CHECK(batch->token[i] < shape->vocabulary, "token %d of %d", batch->token[i], shape->vocabulary);
    CHECK(shape_equal(shape, &pass->state->shape), "the state has another shape than the model");
    CHECK(!pass->gradient || model->training, "the model was created without room for the way back");
    CHECK(pass->freeze >= 0 && pass->freeze <= shape->layers + 1, "%d of %d blocks frozen", pass->freeze,
          shape->layers);
    CHECK(pass->blocks >= 0 && pass->blocks <= shape->layers, "%d of %d blocks run", pass->blocks, shape->layers);
}

void blocks_forward(struct pass *pass)
{
    struct model *model = pass->model;
    const struct model_shape *shape = &model->shape;
    check_batch(pass);
    model->tokens = pass->batch->tokens;
    model->packing = (struct packing){pass->batch->sequences, pass->batch->start, shape->context};
    profile_part(PROFILE_EMBEDDING);
    embedding_forward(model->buffer[WORK_HIDDEN], pass->batch->token, pass_values(pass, TOKENS),
                      pass_values(pass, POSITIONS), model->packing, shape->width);
    for (int block = 0; block < pass->blocks; block++) {
        struct views at = views_of(model, block);
        attend(pass, &at, block);
        feed_forward(pass, &at, block);
    }
    profile_part(PROFILE_NORM);
    norm_forward(model->buffer[WORK_FINAL], final_stats(model), last_rows(pass),
                 pass_values(pass, tensor_of_final(shape, FINAL_WEIGHT)),
                 pass_values(pass, tensor_of_final(shape, FINAL_BIAS)), model->tokens, shape->width);
}

/* The way back through a linear layer of a block: dout to din, and to the gradients of weight and bias. */
static void back_linear(const struct pass *pass, int block, int weight, float *din, const float *dout, const float *in,
                        int inner, int columns)
{
    profile_part(PROFILE_PRODUCT_BACKWARD);
    linear_backward(din, gradient_of(pass, block, weight), gradient_of(pass, block, weight + 1), dout, in,
                    values_of(pass, block, weight), pass->model->tokens, inner, columns);
}

static void back_norm(const struct pass *pass, int block, int weight, const float *in, const float *stats)
{
    float *const *buffer = pass->model->buffer;
    profile_part(PROFILE_NORM);
    norm_backward(buffer[WORK_DHIDDEN], gradient_of(pass, block, weight), gradient_of(pass, block, weight + 1),
                  buffer[WORK_DNORM], in, stats, values_of(pass, block, weight), pass->model->tokens,
                  pass->model->shape.width);
}

static void back_feed_forward(const struct pass *pass, const struct views *at, int block)
{
    const int rows = pass->model->tokens, width = pass->model->shape.width;
    const int inner = width * pass->model->shape.feed_forward;
    float *const *buffer = pass->model->buffer;
    /* next = middle + gelu(norm(middle) up) down */
    back_linear(pass, block, DOWN_WEIGHT, buffer[WORK_DWIDE], buffer[WORK_DHIDDEN], at->active, inner, width);
    profile_part(PROFILE_GELU);
    gelu_backward(buffer[WORK_DWIDE], at->slope, (size_t)rows * (size_t)inner);
    back_linear(pass, block, UP_WEIGHT, buffer[WORK_DNORM], buffer[WORK_DWIDE], at->norm2, width, inner);
    back_norm(pass, block, NORM2_WEIGHT, at->middle, at->stats2);
}

static void back_attend(const struct pass *pass, const struct views *at, int block)
{
    const struct model *model = pass->model;
    const int width = model->shape.width;
    float *const *buffer = model->buffer;
    /* middle = hidden + attention(norm(hidden) qkv) output */
    back_linear(pass, block, OUTPUT_WEIGHT, buffer[WORK_DNORM], buffer[WORK_DHIDDEN], at->attended, width, width);
    profile_part(PROFILE_ATTENTION);
    attention_backward(buffer[WORK_DWIDE], model->scores, buffer[WORK_DNORM], at->probability, at->qkv, model->packing,
                       width, model->shape.heads, is_causal(model));
    back_linear(pass, block, QKV_WEIGHT, buffer[WORK_DNORM], buffer[WORK_DWIDE], at->norm1, width, 3 * width);
    back_norm(pass, block, NORM1_WEIGHT, at->hidden, at->stats1);
}

void blocks_backward(struct pass *pass)
{
    struct model *model = pass->model;
    const struct model_shape *shape = &model->shape;
    float *const *buffer = model->buffer;
    const int weight = tensor_of_final(shape, FINAL_WEIGHT), bias = tensor_of_final(shape, FINAL_BIAS);
    if (!pass_trains(pass, weight)) return; /* the heads stand alone */
    memset(buffer[WORK_DHIDDEN], 0, (size_t)model->tokens * (size_t)shape->width * sizeof(float));
    profile_part(PROFILE_NORM);
    norm_backward(buffer[WORK_DHIDDEN], pass_gradient(pass, weight), pass_gradient(pass, bias), buffer[WORK_DNORM],
                  last_rows(pass), final_stats(model), pass_values(pass, weight), model->tokens, shape->width);
    for (int block = pass->blocks - 1; block >= 0; block--) {
        if (!pass_trains(pass, tensor_of_block(shape, block, NORM1_WEIGHT))) return; /* nor is anything below it */
        struct views at = views_of(model, block);
        back_feed_forward(pass, &at, block);
        back_attend(pass, &at, block);
    }
    profile_part(PROFILE_EMBEDDING);
    if (pass_trains(pass, TOKENS))
        embedding_backward(pass_gradient(pass, TOKENS), pass_gradient(pass, POSITIONS), pass->batch->token,
                           buffer[WORK_DHIDDEN], model->packing, shape->width);
}
