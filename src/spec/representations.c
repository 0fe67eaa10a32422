/* Sizes of what measuring representations takes. */
#include "palimpsest/spec.h"

enum { LINE = 64 }; /* bytes of a cache line */

int64_t features_floats(const struct model_shape *shape, int64_t rows)
{
    return (int64_t)(shape->layers + 2) * POOLS * rows * shape->width;
}

static int smaller(int64_t a, int64_t b) { return (int)(a < b ? a : b); }

struct probe_rows probe_rows_of(const struct settings *settings, const struct task_facts *task)
{
    return (struct probe_rows){.train = smaller(settings->probes.items, task->train_items),
                               .development = smaller(settings->probes.items, task->development_items),
                               .test = smaller(settings->evaluate.items, task->test_items)};
}

struct probe_rows probe_rows_most(const struct settings *settings, const struct world_facts *facts, int *classes)
{
    struct probe_rows most = {0};
    *classes = 0;
    for (int t = 0; t < facts->tasks; t++) {
        struct probe_rows rows = probe_rows_of(settings, &facts->task[t]);
        if (rows.train > most.train) most.train = rows.train;
        if (rows.development > most.development) most.development = rows.development;
        if (rows.test > most.test) most.test = rows.test;
        if (facts->task[t].classes > *classes) *classes = facts->task[t].classes;
    }
    return most;
}

int probe_panels(int rows) { return (rows + PROBE_PANEL - 1) / PROBE_PANEL; }

/* The point before, two gradients, a direction, a scratch; and the steps it remembers with their changes of gradient.
 */
int64_t minimiser_doubles(int64_t variables) { return (5 + 2 * PROBE_MEMORY) * variables; }

static void add_up(const int64_t *bytes, int buffers, int64_t *start)
{
    start[0] = 0;
    for (int i = 0; i < buffers; i++) start[i + 1] = start[i] + (bytes[i] + LINE - 1) / LINE * LINE;
}

void probe_work_table(const struct model_shape *shape, const struct probe_rows *rows, int classes,
                      int64_t start[PROBE_BUFFERS + 1])
{
    const int64_t width = shape->width, channels = width + 1, variables = classes * channels;
    const int64_t real = (int64_t)sizeof(double);
    const int64_t all = (int64_t)rows->train + rows->development + rows->test;
    const int64_t panels = probe_panels(rows->train) + probe_panels(rows->development) + probe_panels(rows->test);
    const int64_t bytes[PROBE_BUFFERS] = {
        [PROBE_FEATURES] = features_floats(shape, all) * (int64_t)sizeof(float),
        [PROBE_LABELS] = all * (int64_t)sizeof(int),
        [PROBE_TARGETS] = rows->train * (int64_t)sizeof(int),
        [PROBE_PANELS] = panels * PROBE_PANEL * channels * real,
        [PROBE_SCALES] = 2 * width * real,
        [PROBE_FACTOR] = channels * channels * real,
        [PROBE_SEARCH] = minimiser_doubles(variables) * real,
        [PROBE_WEIGHTS] = variables * real,
        [PROBE_CHOSEN] = variables * real,
        [PROBE_SUMS] = variables * PROBE_LANES * real,
        [PROBE_LOGITS] = (int64_t)classes * PROBE_PANEL * real,
    };
    add_up(bytes, PROBE_BUFFERS, start);
}

void similarity_work_table(const struct model_shape *shape, int stimuli, int classes,
                           int64_t start[SIMILARITY_BUFFERS + 1])
{
    const int64_t width = shape->width, count = stimuli, real = (int64_t)sizeof(double);
    const int64_t bytes[SIMILARITY_BUFFERS] = {
        [SIMILARITY_FEATURES] = 2 * features_floats(shape, count) * (int64_t)sizeof(float),
        [SIMILARITY_LABELS] = count * (int64_t)sizeof(int),
        [SIMILARITY_ROWS] = 2 * count * width * real,
        [SIMILARITY_PRODUCTS] = width * real,
        [SIMILARITY_COSINES] = count * (count - 1) * real,
        [SIMILARITY_MEANS] = 2 * (int64_t)classes * (shape->layers + 2) * width * real,
    };
    add_up(bytes, SIMILARITY_BUFFERS, start);
}
