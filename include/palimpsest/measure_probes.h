/* measure_probes: what can be read off the hidden rows of a frozen state: linear probes, layer by layer. */
#ifndef PALIMPSEST_MEASURE_PROBES_H
#define PALIMPSEST_MEASURE_PROBES_H

#include "palimpsest/model.h"
#include "palimpsest/world.h"

struct meter;

/* ---- features: one row for each item or window, at each layer, pooled each way ---- */

struct features {
    int layers, rows, width; /* layers: embedding, blocks, final norm */
    float *values;           /* [features_floats], borrowed */
};
float *features_at(const struct features *features, int layer, enum pool_kind pool); /* [rows][width] */
struct item_range { /* of one split of a task; all of it must be there */
    int task;
    enum split split;
    int first, items;
};
/* Into rows row, row + 1, ...; label[items].  Items stand as a head of their own reads them: without prompt, cut to the
 * context.  All layers come from one forward pass. */
void measure_item_features(struct meter *meter, const struct world *world, const struct state *state,
                           const struct item_range *range, const struct features *features, int row, int *label);
/* Fixed stimuli, the same for every state of a shape: the reference windows of all domains in turn (window 0 of each, then
 * window 1, ...), unmasked, as many as `wanted` or as there are. */
int measure_stimuli(const struct world *world, int context, int wanted);
/* Fills all features->rows rows with the first stimuli, at most measure_stimuli of them. */
void measure_stimulus_features(struct meter *meter, const struct world *world, const struct state *state,
                               const struct features *features);

/* ---- linear probes (Alain and Bengio 2017; Conneau et al. 2018): multinomial logistic regression ----
 *
 * Features are standardised by mean and deviation over the training rows; a channel that does not vary there (deviation at
 * most 1e-7 of the mean) is left out.  The fit minimises
 *     mean over training rows of -log softmax(W z)[label]  +  strength / 2 ||W||^2
 * where the last channel of z is a constant 1 (the bias is regularised like any weight, so that the optimum is unique),
 * from strong to weak regularisation, each from the optimum of the one before, until no component of the gradient is above a
 * tolerance; the function is strictly convex, so where it ends does not depend on the way, and the weights are within
 * tolerance sqrt(variables) / strength of the optimum.  The strength with the best accuracy
 * on the development rows is taken, of equal ones the strongest.  A label without training rows is never predicted. */
struct probe_path {
    int strengths;
    double strength[8]; /* falling; scikit-learn's C is 1 / (strength x training rows) */
    double tolerance;   /* nats */
};
extern const struct probe_path probe_standard; /* 1, 0.1, 0.01, 1e-3, 1e-4; to 1e-6 */

struct probe {
    double accuracy;    /* on the test rows; NaN when a fit did not converge (features that are not finite) */
    double development; /* accuracy there */
    double strength;    /* chosen */
    double gradient;    /* largest component at the end, of the worst of the fits */
    int evaluations;    /* of loss and gradient, over all fits */
};
struct prober; /* buffers for probes of one shape, one block of probe_work_table */
struct prober *prober_create(const struct model_shape *shape, const struct probe_rows *most, int classes);
void prober_destroy(struct prober **prober);
bool prober_fits(const struct prober *prober, const struct model_shape *shape, const struct probe_rows *rows, int classes);
/* One probe on feature[rows][width] with label[rows]: training rows, then development rows, then test rows; at least one of
 * each.  Everything is borrowed. */
struct probe prober_fit(struct prober *prober, const float *feature, const int *label, const struct probe_rows *rows,
                        int classes, const struct probe_path *path);
/* Weights that the last fit chose, on standardised features: [labels with training rows][width + 1], bias last; borrowed. */
const double *prober_weights(const struct prober *prober);
/* Probes on every layer and pooling of a state for one task: accuracy[layers + 2][POOLS]. */
void measure_probes(struct prober *prober, struct meter *meter, const struct world *world, const struct state *state, int task,
                    const struct probe_rows *rows, double (*accuracy)[POOLS]);

#endif
