/* The one table of tensors: names, shapes, places in the block of values. */
#include <stdio.h>

#include "model_private.h"

size_t tensor_floats(const struct tensor *tensor)
{
    return (size_t)tensor->rows * (size_t)(tensor->columns ? tensor->columns : 1);
}

int tensor_sets(const struct model_shape *shape) { return shape->share_layers ? 1 : shape->layers; }

int tensor_of_block(const struct model_shape *shape, int block, int which)
{
    return BLOCKS + BLOCK_TENSORS * (shape->share_layers ? 0 : block) + which;
}

int tensor_of_final(const struct model_shape *shape, int which)
{
    return BLOCKS + BLOCK_TENSORS * tensor_sets(shape) + which;
}

int tensor_of_head(const struct model_shape *shape, int head, int which)
{
    return tensor_of_final(shape, FINAL_TENSORS) + HEAD_TENSORS * head + which;
}

/* Rows and columns in units of the width; columns 0: a vector. */
static const struct {
    const char *name;
    int rows, columns;
} block_table[BLOCK_TENSORS] = {
    [NORM1_WEIGHT] = {"ln_1.weight", 1, 0},         [NORM1_BIAS] = {"ln_1.bias", 1, 0},
    [QKV_WEIGHT] = {"attn.c_attn.weight", 3, 1},    [QKV_BIAS] = {"attn.c_attn.bias", 3, 0},
    [OUTPUT_WEIGHT] = {"attn.c_proj.weight", 1, 1}, [OUTPUT_BIAS] = {"attn.c_proj.bias", 1, 0},
    [NORM2_WEIGHT] = {"ln_2.weight", 1, 0},         [NORM2_BIAS] = {"ln_2.bias", 1, 0},
    [UP_WEIGHT] = {"mlp.c_fc.weight", -1, 1},       [UP_BIAS] = {"mlp.c_fc.bias", -1, 0}, /* -1: the feed-forward's */
    [DOWN_WEIGHT] = {"mlp.c_proj.weight", 1, -1},   [DOWN_BIAS] = {"mlp.c_proj.bias", 1, 0},
};

static void add_tensor(struct state *state, int rows, int columns, int layer, bool decays, const char *prefix,
                       const char *name)
{
    struct tensor *tensor = &state->tensor[state->tensors++];
    *tensor =
        (struct tensor){.rows = rows, .columns = columns, .offset = state->floats, .layer = layer, .decays = decays};
    int length = snprintf(tensor->name, sizeof tensor->name, "%s%s", prefix, name);
    CHECK(length > 0 && (size_t)length < sizeof tensor->name, "the tensor name %s%s is too long", prefix, name);
    state->floats += tensor_floats(tensor);
}

static void add_block(struct state *state, int block)
{
    const int width = state->shape.width, unit = state->shape.feed_forward;
    char prefix[NAME_MAX_BYTES];
    snprintf(prefix, sizeof prefix, "h.%d.", block);
    for (int i = 0; i < BLOCK_TENSORS; i++) {
        int rows = block_table[i].rows < 0 ? unit : block_table[i].rows;
        int columns = block_table[i].columns < 0 ? unit : block_table[i].columns;
        add_tensor(state, rows * width, columns * width, 1 + block, columns > 0, prefix, block_table[i].name);
    }
}

static void add_head(struct state *state, const struct head_shape *head)
{
    char prefix[NAME_MAX_BYTES + 8];
    snprintf(prefix, sizeof prefix, "heads.%s.", head->task);
    add_tensor(state, head->classes, state->shape.width, state->shape.layers + 2, true, prefix, "weight");
    add_tensor(state, head->classes, 0, state->shape.layers + 2, false, prefix, "bias");
}

void tensors_lay_out(struct state *state)
{
    const struct model_shape *shape = &state->shape;
    int wanted = tensor_of_head(shape, state->heads, 0);
    state->tensor = memory_array((size_t)wanted, sizeof *state->tensor);
    add_tensor(state, shape->vocabulary, shape->width, 0, true, "", "wte.weight");
    add_tensor(state, shape->context, shape->width, 0, false, "", "wpe.weight");
    for (int block = 0; block < tensor_sets(shape); block++) add_block(state, block);
    add_tensor(state, shape->width, 0, shape->layers + 1, false, "", "ln_f.weight");
    add_tensor(state, shape->width, 0, shape->layers + 1, false, "", "ln_f.bias");
    for (int head = 0; head < state->heads; head++) add_head(state, &state->head[head]);
    CHECK(state->tensors == wanted, "%d tensors laid out, %d expected", state->tensors, wanted);
}
