/* What is read out of the last hidden rows: the next (or masked) token through the tied LM head, or a label. */
#include <math.h>
#include <string.h>

#include "model_private.h"

struct model *model_create(const struct model_shape *shape, int most_tokens, int most_sequences, bool training)
{
    int64_t start[WORK_BUFFERS + 1];
    CHECK(most_tokens >= 1 && most_sequences >= 1, "room for %d tokens, %d sequences", most_tokens, most_sequences);
    shape_work_table(shape, most_tokens, most_sequences, training, start);
    struct model *model = memory_allocate(sizeof *model);
    model->shape = *shape;
    model->most_tokens = most_tokens;
    model->most_sequences = most_sequences;
    model->training = training;
    model->block = memory_array((size_t)start[WORK_BUFFERS], sizeof *model->block);
    for (int i = 0; i < WORK_BUFFERS; i++) model->buffer[i] = model->block + start[i];
    const size_t square = (size_t)shape->context * (size_t)shape->context;
    const bool alone = kernels_threads() == 1;
    model->spare = alone ? NULL : memory_array((size_t)kernels_threads() * square, sizeof *model->spare);
    model->scores = alone ? model->buffer[training ? WORK_DSCORES : WORK_PROBABILITY] : model->spare;
    model->row = memory_array((size_t)most_tokens, sizeof *model->row);
    model->target = memory_array((size_t)most_tokens, sizeof *model->target);
    return model;
}

void model_destroy(struct model **model)
{
    if (!*model) return;
    memory_free((*model)->block);
    memory_free((*model)->spare);
    memory_free((*model)->row);
    memory_free((*model)->target);
    memory_free(*model);
    *model = NULL;
}

void model_numerics(char *text, size_t size) { kernels_numerics(text, size); }

const float *model_hidden(const struct model *model, int layer)
{
    CHECK(layer >= 0 && layer <= model->shape.layers + 1, "layer %d of %d", layer, model->shape.layers);
    if (layer == model->shape.layers + 1) return model->buffer[WORK_FINAL];
    return model->buffer[WORK_HIDDEN] + (size_t)model->most_tokens * (size_t)model->shape.width * (size_t)layer;
}

void model_forward(struct model *model, const struct state *state, const struct batch *batch)
{
    struct pass pass = {model, state, batch, NULL, 0, model->shape.layers};
    blocks_forward(&pass);
}

void model_pooled(const struct model *model, const struct batch *batch, int layer, enum pool_kind pool, float *out)
{
    const float *hidden = model_hidden(model, layer);
    const size_t width = (size_t)model->shape.width;
    CHECK(batch->tokens == model->tokens && batch->sequences == model->packing.sequences,
          "%d tokens pooled after a pass over %d", batch->tokens, model->tokens);
    profile_part(PROFILE_EMBEDDING);
    if (pool == POOL_MEAN) {
        mean_pool_forward(out, hidden, (struct packing){batch->sequences, batch->start, model->shape.context},
                          model->shape.width);
        return;
    }
    for (int s = 0; s < batch->sequences; s++)
        memcpy(out + (size_t)s * width, hidden + (size_t)(batch->start[s + 1] - 1) * width, width * sizeof *out);
}

static void clear_final_gradient(const struct pass *pass)
{
    const struct model *model = pass->model;
    memset(model->buffer[WORK_DNORM], 0, (size_t)model->tokens * (size_t)model->shape.width * sizeof(float));
}

/* ---- LM loss ---- */

/* Only rows with a target go through the LM head. */
static int collect_targets(const struct pass *pass)
{
    struct model *model = pass->model;
    int count = 0;
    for (int i = 0; i < pass->batch->tokens; i++) {
        if (pass->batch->target[i] < 0) continue;
        CHECK(pass->batch->target[i] < model->shape.vocabulary, "target %d of %d", pass->batch->target[i],
              model->shape.vocabulary);
        model->row[count] = i;
        model->target[count++] = pass->batch->target[i];
    }
    return count;
}

/* Sum of the losses of `rows` target rows from number `from`; with a gradient, theirs in the same go. */
static double read_tokens(const struct pass *pass, int from, int rows, float scale)
{
    const struct model *model = pass->model;
    const int width = model->shape.width, vocabulary = model->shape.vocabulary;
    const float *weight = pass_values(pass, TOKENS);
    float *picked = model->buffer[WORK_ROWS], *logits = model->buffer[WORK_LOGITS],
          *dpicked = model->buffer[WORK_DROWS];
    profile_part(PROFILE_EMBEDDING);
    rows_gather(picked, model->buffer[WORK_FINAL], model->row + from, rows, width);
    profile_part(PROFILE_PRODUCT_FORWARD);
    linear_forward(logits, picked, weight, NULL, NULL, rows, width, vocabulary);
    profile_part(PROFILE_LOSS);
    if (!pass->gradient) return cross_entropy(logits, model->target + from, rows, vocabulary);
    double loss = softmax_cross_entropy(logits, model->target + from, scale, rows, vocabulary);
    profile_part(PROFILE_PRODUCT_BACKWARD);
    linear_backward(dpicked, pass_trains(pass, TOKENS) ? pass_gradient(pass, TOKENS) : NULL, NULL, logits, picked,
                    weight, rows, width, vocabulary);
    profile_part(PROFILE_EMBEDDING);
    rows_scatter_add(model->buffer[WORK_DNORM], dpicked, model->row + from, rows, width);
    return loss;
}

double model_lm(struct model *model, const struct state *state, const struct batch *batch, float *gradient, int freeze)
{
    struct pass pass = {model, state, batch, gradient, freeze, model->shape.layers};
    double loss = 0;
    blocks_forward(&pass);
    int count = collect_targets(&pass);
    if (gradient) clear_final_gradient(&pass);
    for (int from = 0; from < count; from += LOGIT_ROWS) {
        int rows = count - from < LOGIT_ROWS ? count - from : LOGIT_ROWS;
        loss += read_tokens(&pass, from, rows, 1 / (float)count);
    }
    if (gradient && count > 0) blocks_backward(&pass);
    return count > 0 ? loss / count : NAN;
}

/* ---- labels ---- */

static void pool_forward(const struct pass *pass, enum pool_kind pool)
{
    struct model *model = pass->model;
    const int sequences = pass->batch->sequences;
    profile_part(PROFILE_EMBEDDING);
    if (pool == POOL_MEAN) {
        mean_pool_forward(model->buffer[WORK_ROWS], model->buffer[WORK_FINAL], model->packing, model->shape.width);
        return;
    }
    for (int s = 0; s < sequences; s++) model->row[s] = pass->batch->start[s + 1] - 1;
    rows_gather(model->buffer[WORK_ROWS], model->buffer[WORK_FINAL], model->row, sequences, model->shape.width);
}

static void pool_backward(const struct pass *pass, enum pool_kind pool)
{
    struct model *model = pass->model;
    profile_part(PROFILE_EMBEDDING);
    clear_final_gradient(pass);
    if (pool == POOL_MEAN)
        mean_pool_backward(model->buffer[WORK_DNORM], model->buffer[WORK_DROWS], model->packing, model->shape.width);
    else
        rows_scatter_add(model->buffer[WORK_DNORM], model->buffer[WORK_DROWS], model->row, pass->batch->sequences,
                         model->shape.width);
}

/* The rows of the tied LM head that stand for the labels. */
static const float *label_weights(const struct pass *pass, const struct readout *readout)
{
    struct model *model = pass->model;
    const int width = model->shape.width;
    const float *tokens = pass_values(pass, TOKENS);
    float *labels = model->buffer[WORK_LABELS];
    for (int c = 0; c < readout->classes; c++) {
        CHECK(readout->label_token[c] < model->shape.vocabulary, "label token %d", readout->label_token[c]);
        memcpy(labels + (size_t)c * width, tokens + (size_t)readout->label_token[c] * width,
               (size_t)width * sizeof *labels);
    }
    return labels;
}

static void logits_forward(const struct pass *pass, const struct readout *readout)
{
    struct model *model = pass->model;
    const float *weight, *bias = NULL;
    profile_part(PROFILE_PRODUCT_FORWARD);
    if (readout->kind == HEAD_LM) {
        weight = label_weights(pass, readout);
    } else {
        CHECK(readout->head >= 0 && readout->head < pass->state->heads, "head %d of %d", readout->head,
              pass->state->heads);
        CHECK(readout->classes <= pass->state->head[readout->head].classes, "%d classes, the head has %d",
              readout->classes, pass->state->head[readout->head].classes);
        weight = pass_values(pass, tensor_of_head(&model->shape, readout->head, HEAD_WEIGHT));
        bias = pass_values(pass, tensor_of_head(&model->shape, readout->head, HEAD_BIAS));
    }
    linear_forward(model->buffer[WORK_LOGITS], model->buffer[WORK_ROWS], weight, bias, NULL, pass->batch->sequences,
                   model->shape.width, readout->classes);
}

static void label_words_backward(const struct pass *pass, const struct readout *readout)
{
    struct model *model = pass->model;
    const int width = model->shape.width;
    const bool trains = pass_trains(pass, TOKENS);
    float *dlabels = model->buffer[WORK_DLABELS];
    memset(dlabels, 0, (size_t)readout->classes * (size_t)width * sizeof *dlabels);
    linear_backward(model->buffer[WORK_DROWS], trains ? dlabels : NULL, NULL, model->buffer[WORK_LOGITS],
                    model->buffer[WORK_ROWS], model->buffer[WORK_LABELS], pass->batch->sequences, width,
                    readout->classes);
    for (int c = 0; trains && c < readout->classes; c++) {
        int row = readout->label_token[c];
        rows_scatter_add(pass_gradient(pass, TOKENS), dlabels + (size_t)c * width, &row, 1, width);
    }
}

static void logits_backward(const struct pass *pass, const struct readout *readout)
{
    struct model *model = pass->model;
    profile_part(PROFILE_PRODUCT_BACKWARD);
    if (readout->kind == HEAD_LM) {
        label_words_backward(pass, readout);
        return;
    }
    int weight = tensor_of_head(&model->shape, readout->head, HEAD_WEIGHT);
    int bias = tensor_of_head(&model->shape, readout->head, HEAD_BIAS);
    linear_backward(model->buffer[WORK_DROWS], pass_gradient(pass, weight), pass_gradient(pass, bias),
                    model->buffer[WORK_LOGITS], model->buffer[WORK_ROWS], pass_values(pass, weight),
                    pass->batch->sequences, model->shape.width, readout->classes);
}

double model_labels(struct model *model, const struct state *state, const struct batch *batch,
                    const struct readout *readout, const int *label, float *log_probability, float *gradient,
                    int freeze)
{
    struct pass pass = {model, state, batch, gradient, freeze, model->shape.layers - readout->skip};
    const int sequences = batch->sequences, classes = readout->classes;
    float *logits = model->buffer[WORK_LOGITS];
    CHECK(classes >= 1 && classes <= CLASSES_MAX, "%d classes", classes);
    blocks_forward(&pass);
    pool_forward(&pass, readout->pool);
    logits_forward(&pass, readout);
    profile_part(PROFILE_LOSS);
    if (log_probability) log_softmax_rows(log_probability, logits, sequences, classes);
    for (int s = 0; s < sequences; s++) {
        CHECK(label[s] >= 0 && label[s] < classes, "label %d of %d", label[s], classes);
        model->target[s] = label[s];
    }
    if (!gradient) return cross_entropy(logits, model->target, sequences, classes) / sequences;
    double loss = softmax_cross_entropy(logits, model->target, 1 / (float)sequences, sequences, classes);
    logits_backward(&pass, readout);
    pool_backward(&pass, readout->pool);
    blocks_backward(&pass);
    return loss / sequences;
}
