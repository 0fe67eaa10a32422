/* Losses of a state whose weights are disturbed. */
#include <math.h>
#include <string.h>

#include "palimpsest/measure.h"

static double root_mean_square(const float *value, size_t count)
{
    double squares = 0;
    for (size_t i = 0; i < count; i++) squares += (double)value[i] * value[i];
    return sqrt(squares / (double)count);
}

void state_add_noise(const struct state *state, uint64_t seed, int draw, double scale, struct state *out)
{
    CHECK(shape_equal(&state->shape, &out->shape) && out->floats == state->floats, "states of several shapes");
    CHECK(draw >= 0 && scale >= 0, "draw %d at scale %g", draw, scale);
    memcpy(out->values, state->values, state->floats * sizeof *out->values);
    for (int i = 0; i < state->tensors; i++) {
        const struct tensor *tensor = &state->tensor[i];
        if (tensor->layer > state->shape.layers + 1) continue; /* a head */
        float *value = out->values + tensor->offset;
        size_t count = tensor_floats(tensor);
        double deviation = scale * root_mean_square(value, count);
        struct random_cursor cursor = random_at(random_stream("weight noise", seed, tensor->name), (uint64_t)draw);
        for (size_t k = 0; k < count; k++) value[k] = (float)(value[k] + deviation * random_normal(&cursor));
    }
}

static void add_draw(struct meter *meter, const struct world *world, const struct state *noisy,
                     const struct noise *noise, int scale, struct noise_losses *losses)
{
    double share = 1.0 / noise->draws;
    if (noise->tokens > 0) losses->lm_loss[scale] += share * measure_lm_mean(meter, world, noisy, noise->tokens);
    if (!noise->readout) return;
    struct score score = measure_task(meter, world, noisy, noise->task, noise->readout, noise->items);
    losses->loss[scale] += share * score.loss;
    losses->accuracy[scale] += share * score.accuracy;
}

void measure_noise(struct meter *meter, const struct world *world, const struct state *state, const struct noise *noise,
                   struct state *scratch, struct noise_losses *losses)
{
    CHECK(noise->draws >= 1, "%d draws of noise", noise->draws);
    for (int scale = 0; scale < NOISE_SCALES; scale++) {
        losses->lm_loss[scale] = noise->tokens > 0 ? 0 : NAN;
        losses->loss[scale] = losses->accuracy[scale] = noise->readout ? 0 : NAN;
        for (int draw = 0; draw < noise->draws; draw++) {
            state_add_noise(state, noise->seed, draw, noise_scales[scale], scratch);
            add_draw(meter, world, scratch, noise, scale, losses);
        }
    }
}
