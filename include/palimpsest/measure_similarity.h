/* measure_similarity: how alike two states, or two tasks in one state, represent what they read. */
#ifndef PALIMPSEST_MEASURE_SIMILARITY_H
#define PALIMPSEST_MEASURE_SIMILARITY_H

#include "palimpsest/measure_probes.h"

struct similarity { /* of two sets of rows for the same stimuli; 1 for one and the same */
    /* Representational similarity analysis (Kriegeskorte et al. 2008) as in Merchant et al. 2020: Pearson correlation, over
     * all pairs of stimuli, of the cosine of the pair's rows in one set and in the other.  NaN where a row is 0 or all
     * pairs are equally alike. */
    double rsa;
    /* Linear centred kernel alignment (Kornblith et al. 2019): ||Y^T X||^2 / (||X^T X|| ||Y^T Y||), Frobenius norms, of
     * columns with their means taken off.  NaN where one set does not vary. */
    double cka;
};
struct comparer; /* buffers for states of one shape, one block of similarity_work_table */
struct comparer *comparer_create(const struct model_shape *shape, int stimuli, int classes);
void comparer_destroy(struct comparer **comparer);
bool comparer_fits(const struct comparer *comparer, const struct model_shape *shape, int stimuli);
/* Of x[rows][width] and y[rows][width]; rows at least 2 and at most the comparer's stimuli, width that of its shape. */
struct similarity comparer_of(struct comparer *comparer, const float *x, const float *y, int rows);
/* Of a state with another, layer by layer on the first stimuli (measure_stimuli has as many): out[layers + 2][POOLS].  Each
 * stimulus is one reference window and counts as one row: its last token's, or the mean over its tokens. */
void measure_similarity(struct comparer *comparer, struct meter *meter, const struct world *world, const struct state *state,
                        const struct state *other, int stimuli, struct similarity (*out)[POOLS]);

/* ---- classes ---- */

/* Overlap of the class representations of two tasks: the subspace that the class means of a task span, seen from their centre,
 * is where the task tells its labels apart; the overlap is the mean squared cosine of the principal angles between the two
 * subspaces, ||U_a^T U_b||^2 / min(dimensions) with orthonormal bases U (the subspace similarity of Ramasesh et al. 2021, on
 * class means).  1: one lies in the other; 0: orthogonal; by chance max(dimensions) / width.  NaN where a task's class means
 * are all one.  Means that are NaN are passed over; both arrays are overwritten. */
double class_overlap(double *mean_a, int classes_a, double *mean_b, int classes_b, int width);
/* The same in a state at each layer, out[layers + 2], for two tasks and their first `items` test items (fewer where there are
 * fewer): the mean of a class is that of its items' rows, pooled this way.  Labels without an item there are passed over. */
void measure_class_overlap(struct comparer *comparer, struct meter *meter, const struct world *world,
                           const struct state *state, const int task[2], enum pool_kind pool, int items, double *out);

#endif
