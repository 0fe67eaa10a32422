/* The shape of a model and what it costs; amounts of pretraining in whole steps. */
#ifndef PALIMPSEST_SPEC_SHAPE_H
#define PALIMPSEST_SPEC_SHAPE_H

#include "palimpsest/base.h"
#include "palimpsest/spec_settings.h"

/* ---- the model's shape, and what it costs ---- */

struct model_shape {
    int layers, width, heads, context, vocabulary, feed_forward; /* feed_forward: multiple of width */
    enum objective objective;
    bool share_layers; /* one block's tensors used by all layers (ALBERT, Lan et al. 2020) */
};
struct model_shape shape_of(const struct settings *settings, int vocabulary);
bool shape_equal(const struct model_shape *a, const struct model_shape *b);
int64_t shape_parameters(const struct model_shape *shape);               /* all, heads of tasks not counted */
int64_t shape_parameters_non_embedding(const struct model_shape *shape); /* without token and position tables */
/* Forward passes cost a third of these.  Dense attention over `length` positions; with the LM head's product or without. */
double shape_training_flops(const struct model_shape *shape, double tokens, double length, bool lm_head);
/* Bytes of one state without moments, heads of `classes` labels in all counted; moments are twice that. */
int64_t shape_state_bytes(const struct model_shape *shape, int heads, int classes);
/* What a pass over a batch keeps in memory, one block cut by one table: model cuts it, plan adds it up. */
enum work_buffer {
    WORK_HIDDEN, WORK_FINAL, WORK_STATS, WORK_NORM1, WORK_QKV, WORK_PROBABILITY, WORK_ATTENDED, WORK_MIDDLE, WORK_NORM2,
    WORK_SLOPE, WORK_ACTIVE, WORK_ROWS, WORK_LOGITS, WORK_LABELS, WORK_DHIDDEN, WORK_DNORM, WORK_DWIDE, WORK_DSCORES,
    WORK_DROWS, WORK_DLABELS, WORK_BUFFERS
};
enum { LOGIT_ROWS = 256 }; /* rows that go through the LM head at a time, so that their logits stay in the cache */
/* start[buffer], in floats; start[WORK_BUFFERS] is the whole.  Buffers of the way back are empty unless `training`. */
void shape_work_table(const struct model_shape *shape, int tokens, int sequences, bool training,
                      int64_t start[WORK_BUFFERS + 1]);
/* Bytes of all buffers of a model, and of the gradient when training, for batches of at most so many tokens and
 * sequences. */
int64_t shape_work_bytes(const struct model_shape *shape, int tokens, int sequences, bool training);

/* The most tokens and sequences that a measurement passes at once; and a training step of any stage of these settings. */
void shape_measuring_batch(const struct model_shape *shape, int *tokens, int *sequences);
void shape_training_batch(const struct model_shape *shape, const struct settings *settings, int *tokens, int *sequences);

/* ---- the pretraining schedule: amounts in whole steps ---- */

struct schedule_steps { /* one step reads batch x context tokens */
    int64_t tokens_per_step;
    int64_t warmup, trunk, cooldown; /* steps: warm-up is inside trunk; trunk + cooldown = the whole amount */
};
struct schedule_steps schedule_steps_of(const struct settings *settings, const struct model_shape *shape,
                                        struct amount amount);
/* Pretraining that recovery continues, in steps of its own: re-warmed, then constant; it cools down nowhere. */
struct schedule_steps recovery_schedule_of(const struct settings *settings, const struct model_shape *shape);
struct optimizer_recipe recovery_optimizer_of(const struct settings *settings); /* pretraining's, at the rate of recovery */
/* Looks at a training of `steps` steps: look k of 0 .. looks is taken after so many, min(steps, max(k, steps (k/looks)^2)
 * rounded): before the first step, and ever more of them apart up to the end; those of a short one fall together there. */
int64_t look_step(int64_t steps, int looks, int look);
/* Points of a learning curve: point k averages steps point_end(k - 1) + 1 .. point_end(k), half octaves apart. */
int64_t point_end(int point);
int point_of_step(int64_t step); /* step counts from 1 */

#endif
