/* The buffers of a training and the end of its steps. */
#include <math.h>
#include <string.h>

#include "train_private.h"

struct trainer *trainer_create(const struct model_shape *shape, int most_tokens, int most_sequences)
{
    struct trainer *trainer = memory_allocate(sizeof *trainer);
    size_t tokens = (size_t)most_tokens, sequences = (size_t)most_sequences;
    trainer->shape = *shape;
    trainer->most_tokens = most_tokens;
    trainer->most_sequences = most_sequences;
    trainer->model = model_create(shape, most_tokens, most_sequences, true);
    trainer->start = memory_array(sequences + 1, sizeof *trainer->start);
    trainer->label = memory_array(sequences, sizeof *trainer->label);
    trainer->token = memory_array(tokens, sizeof *trainer->token);
    trainer->target = memory_array(tokens, sizeof *trainer->target);
    trainer->window = memory_array((size_t)shape->context + 1, sizeof *trainer->window);
    return trainer;
}

void trainer_destroy(struct trainer **trainer)
{
    struct trainer *old = *trainer;
    if (!old) return;
    model_destroy(&old->model);
    memory_free(old->gradient);
    memory_free(old->item);
    memory_free(old->order);
    memory_free(old->start);
    memory_free(old->label);
    memory_free(old->token);
    memory_free(old->target);
    memory_free(old->window);
    memory_free(old);
    *trainer = NULL;
}

double trainer_data_seconds(const struct trainer *trainer) { return trainer->data_seconds; }

void trainer_fit(struct trainer *trainer, const struct state *state)
{
    CHECK(shape_equal(&trainer->shape, &state->shape), "a trainer for another shape");
    trainer->gradient = memory_grow(trainer->gradient, &trainer->gradient_floats, state->floats, sizeof(float));
}

void trainer_prepare(struct trainer *trainer, struct state *state)
{
    CHECK(state->moments, "a state without moments cannot be trained");
    trainer_fit(trainer, state);
    if (state->step > 0) return;
    memset(state->moments, 0, 2 * state->floats * sizeof *state->moments);
    state->trace = (struct trace){0};
}

float *trainer_gradient(struct trainer *trainer, const struct state *state)
{
    profile_part(PROFILE_OTHER);
    memset(trainer->gradient, 0, state->floats * sizeof *trainer->gradient);
    return trainer->gradient;
}

static int check_finite(const char *what, double value, const struct update *update, int64_t step, struct error *err)
{
    if (isfinite(value)) return 0;
    return error_set(err, ERROR_STAGE, "%s became %s at step %lld of %lld (learning rate %g)", what,
                     isnan(value) ? "NaN" : "infinite", (long long)step, (long long)update->stop, update->rate);
}

int trainer_update(struct trainer *trainer, const struct update *update, double loss, struct state *state,
                   struct error *err)
{
    double norms[LAYERS_MAX + 2];
    int64_t step = state->step + 1;
    profile_part(PROFILE_UPDATE);
    TRY(check_finite("loss", loss, update, step, err));
    double norm = gradient_norms(state, update->trained, trainer->gradient, norms);
    TRY(check_finite("norm of the gradient", norm, update, step, err));

    double clip = update->optimizer->clip, scale = clip > 0 && norm > clip ? clip / norm : 1;
    adamw_step(update->optimizer, update->rate, scale, step, update->trained, trainer->gradient, state);

    profile_part(PROFILE_OTHER);
    struct trace *trace = &state->trace;
    int point = point_of_step(step);
    trace->steps++;
    trace->loss_sum[point] += loss;
    trace->loss_count[point]++;
    for (int layer = 0; layer < state->shape.layers + 2; layer++) trace->norm_sum[layer] += norms[layer];
    state->step = step;
    return 0;
}
