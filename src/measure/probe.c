/* Linear probes: softmax regression on standardised features, fitted along a path of strengths. */
#include <math.h>
#include <string.h>

#include "measure_private.h"
#include "palimpsest/kernels_regression.h"

_Static_assert((int)PROBE_PANEL == (int)PANEL && (int)PROBE_LANES == (int)REAL_LANES,
               "spec promises the memory that kernels use");

const struct probe_path probe_standard = {5, {1, 1e-1, 1e-2, 1e-3, 1e-4}, 1e-6};

struct prober {
    struct model_shape shape;
    struct probe_rows most;
    int most_classes;
    char *block;
    float *features;        /* [layers + 2][POOLS][rows][width] */
    int *labels, *targets;  /* of all rows; of the training rows, numbered among the labels that occur there */
    double *panels;         /* training, development, test: [panels][channels][PANEL], standardised */
    double *centre, *scale; /* [width]: z = (x - centre) scale */
    double *factor;         /* [channels][channels]: of the preconditioner, lower half */
    double *search;
    double *weights, *chosen; /* [classes][channels]: of the fit in progress, of the best */
    double *sums, *logits;
    /* the fit in progress */
    struct probe_rows rows;
    int channels, classes,
        present[CLASSES_MAX]; /* channels: width and the constant 1; classes that occur in training */
    double strength;
};

struct prober *prober_create(const struct model_shape *shape, const struct probe_rows *most, int classes)
{
    int64_t start[PROBE_BUFFERS + 1];
    struct prober *prober = memory_allocate(sizeof *prober);
    probe_work_table(shape, most, classes, start);
    prober->shape = *shape;
    prober->most = *most;
    prober->most_classes = classes;
    prober->block = memory_allocate((size_t)start[PROBE_BUFFERS]);
    prober->features = (float *)(prober->block + start[PROBE_FEATURES]);
    prober->labels = (int *)(prober->block + start[PROBE_LABELS]);
    prober->targets = (int *)(prober->block + start[PROBE_TARGETS]);
    prober->panels = (double *)(prober->block + start[PROBE_PANELS]);
    prober->centre = (double *)(prober->block + start[PROBE_SCALES]);
    prober->scale = prober->centre + shape->width;
    prober->factor = (double *)(prober->block + start[PROBE_FACTOR]);
    prober->search = (double *)(prober->block + start[PROBE_SEARCH]);
    prober->weights = (double *)(prober->block + start[PROBE_WEIGHTS]);
    prober->chosen = (double *)(prober->block + start[PROBE_CHOSEN]);
    prober->sums = (double *)(prober->block + start[PROBE_SUMS]);
    prober->logits = (double *)(prober->block + start[PROBE_LOGITS]);
    return prober;
}

void prober_destroy(struct prober **prober)
{
    if (!*prober) return;
    memory_free((*prober)->block);
    memory_free(*prober);
    *prober = NULL;
}

bool prober_fits(const struct prober *prober, const struct model_shape *shape, const struct probe_rows *rows,
                 int classes)
{
    return shape_equal(&prober->shape, shape) && rows->train <= prober->most.train &&
           rows->development <= prober->most.development && rows->test <= prober->most.test &&
           classes <= prober->most_classes;
}

const double *prober_weights(const struct prober *prober) { return prober->chosen; }

/* ---- features into panels ---- */

static void find_scales(struct prober *prober, const float *feature, int rows)
{
    const int width = prober->shape.width;
    double *mean = prober->centre, *spread = prober->scale;
    memset(mean, 0, 2 * (size_t)width * sizeof *mean);
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < width; c++) mean[c] += feature[(size_t)r * (size_t)width + (size_t)c];
    for (int c = 0; c < width; c++) mean[c] /= rows;
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < width; c++) {
            double apart = feature[(size_t)r * (size_t)width + (size_t)c] - mean[c];
            spread[c] += apart * apart;
        }
    for (int c = 0; c < width; c++) {
        double deviation = sqrt(spread[c] / rows);
        spread[c] = deviation <= 1e-7 * fabs(mean[c]) ? 0 : 1 / deviation;
    }
}

static double *panel_at(const struct prober *prober, int panel)
{
    return prober->panels + (size_t)panel * (size_t)prober->channels * PANEL;
}

/* Rows of one split from panel number `panel` on; the last channel is the constant. */
static void fill_panels(struct prober *prober, const float *feature, int rows, int panel)
{
    const int width = prober->shape.width;
    for (int first = 0; first < rows; first += PANEL, panel++) {
        double *to = panel_at(prober, panel);
        memset(to, 0, (size_t)prober->channels * PANEL * sizeof *to);
        for (int i = 0; i < PANEL && first + i < rows; i++) {
            const float *x = feature + (size_t)(first + i) * (size_t)width;
            for (int c = 0; c < width; c++) to[c * PANEL + i] = (x[c] - prober->centre[c]) * prober->scale[c];
            to[width * PANEL + i] = 1;
        }
    }
}

/* Labels without training rows are left out: nothing is known of them. */
static void number_targets(struct prober *prober, const int *label, int classes)
{
    int number[CLASSES_MAX];
    memset(number, -1, sizeof number);
    for (int r = 0; r < prober->rows.train; r++) {
        CHECK(label[r] >= 0 && label[r] < classes, "label %d of %d", label[r], classes);
        number[label[r]] = 0;
    }
    prober->classes = 0;
    for (int k = 0; k < classes; k++) {
        if (number[k] < 0) continue;
        prober->present[prober->classes] = k;
        number[k] = prober->classes++;
    }
    for (int r = 0; r < prober->rows.train; r++) prober->targets[r] = number[label[r]];
}

/* ---- the function that is minimised ---- */

static double value_of(void *context, const double *x, double *gradient)
{
    struct prober *prober = context;
    const int channels = prober->channels, classes = prober->classes, variables = classes * channels;
    const int rows = prober->rows.train;
    double loss = 0, size = 0;
    memset(prober->sums, 0, (size_t)variables * REAL_LANES * sizeof *prober->sums);
    for (int p = 0, first = 0; first < rows; p++, first += PANEL) {
        const double *panel = panel_at(prober, p);
        const int items = rows - first < PANEL ? rows - first : PANEL;
        panel_logits(prober->logits, panel, x, channels, classes);
        loss += panel_softmax(prober->logits, prober->targets + first, items, classes);
        panel_gradient(prober->sums, prober->logits, panel, channels, classes);
    }
    lanes_fold(gradient, prober->sums, variables);
    for (int i = 0; i < variables; i++) {
        gradient[i] = gradient[i] / rows + prober->strength * x[i];
        size += x[i] * x[i];
    }
    return loss / rows + prober->strength / 2 * size;
}

/* The second derivative at x is the mean over rows of (diag(p) - p p^T) times z z^T, plus strength I.  Of the first
 * factor its trace over the classes - 1 dimensions it acts in is taken, for two classes the whole; what is left is one
 * matrix of channels for all classes. */
static void add_curvature(struct prober *prober, const double *panel, const int *target, int items)
{
    const int channels = prober->channels, classes = prober->classes;
    double weight[PANEL] = {0}, weighted[PANEL], *residual = prober->logits;
    for (int i = 0; i < items; i++) {
        double squares = 0;
        for (int k = 0; k < classes; k++) {
            double p = residual[k * PANEL + i] + (k == target[i] ? 1 : 0);
            squares += p * p;
        }
        weight[i] = classes > 1 ? (1 - squares) / (classes - 1) / prober->rows.train : 0;
    }
    for (int c = 0; c < channels; c++) {
        for (int i = 0; i < PANEL; i++) weighted[i] = weight[i] * panel[c * PANEL + i];
        inner_products(prober->factor + (size_t)c * (size_t)channels, weighted, panel, c + 1, PANEL, PANEL);
    }
}

/* Cholesky's factor of that matrix, in place. */
static void factorise(struct prober *prober)
{
    const int channels = prober->channels;
    for (int i = 0; i < channels; i++) {
        double *row = prober->factor + (size_t)i * (size_t)channels;
        row[i] += prober->strength;
        for (int j = 0; j <= i; j++) {
            const double *other = prober->factor + (size_t)j * (size_t)channels;
            double rest = row[j] - inner_product(row, other, j);
            row[j] = i == j ? sqrt(rest) : rest / other[j];
        }
    }
}

/* Makes the preconditioner for the running strength, at x. */
static void find_curvature(struct prober *prober, const double *x)
{
    const int channels = prober->channels, rows = prober->rows.train;
    memset(prober->factor, 0, (size_t)channels * (size_t)channels * sizeof *prober->factor);
    for (int p = 0, first = 0; first < rows; p++, first += PANEL) {
        const double *panel = panel_at(prober, p);
        const int items = rows - first < PANEL ? rows - first : PANEL;
        panel_logits(prober->logits, panel, x, channels, prober->classes);
        panel_softmax(prober->logits, prober->targets + first, items, prober->classes);
        add_curvature(prober, panel, prober->targets + first, items);
    }
    factorise(prober);
}

static void precondition(void *context, double *direction)
{
    const struct prober *prober = context;
    const int channels = prober->channels;
    for (int k = 0; k < prober->classes; k++, direction += channels) {
        for (int i = 0; i < channels; i++) {
            const double *row = prober->factor + (size_t)i * (size_t)channels;
            direction[i] = (direction[i] - inner_product(row, direction, i)) / row[i];
        }
        for (int i = channels - 1; i >= 0; i--) {
            const double *row = prober->factor + (size_t)i * (size_t)channels;
            direction[i] /= row[i];
            for (int j = 0; j < i; j++) direction[j] -= row[j] * direction[i];
        }
    }
}

/* ---- fitting and choosing ---- */

/* Accuracy of the given weights on the rows from panel number `panel` on; of equal logits the first label counts. */
static double accuracy_of(struct prober *prober, const double *weights, int panel, const int *label, int rows)
{
    int correct = 0;
    for (int first = 0; first < rows; first += PANEL, panel++) {
        const double *logit = prober->logits;
        panel_logits(prober->logits, panel_at(prober, panel), weights, prober->channels, prober->classes);
        for (int i = 0; i < PANEL && first + i < rows; i++) {
            int best = 0;
            for (int k = 1; k < prober->classes; k++)
                if (logit[k * PANEL + i] > logit[best * PANEL + i]) best = k;
            correct += prober->present[best] == label[first + i];
        }
    }
    return (double)correct / rows;
}

static void prepare(struct prober *prober, const float *feature, const int *label, const struct probe_rows *rows,
                    int classes)
{
    const size_t width = (size_t)prober->shape.width;
    CHECK(prober_fits(prober, &prober->shape, rows, classes), "a probe on %d, %d, %d rows with %d classes", rows->train,
          rows->development, rows->test, classes);
    CHECK(rows->train > 0 && rows->development > 0 && rows->test > 0, "a probe on %d, %d, %d rows", rows->train,
          rows->development, rows->test);
    prober->rows = *rows;
    prober->channels = prober->shape.width + 1;
    number_targets(prober, label, classes);
    find_scales(prober, feature, rows->train);
    int development = probe_panels(rows->train), test = development + probe_panels(rows->development);
    fill_panels(prober, feature, rows->train, 0);
    fill_panels(prober, feature + (size_t)rows->train * width, rows->development, development);
    fill_panels(prober, feature + (size_t)(rows->train + rows->development) * width, rows->test, test);
}

struct probe prober_fit(struct prober *prober, const float *feature, const int *label, const struct probe_rows *rows,
                        int classes, const struct probe_path *path)
{
    struct probe probe = {.development = -1};
    prepare(prober, feature, label, rows, classes);
    const int first = probe_panels(rows->train), test = first + probe_panels(rows->development);
    const size_t bytes = (size_t)prober->classes * (size_t)prober->channels * sizeof *prober->weights;
    const struct convex convex = {prober->classes * prober->channels, value_of, precondition, prober};
    memset(prober->weights, 0, bytes);
    for (int s = 0; s < path->strengths; s++) {
        prober->strength = path->strength[s];
        find_curvature(prober, prober->weights);
        struct minimum minimum = minimise(&convex, path->tolerance, prober->weights, prober->search);
        probe.evaluations += minimum.evaluations;
        if (!(minimum.gradient <= probe.gradient)) probe.gradient = minimum.gradient;
        if (!minimum.converged) return (struct probe){NAN, NAN, NAN, minimum.gradient, probe.evaluations};
        double accuracy = accuracy_of(prober, prober->weights, first, label + rows->train, rows->development);
        if (accuracy <= probe.development) continue;
        probe.development = accuracy;
        probe.strength = path->strength[s];
        memcpy(prober->chosen, prober->weights, bytes);
    }
    probe.accuracy = accuracy_of(prober, prober->chosen, test, label + rows->train + rows->development, rows->test);
    return probe;
}

void measure_probes(struct prober *prober, struct meter *meter, const struct world *world, const struct state *state,
                    int task, const struct probe_rows *rows, double (*accuracy)[POOLS])
{
    const int all = rows->train + rows->development + rows->test, classes = world_facts(world)->task[task].classes;
    const struct features features = {prober->shape.layers + 2, all, prober->shape.width, prober->features};
    CHECK(prober_fits(prober, &state->shape, rows, classes), "a prober for another shape, or for fewer rows");
    const struct item_range part[] = {{task, SPLIT_TRAIN, 0, rows->train},
                                      {task, SPLIT_DEVELOPMENT, 0, rows->development},
                                      {task, SPLIT_TEST, 0, rows->test}};
    for (int p = 0, row = 0; p < 3; row += part[p++].items)
        measure_item_features(meter, world, state, &part[p], &features, row, prober->labels + row);
    for (int layer = 0; layer < features.layers; layer++)
        for (int pool = 0; pool < POOLS; pool++)
            accuracy[layer][pool] = prober_fit(prober, features_at(&features, layer, (enum pool_kind)pool),
                                               prober->labels, rows, classes, &probe_standard)
                                        .accuracy;
}
