/* Trainings spelled out step by step over the functions of world, model and the optimiser alone: streams, orders of
 * items, labels, rates.  What a stage made must be this to the bit. */
#ifndef BY_HAND_H
#define BY_HAND_H

#include "tree_runner.h"

struct hand_part {    /* one task of a training */
    int task, place;  /* place: of the streams */
    const char *head; /* NULL: as for a task of the sweep */
    enum { HAND_TRUE, HAND_ROTATED, HAND_NOISE } labels;
    bool elsewhere;
};
struct hand_training {
    const struct hand_part *part;
    int parts;
    struct finetune_recipe recipe;
    int64_t from, to;   /* steps */
    int chapter, items; /* chapter 0: recipe's own decay, items as the cell says */
};
struct cell hand_cell(const struct tree_run *run, int stage);
/* A copy of a state with moments and, where the cell's heads want them, a head for each part. */
struct state *hand_start(const struct tree_run *run, const struct cell *cell, const struct state *from,
                         const struct hand_part *part, int parts);
void hand_train(const struct tree_run *run, const struct cell *cell, const struct hand_training *training,
                struct state *state);
struct readout hand_readout(const struct tree_run *run, const struct cell *cell, const struct state *state, int task,
                            const char *head, uint16_t *label_token);
/* The tokens of an item as the cell's models read it; its length. */
int hand_item(const struct tree_run *run, const struct cell *cell, int task, enum split split, int index,
              uint16_t *token);
/* Order of which trainings use the first items; memory_free. */
uint32_t *hand_order(const struct tree_run *run, const struct cell *cell, int task, bool elsewhere);
/* Pretraining read on after `before` steps, warmed up and cooled down within `steps`. */
void hand_pretrain(const struct tree_run *run, const struct cell *cell, int64_t before, int64_t steps, double warmup,
                   struct state *state);
bool same_weights(const struct state *a, const struct state *b);

#endif
