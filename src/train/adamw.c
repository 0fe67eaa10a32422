/* Gradient norms and AdamW.  Both go over the block tensor by tensor in table order, so every sum has one order. */
#include <math.h>

#include "palimpsest/train.h"

enum { LANES = 8 }; /* independent partial sums, wide enough for any vector unit and the same on all */

/* Heads stand at the end of the table, two tensors each. */
static int head_of_tensor(const struct state *state, int tensor)
{
    return state->heads - 1 - (state->tensors - 1 - tensor) / 2;
}

bool tensor_trained(const struct state *state, int tensor, struct trained trained)
{
    int layer = state->tensor[tensor].layer;
    if (layer > state->shape.layers + 1) return head_of_tensor(state, tensor) == trained.head;
    if (layer > state->shape.layers - trained.skip && layer <= state->shape.layers) return false;
    return trained.freeze == 0 || layer > trained.freeze;
}

static double sum_of_squares(const float *restrict value, size_t count)
{
    double sum[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int lane = 0; lane < LANES; lane++) sum[lane] += (double)value[i + lane] * value[i + lane];
    for (int lane = 0; i < count; i++, lane++) sum[lane] += (double)value[i] * value[i];
    double whole = 0;
    for (int lane = 0; lane < LANES; lane++) whole += sum[lane];
    return whole;
}

double gradient_norms(const struct state *state, struct trained trained, const float *gradient, double *norms)
{
    int layers = state->shape.layers + 2;
    double whole = 0;
    for (int layer = 0; layer < layers; layer++) norms[layer] = 0;
    for (int i = 0; i < state->tensors; i++) {
        const struct tensor *tensor = &state->tensor[i];
        if (!tensor_trained(state, i, trained)) continue;
        double squares = sum_of_squares(gradient + tensor->offset, tensor_floats(tensor));
        whole += squares;
        if (tensor->layer < layers) norms[tensor->layer] += squares;
    }
    for (int layer = 0; layer < layers; layer++) norms[layer] = sqrt(norms[layer]);
    return sqrt(whole);
}

struct constants {                           /* of one step, worked out once in double */
    float scale, beta1, beta2, rest1, rest2; /* rest: 1 - beta */
    float root2, epsilon;                    /* root2: 1 / sqrt(1 - beta2^t) */
    float step, shrink;                      /* rate / (1 - beta1^t); 1 - rate x weight decay */
};

static struct constants constants_of(const struct optimizer_recipe *recipe, double rate, double scale, int64_t t)
{
    double correct1 = recipe->bias_correction ? 1 - real_power(recipe->beta1, (uint64_t)t) : 1;
    double correct2 = recipe->bias_correction ? 1 - real_power(recipe->beta2, (uint64_t)t) : 1;
    return (struct constants){
        .scale = (float)scale,
        .beta1 = (float)recipe->beta1,
        .beta2 = (float)recipe->beta2,
        .rest1 = (float)(1 - recipe->beta1),
        .rest2 = (float)(1 - recipe->beta2),
        .root2 = (float)(1 / sqrt(correct2)),
        .epsilon = (float)recipe->epsilon,
        .step = (float)(rate / correct1),
        .shrink = (float)(1 - rate * recipe->weight_decay),
    };
}

/* One pass: clipping, both moments, decay and update.  Only operations that are rounded exactly, so the vector width
 * does not show in the bits. */
static void adamw_tensor(struct constants c, size_t count, const float *restrict gradient, float *restrict value,
                         float *restrict m, float *restrict v)
{
    for (size_t i = 0; i < count; i++) {
        float g = c.scale * gradient[i];
        float mean = c.beta1 * m[i] + c.rest1 * g;
        float square = c.beta2 * v[i] + c.rest2 * (g * g);
        m[i] = mean;
        v[i] = square;
        value[i] = c.shrink * value[i] - c.step * (mean / (sqrtf(square) * c.root2 + c.epsilon));
    }
}

void adamw_step(const struct optimizer_recipe *recipe, double rate, double scale, int64_t t, struct trained trained,
                const float *gradient, struct state *state)
{
    struct constants decaying = constants_of(recipe, rate, scale, t), plain = decaying;
    plain.shrink = 1;
    for (int i = 0; i < state->tensors; i++) {
        const struct tensor *tensor = &state->tensor[i];
        if (!tensor_trained(state, i, trained)) continue;
        size_t at = tensor->offset;
        adamw_tensor(tensor->decays ? decaying : plain, tensor_floats(tensor), gradient + at, state->values + at,
                     state->moments + at, state->moments + state->floats + at);
    }
}
