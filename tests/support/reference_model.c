#include "reference.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The tensor of that name; block -1: the name as it is. */
static const double *named(const struct state *state, const double *values, int block, const char *name)
{
    char whole[128];
    if (block < 0)
        snprintf(whole, sizeof whole, "%s", name);
    else
        snprintf(whole, sizeof whole, "h.%d.%s", state->shape.share_layers ? 0 : block, name);
    const struct tensor *tensor = state_tensor(state, whole);
    CHECK(tensor != NULL, "no tensor %s", whole);
    return values + tensor->offset;
}

static void add_to(double *x, const double *more, int count)
{
    for (int i = 0; i < count; i++) x[i] += more[i];
}

static void run_block(const struct state *state, const double *values, const struct batch *batch, int block, double *x)
{
    const int rows = batch->tokens, width = state->shape.width, inner = width * state->shape.feed_forward;
    double *normed = memory_array((size_t)(rows * width), sizeof *normed);
    double *wide = memory_array((size_t)(rows * (inner + 3 * width)), sizeof *wide);
    double *mixed = memory_array((size_t)(rows * width), sizeof *mixed);
#define NAMED(name) named(state, values, block, name)
    reference_norm(normed, x, NAMED("ln_1.weight"), NAMED("ln_1.bias"), rows, width);
    reference_linear(wide, normed, NAMED("attn.c_attn.weight"), NAMED("attn.c_attn.bias"), rows, width, 3 * width);
    reference_attention(mixed, wide, batch->start, batch->sequences, width, state->shape.heads,
                        state->shape.objective == OBJECTIVE_CAUSAL);
    reference_linear(normed, mixed, NAMED("attn.c_proj.weight"), NAMED("attn.c_proj.bias"), rows, width, width);
    add_to(x, normed, rows * width);
    reference_norm(normed, x, NAMED("ln_2.weight"), NAMED("ln_2.bias"), rows, width);
    reference_linear(wide, normed, NAMED("mlp.c_fc.weight"), NAMED("mlp.c_fc.bias"), rows, width, inner);
    for (int i = 0; i < rows * inner; i++) wide[i] = reference_gelu(wide[i]);
    reference_linear(normed, wide, NAMED("mlp.c_proj.weight"), NAMED("mlp.c_proj.bias"), rows, inner, width);
    add_to(x, normed, rows * width);
#undef NAMED
    memory_free(normed);
    memory_free(wide);
    memory_free(mixed);
}

void reference_hidden(const struct state *state, const double *values, const struct batch *batch, int layer,
                      double *out)
{
    const int width = state->shape.width;
    const double *tokens = named(state, values, -1, "wte.weight"), *places = named(state, values, -1, "wpe.weight");
    for (int s = 0; s < batch->sequences; s++)
        for (int row = batch->start[s]; row < batch->start[s + 1]; row++)
            for (int c = 0; c < width; c++)
                out[row * width + c] =
                    tokens[batch->token[row] * width + c] + places[(row - batch->start[s]) * width + c];
    for (int block = 0; block < layer && block < state->shape.layers; block++)
        run_block(state, values, batch, block, out);
    if (layer > state->shape.layers)
        reference_norm(out, out, named(state, values, -1, "ln_f.weight"), named(state, values, -1, "ln_f.bias"),
                       batch->tokens, width);
}

/* The final norm of what comes out of the first `blocks` blocks. */
static double *final_rows(const struct state *state, const double *values, const struct batch *batch, int blocks)
{
    double *rows = memory_array((size_t)(batch->tokens * state->shape.width), sizeof *rows);
    reference_hidden(state, values, batch, blocks, rows);
    reference_norm(rows, rows, named(state, values, -1, "ln_f.weight"), named(state, values, -1, "ln_f.bias"),
                   batch->tokens, state->shape.width);
    return rows;
}

double reference_lm(const struct state *state, const double *values, const struct batch *batch)
{
    const int width = state->shape.width, vocabulary = state->shape.vocabulary;
    double *rows = final_rows(state, values, batch, state->shape.layers),
           *logits = memory_array((size_t)vocabulary, sizeof *logits);
    double loss = 0;
    int count = 0;
    for (int i = 0; i < batch->tokens; i++) {
        if (batch->target[i] < 0) continue;
        reference_linear(logits, rows + i * width, named(state, values, -1, "wte.weight"), NULL, 1, width, vocabulary);
        loss += reference_cross_entropy(logits, batch->target[i], vocabulary);
        count++;
    }
    memory_free(rows);
    memory_free(logits);
    return loss / count;
}

static void pool(const struct batch *batch, int sequence, enum pool_kind kind, const double *rows, int width,
                 double *out)
{
    int first = batch->start[sequence], last = batch->start[sequence + 1] - 1;
    memset(out, 0, (size_t)width * sizeof *out);
    if (kind == POOL_LAST) first = last;
    for (int row = first; row <= last; row++)
        for (int c = 0; c < width; c++) out[c] += rows[row * width + c] / (last - first + 1);
}

static void class_logits(const struct state *state, const double *values, const struct readout *readout,
                         const double *pooled, double *logits)
{
    const int width = state->shape.width;
    if (readout->kind == HEAD_LM) {
        const double *tokens = named(state, values, -1, "wte.weight");
        for (int c = 0; c < readout->classes; c++)
            reference_linear(logits + c, pooled, tokens + readout->label_token[c] * width, NULL, 1, width, 1);
        return;
    }
    char weight[128], bias[128];
    snprintf(weight, sizeof weight, "heads.%s.weight", state->head[readout->head].task);
    snprintf(bias, sizeof bias, "heads.%s.bias", state->head[readout->head].task);
    reference_linear(logits, pooled, named(state, values, -1, weight), named(state, values, -1, bias), 1, width,
                     readout->classes);
}

double reference_labels(const struct state *state, const double *values, const struct batch *batch,
                        const struct readout *readout, const int *label, double *log_probability)
{
    const int width = state->shape.width;
    double *rows = final_rows(state, values, batch, state->shape.layers - readout->skip);
    double *pooled = memory_array((size_t)width, sizeof *pooled);
    double loss = 0, logits[CLASSES_MAX];
    for (int s = 0; s < batch->sequences; s++) {
        pool(batch, s, readout->pool, rows, width, pooled);
        class_logits(state, values, readout, pooled, logits);
        loss += reference_cross_entropy(logits, label[s], readout->classes);
        for (int c = 0; log_probability && c < readout->classes; c++)
            log_probability[s * readout->classes + c] = -reference_cross_entropy(logits, c, readout->classes);
    }
    memory_free(rows);
    memory_free(pooled);
    return loss / batch->sequences;
}
