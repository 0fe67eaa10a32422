/* measure_mediators: what may carry forgetting from one stage to the next: layers put back to their pretrained values,
 * label words said before anything was tuned, gradients of two tasks, weights under noise, single items lost and
 * gained. */
#ifndef PALIMPSEST_MEASURE_MEDIATORS_H
#define PALIMPSEST_MEASURE_MEDIATORS_H

#include "palimpsest/model.h"
#include "palimpsest/train.h"
#include "palimpsest/world.h"

struct meter; /* measure.h */

/* ---- prompts: a task read out through the label words of the LM head, which needs no head and no training ---- */

/* The words that stand for the labels after the task's prompt, renormalised among themselves (Radford et al. 2019;
 * Schick and Schuetze 2021).  label_token[CLASSES_MAX] is filled and must live as long as the readout. */
struct readout prompt_readout(const struct world *world, int task, uint16_t *label_token);

/* ---- layers put back: the weights of the top k layers replaced by pretrained ones (Mosbach et al. 2021) ---- */

/* out becomes state with its top `restored` blocks, and with them the final norm, as in `pretrained`: 0 puts nothing
 * back, L all blocks, L + 1 the embeddings too (the LM head is tied to them).  Heads stay.  out: of the shape and heads
 * of state; pretrained: of its shape. */
void state_restore(const struct state *state, const struct state *pretrained, int restored, struct state *out);
/* Mean LM loss over all reference domains of such a state, nats per token; `scratch` as out above.  NaN where layers
 * share one block and only some of them would be put back. */
double measure_restored(struct meter *meter, const struct world *world, const struct state *state,
                        const struct state *pretrained, int restored, int64_t tokens, struct state *scratch);
/* Mean of measure_lm_loss over all reference domains. */
double measure_lm_mean(struct meter *meter, const struct world *world, const struct state *state, int64_t tokens);

/* ---- weights under noise ---- */

/* out becomes state plus independent normal noise of deviation scale x rms(tensor) in every tensor but the heads.
 * Gaussian perturbation of pretrained weights is that of Springer et al. 2025, who scale it by the initial deviation of
 * each parameter; scaling it by the present size of each tensor is that of Li et al. 2018 (their filters are our
 * tensors), so that neither growing weights nor a zero initial value changes what a scale means.  A tensor of zeros
 * stays as it is. Noise is keyed by (seed, tensor name, draw): the same for every scale and every state, on every rank. */
void state_add_noise(const struct state *state, uint64_t seed, int draw, double scale, struct state *out);
struct noise {
    uint64_t seed;
    int draws;                     /* over which is averaged */
    int64_t tokens;                /* per reference domain; 0: no LM loss */
    const struct readout *readout; /* NULL: no task */
    int task, items;
};
struct noise_losses {
    double lm_loss[NOISE_SCALES];                      /* mean over draws of measure_lm_mean; NaN where not asked */
    double loss[NOISE_SCALES], accuracy[NOISE_SCALES]; /* of the task, as measure_task; NaN where not asked */
};
/* scratch: of the shape and heads of state. */
void measure_noise(struct meter *meter, const struct world *world, const struct state *state, const struct noise *noise,
                   struct state *scratch, struct noise_losses *losses);

/* ---- gradients of two tasks ---- */

struct cosines {
    double whole, layer[LAYERS_MAX + 2]; /* embedding, blocks, final norm; the whole of these, heads do not count */
};
/* <a, b> / (||a|| ||b||), a and b[floats of the state]; negative: a step down one loss climbs the other (Riemer et al.
 * 2019; Yu et al. 2020).  NaN where one has no gradient, or a layer no tensors of its own. */
void gradient_cosines(const struct state *state, const float *a, const float *b, struct cosines *cosines);
struct gradient_pair {
    int task[2];
    uint64_t seed;    /* of the order of training items */
    int items, batch; /* the first `items` training items of each, as train_task_gradient */
};
/* Between the gradients of the mean losses of two tasks, both read out by prompt_readout, whatever heads there are.
 * Before a task was learnt its head is a fresh draw, and the trunk's gradient is linear in it: turning the draw's sign
 * turns that of the cosine, whose mean over draws is 0.  Label words need no draw, are there in every state, and mean
 * the same in all.  gradients[2 x floats of the state]: scratch. */
void measure_gradient_cosines(struct trainer *trainer, const struct world *world, const struct state *state,
                              const struct gradient_pair *pair, float *gradients, struct cosines *cosines);

/* ---- single items lost and gained ---- */

struct transitions {                               /* between two states, over the same test items */
    int items, lost, gained;                       /* right before and wrong after; wrong before and right after */
    double lost_above_chance, gained_above_chance; /* items; may be negative; NaN for fewer than two classes */
};
/* before and after[items]: 1 where the item's true label was the most probable, else 0.  Toneva et al. 2019 call such
 * transitions forgetting and learning events, Harmon et al. 2025 count them between two states.  Chance, after the
 * latter's model of one who knows or else guesses evenly among `classes`: a share a of right answers contains
 * (1 - a) / (classes - 1) lucky ones; guesses before and after are independent, so the expected number of lucky items
 * lost, and of wrong ones gained by luck, is items (1 - a_before) (1 - a_after) / (classes - 1), which both counts
 * lose.  That takes off rather too little: who guessed before is likelier to guess again than independence says. */
struct transitions transitions_of(const uint8_t *before, const uint8_t *after, int items, int classes);

#endif
