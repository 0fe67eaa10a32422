/* Similarity of representations: RSA, linear CKA, overlap of class means; all in double precision. */
#include <math.h>
#include <string.h>

#include "measure_private.h"
#include "palimpsest/kernels_regression.h"

struct comparer {
    struct model_shape shape;
    int stimuli, classes;
    char *block;
    float *features;    /* of the one state, then of the other; of as many items at a time */
    int *labels;        /* of those items */
    double *rows[2];    /* of each: [rows][width] of length 1, or [width][rows] with mean 0 */
    double *products;   /* [width] */
    double *cosines[2]; /* of each: of all pairs i > j, row by row */
    double *means[2];   /* of each task: [layers + 2][classes][width] */
};

struct comparer *comparer_create(const struct model_shape *shape, int stimuli, int classes)
{
    int64_t start[SIMILARITY_BUFFERS + 1];
    struct comparer *comparer = memory_allocate(sizeof *comparer);
    CHECK(stimuli >= 2, "%d stimuli", stimuli);
    similarity_work_table(shape, stimuli, classes, start);
    comparer->shape = *shape;
    comparer->stimuli = stimuli;
    comparer->classes = classes;
    comparer->block = memory_allocate((size_t)start[SIMILARITY_BUFFERS]);
    comparer->features = (float *)(comparer->block + start[SIMILARITY_FEATURES]);
    comparer->labels = (int *)(comparer->block + start[SIMILARITY_LABELS]);
    comparer->rows[0] = (double *)(comparer->block + start[SIMILARITY_ROWS]);
    comparer->rows[1] = comparer->rows[0] + (size_t)stimuli * (size_t)shape->width;
    comparer->products = (double *)(comparer->block + start[SIMILARITY_PRODUCTS]);
    comparer->cosines[0] = (double *)(comparer->block + start[SIMILARITY_COSINES]);
    comparer->cosines[1] = comparer->cosines[0] + (size_t)stimuli * (size_t)(stimuli - 1) / 2;
    comparer->means[0] = (double *)(comparer->block + start[SIMILARITY_MEANS]);
    comparer->means[1] = comparer->means[0] + (size_t)(shape->layers + 2) * (size_t)classes * (size_t)shape->width;
    return comparer;
}

void comparer_destroy(struct comparer **comparer)
{
    if (!*comparer) return;
    memory_free((*comparer)->block);
    memory_free(*comparer);
    *comparer = NULL;
}

bool comparer_fits(const struct comparer *comparer, const struct model_shape *shape, int stimuli)
{
    return shape_equal(&comparer->shape, shape) && stimuli <= comparer->stimuli;
}

/* ---- RSA ---- */

/* out[rows][width]: x with every row divided by its length. */
static void unit_rows(const float *x, int rows, int width, double *out)
{
    for (int r = 0; r < rows; r++, x += width, out += width) {
        for (int c = 0; c < width; c++) out[c] = x[c];
        double length = sqrt(inner_product(out, out, width));
        for (int c = 0; c < width; c++) out[c] /= length;
    }
}

/* The upper triangle of the matrix of cosines, as the lower one: pairs (1, 0), (2, 0), (2, 1), ... */
static void pair_cosines(const double *unit, int rows, int width, double *out)
{
    for (int r = 1; r < rows; out += r, r++) {
        memset(out, 0, (size_t)r * sizeof *out);
        inner_products(out, unit + (size_t)r * (size_t)width, unit, r, width, width);
    }
}

static void take_mean_off(double *values, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++) sum += values[i];
    for (int i = 0; i < count; i++) values[i] -= sum / count;
}

static double rsa_of(struct comparer *comparer, const float *const *set, int rows)
{
    const int width = comparer->shape.width, pairs = rows * (rows - 1) / 2;
    for (int s = 0; s < 2; s++) {
        unit_rows(set[s], rows, width, comparer->rows[s]);
        pair_cosines(comparer->rows[s], rows, width, comparer->cosines[s]);
        take_mean_off(comparer->cosines[s], pairs);
    }
    const double *x = comparer->cosines[0], *y = comparer->cosines[1];
    return inner_product(x, y, pairs) / sqrt(inner_product(x, x, pairs) * inner_product(y, y, pairs));
}

/* ---- CKA ---- */

/* out[width][rows]: the columns of x with their means taken off. */
static void centred_columns(const float *x, int rows, int width, double *out)
{
    for (int c = 0; c < width; c++, out += rows) {
        for (int r = 0; r < rows; r++) out[r] = x[(size_t)r * (size_t)width + (size_t)c];
        take_mean_off(out, rows);
    }
}

/* ||Y^T X||^2 */
static double product_size(struct comparer *comparer, const double *x, const double *y, int rows)
{
    const int width = comparer->shape.width;
    double size = 0;
    for (int c = 0; c < width; c++, x += rows) {
        memset(comparer->products, 0, (size_t)width * sizeof *comparer->products);
        inner_products(comparer->products, x, y, width, rows, rows);
        size += inner_product(comparer->products, comparer->products, width);
    }
    return size;
}

static double cka_of(struct comparer *comparer, const float *const *set, int rows)
{
    for (int s = 0; s < 2; s++) centred_columns(set[s], rows, comparer->shape.width, comparer->rows[s]);
    const double *x = comparer->rows[0], *y = comparer->rows[1];
    return product_size(comparer, x, y, rows) /
           sqrt(product_size(comparer, x, x, rows) * product_size(comparer, y, y, rows));
}

struct similarity comparer_of(struct comparer *comparer, const float *x, const float *y, int rows)
{
    const float *const set[] = {x, y};
    CHECK(rows >= 2 && rows <= comparer->stimuli, "%d rows in a comparer for %d", rows, comparer->stimuli);
    return (struct similarity){.rsa = rsa_of(comparer, set, rows), .cka = cka_of(comparer, set, rows)};
}

void measure_similarity(struct comparer *comparer, struct meter *meter, const struct world *world,
                        const struct state *state, const struct state *other, int stimuli,
                        struct similarity (*out)[POOLS])
{
    const struct model_shape *shape = &comparer->shape;
    const size_t each = (size_t)features_floats(shape, stimuli);
    const struct features own = {shape->layers + 2, stimuli, shape->width, comparer->features};
    const struct features theirs = {shape->layers + 2, stimuli, shape->width, comparer->features + each};
    CHECK(comparer_fits(comparer, &state->shape, stimuli) && shape_equal(&state->shape, &other->shape),
          "a comparer for another shape, or for fewer stimuli");
    measure_stimulus_features(meter, world, state, &own);
    measure_stimulus_features(meter, world, other, &theirs);
    for (int layer = 0; layer < own.layers; layer++)
        for (int pool = 0; pool < POOLS; pool++)
            out[layer][pool] = comparer_of(comparer, features_at(&own, layer, (enum pool_kind)pool),
                                           features_at(&theirs, layer, (enum pool_kind)pool), stimuli);
}

/* ---- classes ---- */

/* The rows that are numbers, moved to the front, become their differences from their centre; returns how many. */
static int centre_rows(double *rows, int count, int width)
{
    int kept = 0;
    for (int r = 0; r < count; r++) {
        if (isnan(rows[(size_t)r * (size_t)width])) continue;
        memmove(rows + (size_t)kept++ * (size_t)width, rows + (size_t)r * (size_t)width, (size_t)width * sizeof *rows);
    }
    for (int c = 0; c < width; c++) {
        double sum = 0;
        for (int r = 0; r < kept; r++) sum += rows[(size_t)r * (size_t)width + (size_t)c];
        for (int r = 0; r < kept; r++) rows[(size_t)r * (size_t)width + (size_t)c] -= sum / kept;
    }
    return kept;
}

/* Orthonormal rows that span the same, at the front, by Gram and Schmidt, each twice (Giraud et al. 2005): what is left
 * of a row below a millionth of the longest is rounding.  Returns how many. */
static int orthonormal_rows(double *rows, int count, int width)
{
    int rank = 0;
    double longest = 0;
    for (int r = 0; r < count; r++) {
        const double *row = rows + (size_t)r * (size_t)width;
        longest = fmax(longest, sqrt(inner_product(row, row, width)));
    }
    for (int r = 0; r < count; r++) {
        double *row = rows + (size_t)r * (size_t)width, *to = rows + (size_t)rank * (size_t)width;
        for (int again = 0; again < 2; again++)
            for (int k = 0; k < rank; k++) {
                const double *unit = rows + (size_t)k * (size_t)width;
                double share = inner_product(unit, row, width);
                for (int c = 0; c < width; c++) row[c] -= share * unit[c];
            }
        double length = sqrt(inner_product(row, row, width));
        if (length <= 1e-6 * longest) continue;
        for (int c = 0; c < width; c++) to[c] = row[c] / length;
        rank++;
    }
    return rank;
}

double class_overlap(double *mean_a, int classes_a, double *mean_b, int classes_b, int width)
{
    int rank_a = orthonormal_rows(mean_a, centre_rows(mean_a, classes_a, width), width);
    int rank_b = orthonormal_rows(mean_b, centre_rows(mean_b, classes_b, width), width);
    double sum = 0;
    for (int a = 0; a < rank_a; a++)
        for (int b = 0; b < rank_b; b++) {
            double cosine =
                inner_product(mean_a + (size_t)a * (size_t)width, mean_b + (size_t)b * (size_t)width, width);
            sum += cosine * cosine;
        }
    int least = rank_a < rank_b ? rank_a : rank_b;
    return least > 0 ? sum / least : NAN;
}

static double *mean_at(const struct comparer *comparer, int which, int layer, int class)
{
    size_t row = (size_t)layer * (size_t)comparer->classes + (size_t) class;
    return comparer->means[which] + row * (size_t)comparer->shape.width;
}

/* Adds the rows of `items` items to the sums of their classes, at every layer. */
static void add_rows(struct comparer *comparer, const struct features *features, enum pool_kind pool, int items,
                     int which)
{
    for (int layer = 0; layer < features->layers; layer++) {
        const float *row = features_at(features, layer, pool);
        for (int i = 0; i < items; i++, row += features->width) {
            double *sum = mean_at(comparer, which, layer, comparer->labels[i]);
            for (int c = 0; c < features->width; c++) sum[c] += row[c];
        }
    }
}

static void find_class_means(struct comparer *comparer, struct meter *meter, const struct world *world,
                             const struct state *state, int task, enum pool_kind pool, int items, int which)
{
    const struct model_shape *shape = &comparer->shape;
    const struct features features = {shape->layers + 2, comparer->stimuli, shape->width, comparer->features};
    const int all = world_facts(world)->task[task].test_items, last = items < all ? items : all;
    int count[CLASSES_MAX] = {0};
    memset(mean_at(comparer, which, 0, 0), 0,
           (size_t)(mean_at(comparer, which, features.layers, 0) - mean_at(comparer, which, 0, 0)) * sizeof(double));
    for (struct item_range part = {task, SPLIT_TEST, 0, 0}; part.first < last; part.first += part.items) {
        part.items = last - part.first < comparer->stimuli ? last - part.first : comparer->stimuli;
        measure_item_features(meter, world, state, &part, &features, 0, comparer->labels);
        add_rows(comparer, &features, pool, part.items, which);
        for (int i = 0; i < part.items; i++) count[comparer->labels[i]]++;
    }
    for (int layer = 0; layer < features.layers; layer++)
        for (int k = 0; k < comparer->classes; k++)
            for (int c = 0; c < features.width; c++) mean_at(comparer, which, layer, k)[c] /= count[k]; /* 0 / 0: NaN */
}

void measure_class_overlap(struct comparer *comparer, struct meter *meter, const struct world *world,
                           const struct state *state, const int task[2], enum pool_kind pool, int items, double *out)
{
    const struct task_facts *facts = world_facts(world)->task;
    CHECK(shape_equal(&comparer->shape, &state->shape), "a comparer for another shape");
    for (int which = 0; which < 2; which++) {
        CHECK(facts[task[which]].classes <= comparer->classes, "a comparer for %d classes", comparer->classes);
        find_class_means(comparer, meter, world, state, task[which], pool, items, which);
    }
    for (int layer = 0; layer < comparer->shape.layers + 2; layer++)
        out[layer] = class_overlap(mean_at(comparer, 0, layer, 0), facts[task[0]].classes,
                                   mean_at(comparer, 1, layer, 0), facts[task[1]].classes, comparer->shape.width);
}
