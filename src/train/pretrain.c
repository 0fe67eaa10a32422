/* Pretraining: windows of the reading by absolute sample number. */
#include <string.h>

#include "train_private.h"

/* Window b of the batch into place; causal: the target of a position is the next token, the last one's stands after the
 * window. */
static void read_window(struct trainer *trainer, const struct world *world, const struct pretraining *pretraining,
                        uint64_t sample, int b)
{
    int context = trainer->shape.context;
    uint16_t *window = trainer->window, *token = trainer->token + (size_t)b * (size_t)context;
    int32_t *target = trainer->target + (size_t)b * (size_t)context;
    world_read(world, &pretraining->reading, sample, window);
    memcpy(token, window, (size_t)context * sizeof *token);
    trainer->start[b + 1] = (b + 1) * context;
    if (trainer->shape.objective == OBJECTIVE_CAUSAL) {
        for (int t = 0; t < context; t++) target[t] = window[t + 1];
        return;
    }
    /* Keyed by the absolute sample: data that repeats is corrupted anew each time. */
    struct random_cursor cursor = random_at(random_stream("mask", pretraining->reading.seed, NULL), sample);
    mask_window(&cursor, context, pretraining->mask_token, pretraining->vocabulary, token, target);
}

static struct batch read_batch(struct trainer *trainer, const struct world *world,
                               const struct pretraining *pretraining, int64_t step)
{
    double started = clock_seconds();
    int sequences = pretraining->batch;
    profile_part(PROFILE_DATA);
    trainer->start[0] = 0;
    uint64_t first = (uint64_t)(pretraining->steps_before + step) * (uint64_t)sequences;
    for (int b = 0; b < sequences; b++) read_window(trainer, world, pretraining, first + (uint64_t)b, b);
    trainer->data_seconds += clock_seconds() - started;
    return (struct batch){.sequences = sequences,
                          .tokens = trainer->start[sequences],
                          .start = trainer->start,
                          .token = trainer->token,
                          .target = trainer->target};
}

/* Forward, backward, clip, AdamW. */
static int take_step(struct trainer *trainer, const struct pretraining *pretraining, const struct batch *batch,
                     int64_t stop_step, struct state *state, struct error *err)
{
    double loss = model_lm(trainer->model, state, batch, trainer_gradient(trainer, state), 0);
    struct update update = {&pretraining->optimizer, pretraining_rate(pretraining, state->step), {0, -1, 0}, stop_step};
    return trainer_update(trainer, &update, loss, state, err);
}

int train_pretrain_batch(struct trainer *trainer, const struct pretraining *pretraining, const struct batch *batch,
                         int64_t stop_step, struct state *state, struct error *err)
{
    trainer_prepare(trainer, state);
    return take_step(trainer, pretraining, batch, stop_step, state, err);
}

int train_pretrain(struct trainer *trainer, const struct world *world, const struct pretraining *pretraining,
                   int64_t stop_step, train_pause_f *pause, void *context, struct state *state, struct error *err)
{
    CHECK(pretraining->reading.context == trainer->shape.context, "a reading of %d tokens for a context of %d",
          pretraining->reading.context, trainer->shape.context);
    CHECK(pretraining->batch <= trainer->most_sequences &&
              pretraining->batch * trainer->shape.context <= trainer->most_tokens,
          "a batch of %d windows in buffers for %d sequences, %d tokens", pretraining->batch, trainer->most_sequences,
          trainer->most_tokens);
    trainer_prepare(trainer, state);
    while (state->step < stop_step && !(pause && pause(context, state->step))) {
        struct batch batch = read_batch(trainer, world, pretraining, state->step);
        TRY(take_step(trainer, pretraining, &batch, stop_step, state, err));
    }
    return 0;
}
