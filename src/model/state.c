/* States: created, copied, given weights and heads. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model_private.h"

static void check_shape(const struct model_shape *shape)
{
    CHECK(shape->layers >= 1 && shape->layers <= LAYERS_MAX, "%d layers", shape->layers);
    CHECK(shape->width >= 1 && shape->heads >= 1 && shape->width % shape->heads == 0, "width %d, %d heads",
          shape->width, shape->heads);
    CHECK(shape->context >= 1 && shape->feed_forward >= 1, "context %d, feed-forward %d", shape->context,
          shape->feed_forward);
    CHECK(shape->vocabulary >= 1 && shape->vocabulary <= 1 << 16, "%d words", shape->vocabulary);
}

struct state *state_create(const struct model_shape *shape, const struct head_shape *head, int heads, bool moments)
{
    check_shape(shape);
    CHECK(heads >= 0 && heads <= PLACES_MAX, "%d heads", heads);
    struct state *state = memory_allocate(sizeof *state);
    state->shape = *shape;
    state->heads = heads;
    for (int i = 0; i < heads; i++) {
        CHECK(head[i].classes >= 1 && head[i].classes <= CLASSES_MAX, "%d classes", head[i].classes);
        state->head[i] = head[i];
    }
    tensors_lay_out(state);
    state->values = memory_array(state->floats, sizeof *state->values);
    if (moments) state->moments = memory_array(2 * state->floats, sizeof *state->moments);
    return state;
}

void state_destroy(struct state **state)
{
    if (!*state) return;
    memory_free((*state)->tensor);
    memory_free((*state)->values);
    memory_free((*state)->moments);
    memory_free(*state);
    *state = NULL;
}

/* Heads stand at the end, so the values of a state are the first of those of the same state with one more head. */
static void copy_contents(const struct state *from, struct state *to)
{
    memcpy(to->values, from->values, from->floats * sizeof *to->values);
    if (from->moments && to->moments) {
        memcpy(to->moments, from->moments, from->floats * sizeof *to->moments);
        memcpy(to->moments + to->floats, from->moments + from->floats, from->floats * sizeof *to->moments);
    }
    to->step = from->step;
    to->trace = from->trace;
    to->history = from->history;
}

struct state *state_copy(const struct state *state, bool moments)
{
    struct state *copy = state_create(&state->shape, state->head, state->heads, moments);
    copy_contents(state, copy);
    return copy;
}

static void fill_normal(float *values, size_t count, struct random_stream stream, double deviation)
{
    struct random_cursor cursor = random_at(stream, 0);
    for (size_t i = 0; i < count; i++) values[i] = (float)(deviation * random_normal(&cursor));
}

static bool ends_with(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

void state_initialise(struct state *state, uint64_t seed, double deviation)
{
    const double residual = deviation / sqrt(2.0 * state->shape.layers);
    for (int i = 0; i < state->tensors; i++) {
        const struct tensor *tensor = &state->tensor[i];
        float *values = state->values + tensor->offset;
        if (tensor->columns > 0)
            fill_normal(values, tensor_floats(tensor), random_stream("weights", seed, tensor->name),
                        ends_with(tensor->name, ".c_proj.weight") ? residual : deviation);
        else
            for (int j = 0; j < tensor->rows; j++) values[j] = ends_with(tensor->name, ".weight") ? 1 : 0;
    }
}

struct state *state_with_head(const struct state *state, const char *task, int classes, uint64_t seed, int place,
                              double deviation)
{
    struct head_shape head[PLACES_MAX + 1];
    char name[NAME_MAX_BYTES + 16];
    CHECK(state_find_head(state, task) < 0, "there is a head for %s", task);
    memcpy(head, state->head, (size_t)state->heads * sizeof *head);
    snprintf(head[state->heads].task, sizeof head->task, "%s", task);
    head[state->heads].classes = classes;
    struct state *more = state_create(&state->shape, head, state->heads + 1, state->moments != NULL);
    copy_contents(state, more);
    const struct tensor *weight = &more->tensor[tensor_of_head(&more->shape, state->heads, HEAD_WEIGHT)];
    snprintf(name, sizeof name, "%s/%d", task, place);
    fill_normal(more->values + weight->offset, tensor_floats(weight), random_stream("head", seed, name), deviation);
    return more;
}

int state_find_head(const struct state *state, const char *task)
{
    for (int i = 0; i < state->heads; i++)
        if (strcmp(state->head[i].task, task) == 0) return i;
    return -1;
}

const struct tensor *state_tensor(const struct state *state, const char *name)
{
    for (int i = 0; i < state->tensors; i++)
        if (strcmp(state->tensor[i].name, name) == 0) return &state->tensor[i];
    return NULL;
}

struct hash128 state_hash(const struct state *state)
{
    struct hasher hasher;
    hasher_init(&hasher, "state");
    hasher_add_integer(&hasher, "objective", state->shape.objective);
    hasher_add_integer(&hasher, "attention heads", state->shape.heads);
    hasher_add_integer(&hasher, "layers", state->shape.layers);
    for (int i = 0; i < state->tensors; i++) {
        hasher_add_integer(&hasher, state->tensor[i].name, state->tensor[i].rows);
        hasher_add_integer(&hasher, "columns", state->tensor[i].columns);
    }
    hasher_add_integer(&hasher, "step", state->step);
    hasher_add_hash(&hasher, "values", hash_bytes(state->values, state->floats * sizeof *state->values));
    if (state->moments)
        hasher_add_hash(&hasher, "moments", hash_bytes(state->moments, 2 * state->floats * sizeof *state->moments));
    return hasher_finish(&hasher);
}
