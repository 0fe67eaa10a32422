/* How far the gradients of two tasks point the same way. */
#include <math.h>

#include "palimpsest/measure.h"

struct products {
    double aa, ab, bb;
};

static void add_products(struct products *sum, const float *a, const float *b, size_t count)
{
    struct products own = {0};
    for (size_t i = 0; i < count; i++) {
        own.aa += (double)a[i] * a[i];
        own.ab += (double)a[i] * b[i];
        own.bb += (double)b[i] * b[i];
    }
    sum->aa += own.aa;
    sum->ab += own.ab;
    sum->bb += own.bb;
}

static double cosine_of(struct products products)
{
    double sizes = sqrt(products.aa) * sqrt(products.bb);
    return sizes > 0 ? products.ab / sizes : NAN;
}

void gradient_cosines(const struct state *state, const float *a, const float *b, struct cosines *cosines)
{
    int layers = state->shape.layers + 2;
    struct products whole = {0}, layer[LAYERS_MAX + 2] = {{0}};
    for (int i = 0; i < state->tensors; i++) {
        const struct tensor *tensor = &state->tensor[i];
        if (tensor->layer >= layers) continue;
        add_products(&layer[tensor->layer], a + tensor->offset, b + tensor->offset, tensor_floats(tensor));
    }
    for (int l = 0; l < layers; l++) {
        whole.aa += layer[l].aa;
        whole.ab += layer[l].ab;
        whole.bb += layer[l].bb;
        cosines->layer[l] = cosine_of(layer[l]);
    }
    cosines->whole = cosine_of(whole);
}

void measure_gradient_cosines(struct trainer *trainer, const struct world *world, const struct state *state,
                              const struct gradient_pair *pair, float *gradients, struct cosines *cosines)
{
    for (int t = 0; t < 2; t++) {
        uint16_t label_token[CLASSES_MAX];
        struct readout readout = prompt_readout(world, pair->task[t], label_token);
        train_task_gradient(trainer, world, state, pair->task[t], pair->seed, &readout, pair->items, pair->batch,
                            gradients + (size_t)t * state->floats);
    }
    gradient_cosines(state, gradients, gradients + state->floats, cosines);
}
