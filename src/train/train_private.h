/* What the two trainings share: buffers for one shape, and the end of a step. */
#ifndef PALIMPSEST_TRAIN_PRIVATE_H
#define PALIMPSEST_TRAIN_PRIVATE_H

#include "palimpsest/base_profile.h"
#include "palimpsest/train.h"

struct trainer {
    struct model_shape shape;
    int most_tokens, most_sequences;
    struct model *model;
    float *gradient; /* [floats of the state], grown before a training's first step */
    size_t gradient_floats;
    uint32_t *item, *order; /* fine-tuning: the items used, and the order of the running epoch */
    size_t item_room, order_room;
    /* one batch; window has room for the token after it */
    int *start, *label;
    uint16_t *token, *window;
    int32_t *target;
    double data_seconds; /* spent making batches */
};
/* Checks that state and trainer fit, and makes the gradient large enough for it. */
void trainer_fit(struct trainer *trainer, const struct state *state);
/* Before the first step: the same, and clears moments and trace when the training begins. */
void trainer_prepare(struct trainer *trainer, struct state *state);

struct update { /* how a step uses its gradient */
    const struct optimizer_recipe *optimizer;
    double rate;
    struct trained trained;
    int64_t stop; /* for the message */
};
/* Ends step state->step, whose mean loss and gradient are known: notes them in the trace, clips, moves the weights. */
int trainer_update(struct trainer *trainer, const struct update *update, double loss, struct state *state,
                   struct error *err);
/* A cleared gradient for the next backward pass. */
float *trainer_gradient(struct trainer *trainer, const struct state *state);

#endif
