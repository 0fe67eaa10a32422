/* train: AdamW, schedules, the step loop.  Does not know where its numbers go.
 *
 * Every result is a pure function of the arguments: training that is paused before any step and goes on from its state,
 * in this process or another, ends in the same bits. */
#ifndef PALIMPSEST_TRAIN_H
#define PALIMPSEST_TRAIN_H

#include "palimpsest/model.h"
#include "palimpsest/spec.h"
#include "palimpsest/world.h"

/* Asked before every step; a true answer pauses the training there (drain, checkpoint, deadline). May be NULL. */
typedef bool train_pause_f(void *context, int64_t step);

struct trainer; /* model buffers, gradient and scratch for one shape; reusable for many stages of it */
struct trainer *trainer_create(const struct model_shape *shape, int most_tokens, int most_sequences);
void trainer_destroy(struct trainer **trainer);
double trainer_data_seconds(const struct trainer *trainer); /* that making batches took, in all its trainings */

/* ---- pretraining ---- */

struct pretraining {
    struct optimizer_recipe optimizer;
    struct schedule_steps steps; /* warm-up and, on the cooldown branch, where the trunk ends and how long it cools */
    struct reading reading;      /* reading.context: that of the shape */
    int64_t steps_before;        /* of such batches that the stream was read for before step 0 */
    int batch;
    int mask_token, vocabulary; /* masked objective: see mask_window */
    bool cooling;               /* on the cooldown branch: rate x (1 - sqrt(done / cooldown)) */
};
/* Learning rate of absolute step `step` (from 0): linear warm-up, constant, 1 - sqrt cooldown (Haegele et al. 2024). */
double pretraining_rate(const struct pretraining *pretraining, int64_t step);
/* Trains state (with moments) from its step up to stop_step; at step 0 moments and trace are cleared first.  Step s
 * reads samples (steps_before + s) x batch ... of the reading.  0: reached, or paused (state->step tells); -1 with ERROR_STAGE when the
 * loss or the gradient is no longer finite, the state as it was before that step. */
int train_pretrain(struct trainer *trainer, const struct world *world, const struct pretraining *pretraining,
                   int64_t stop_step, train_pause_f *pause, void *context, struct state *state, struct error *err);
/* One of its steps, number state->step, on a batch of the caller's instead: for benchmarks. */
int train_pretrain_batch(struct trainer *trainer, const struct pretraining *pretraining, const struct batch *batch,
                         int64_t stop_step, struct state *state, struct error *err);

/* The masked objective on one window (Devlin et al. 2019): 15 % of the positions, at least one, become targets; of them
 * 80 % are replaced by the mask token, 10 % by a random token, 10 % stay.  The number is the same in every window, so
 * that the mean over a batch is the mean over its windows.  target[count]: the token that was there, else -1. */
void mask_window(struct random_cursor *cursor, int count, int mask_token, int vocabulary, uint16_t *token,
                 int32_t *target);

/* ---- fine-tuning ---- */

/* What a model is told of an item: its label; the next class; or one drawn by (seed, task, item), every time the same. */
enum label_kind { LABELS_TRUE, LABELS_ROTATED, LABELS_NOISE };
struct chapter { /* of a training whose items change on the way; the rate then stays at its peak after the warm-up */
    int number;          /* from 1: keys the orders of items as well; 0: the whole training is one */
    int items;           /* used, in place of finetuning.items */
    int64_t begin, stop; /* reads its first item at step `begin`, and is done at step `stop` */
};
struct finetuning {
    struct finetune_recipe recipe;
    int task, place;
    uint64_t seed;
    int items; /* training items used: the first of an order keyed by (seed, task), so smaller sets are nested; 0: all
                */
    struct readout readout;
    enum split split; /* SPLIT_TRAIN or SPLIT_ELSEWHERE */
    enum label_kind labels;
    struct chapter chapter;
};
/* Learning rate of step `step` (from 0): linear warm-up over the fraction recipe->warmup, then linear decay to 0. */
double finetuning_rate(const struct finetune_recipe *recipe, int64_t step);
/* The same warm-up, then the peak. */
double constant_rate(const struct finetune_recipe *recipe, int64_t step);
/* Trains state (with moments) up to recipe.steps; at step 0 moments and trace are cleared first.  Each epoch reads the
 * items in an order keyed by (seed, task, place, epoch).  Heads of other tasks stay as they are.  Returns as above. */
int train_finetune(struct trainer *trainer, const struct world *world, const struct finetuning *finetuning,
                   train_pause_f *pause, void *context, struct state *state, struct error *err);
/* The same for part[parts] together, in turn: step s trains part s mod parts on its next batch.  Recipe and chapter are
 * those of part[0]. */
int train_together(struct trainer *trainer, const struct world *world, const struct finetuning *part, int parts,
                   train_pause_f *pause, void *context, struct state *state, struct error *err);
/* One step of a fine-tuning, number state->step, on items of the caller's with label[sequences]: for benchmarks. */
int train_finetune_batch(struct trainer *trainer, const struct finetune_recipe *recipe, const struct readout *readout,
                         const struct batch *batch, const int *label, struct state *state, struct error *err);
/* The order of which a training uses the first items: item[training items of the task], by (seed, task). */
void train_item_order(const struct world *world, int task, uint64_t seed, uint32_t *item);

/* Items of one split as a model reads them: the item's tokens; with HEAD_LM followed by the task's prompt, and for a
 * masked model by the mask token that stands for the label word.  What is too long for the context loses its end, the
 * prompt never. */
struct task_items {
    const struct world *world; /* borrowed */
    int task;
    enum split split;
    int context, prompt_length;
    uint16_t prompt[32];
    enum label_kind labels;      /* those below only where they are not the true ones */
    struct random_stream noise;  /* sample: the item */
    int classes;
};
struct task_items task_items_of(const struct world *world, int task, enum split split, const struct model_shape *shape,
                                const struct readout *readout);
/* Labels other than the true ones, for a training by `seed`. */
void task_items_relabel(struct task_items *items, enum label_kind labels, uint64_t seed);
/* Fills token[context] and *label; returns the length. */
int task_items_read(const struct task_items *items, int index, uint16_t *token, int *label);

/* Mean cross-entropy (nats) of a task read out by `readout` over the first `items` of its training items in the order
 * keyed by (seed, task), fewer where there are fewer, and the gradient of that mean: gradient[floats of the state] is
 * overwritten. `batch` items, at most what the trainer has room for, are passed at once.  The state is not changed. */
double train_task_gradient(struct trainer *trainer, const struct world *world, const struct state *state, int task,
                           uint64_t seed, const struct readout *readout, int items, int batch, float *gradient);

/* ---- the optimiser ---- */

struct trained { /* which tensors a step moves; the others count in no norm */
    int freeze;  /* 0: all layers; n: not the embeddings and the first n blocks; layers + 1: heads only */
    int head;    /* of the state's heads this one; -1: none */
    int skip;    /* top blocks that the readout leaves out: not these */
};
bool tensor_trained(const struct state *state, int tensor, struct trained trained);
/* Norm of the whole gradient of what is trained; norms[layers + 2] by layer (embedding, blocks, final; heads count only
 * in the whole), 0 where nothing is trained. */
double gradient_norms(const struct state *state, struct trained trained, const float *gradient, double *norms);
/* One step t (from 1) of AdamW (Loshchilov and Hutter 2019, algorithm 2) on the state's values and moments, with the
 * gradient times `scale`; weight decay only where tensor.decays. */
void adamw_step(const struct optimizer_recipe *recipe, double rate, double scale, int64_t t, struct trained trained,
                const float *gradient, struct state *state);

#endif
