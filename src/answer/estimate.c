/* Rows of a table, one for each value of each axis, and what a metric is in each of them. */
#include <math.h>
#include <string.h>

#include "answer_private.h"
#include "palimpsest/base_words.h"

enum { ROWS_SHOWN = 40 }; /* of one axis among others; asked for by name it is shown whole */

/* ---- rows ---- */

static bool same_word(const char *asked, const char *known)
{
    for (; *asked && *known; asked++, known++)
        if (*asked != *known && !(*asked == '.' && *known == '_')) return false;
    return *asked == *known;
}

static int refuse(const struct variable *variable, const char *by, struct error *err)
{
    const char *known[16] = {NULL};
    char list[1024] = "";
    int count = 0;
    size_t used = 0;
    if (strcmp(by, "seed") == 0)
        return error_set(err, ERROR_INPUT, "--by: seeds are what the intervals are taken over; name another dimension");
    for (int d = 0; d < variable->dimensions; d++) {
        if (strcmp(variable->dimension[d], "seed") == 0) continue;
        known[count] = variable->dimension[d];
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", count ? ", " : "", known[count]);
        count++;
    }
    int nearest = word_nearest(by, known, count);
    if (nearest >= 0)
        return error_set(err, ERROR_INPUT, "--by: there is no dimension \"%s\" here; did you mean %s?", by,
                         known[nearest]);
    return error_set(err, ERROR_INPUT, "--by: there is no dimension \"%s\" here; there are %s", by,
                     count ? list : "none but seed");
}

static int add_axis(struct store_reader *reader, const char *dimension, struct rows *rows, struct error *err)
{
    struct axis_labels *axis = &rows->axis[rows->axes];
    snprintf(axis->name, sizeof axis->name, "%s", dimension);
    TRY(store_read_labels(reader, dimension, &axis->label, &axis->count, err));
    rows->axes++;
    for (int v = 0; v < axis->count; v++) {
        rows->row = memory_grow(rows->row, &rows->capacity, (size_t)rows->count + 1, sizeof *rows->row);
        rows->row[rows->count++] = (struct row){.dimension = axis->name, .value = v, .label = axis->label[v]};
    }
    return 0;
}

static void add_everything(struct rows *rows)
{
    rows->row = memory_grow(rows->row, &rows->capacity, 1, sizeof *rows->row);
    rows->row[rows->count++] = (struct row){.label = "all"};
}

static int add_axes(struct store_reader *reader, const struct variable *variable, const char *by, bool whole,
                    struct rows *rows, struct error *err)
{
    for (int d = 0; d < variable->dimensions; d++) {
        const char *name = variable->dimension[d];
        if (strcmp(name, "seed") == 0 || (by && !same_word(by, name))) continue;
        if (!by && !whole && variable->length[d] > ROWS_SHOWN)
            rows->hidden = (struct hidden_axis){.name = name, .values = variable->length[d]};
        else if (by || variable->length[d] > 1)
            TRY(add_axis(reader, name, rows, err));
    }
    return 0;
}

int rows_read(struct store_reader *reader, const struct variable *variable, const char *by, bool whole,
              struct rows *rows, struct error *err)
{
    *rows = (struct rows){.axis = memory_array((size_t)variable->dimensions + 1, sizeof *rows->axis)};
    add_everything(rows);
    int status = add_axes(reader, variable, by, whole, rows, err);
    if (status == 0 && by && rows->axes == 0) status = refuse(variable, by, err);
    if (status != 0) rows_reset(rows);
    return status;
}

void rows_reset(struct rows *rows)
{
    for (int a = 0; a < rows->axes; a++) {
        for (int v = 0; v < rows->axis[a].count; v++) memory_free(rows->axis[a].label[v]);
        memory_free(rows->axis[a].label);
    }
    memory_free(rows->axis);
    memory_free(rows->row);
    *rows = (struct rows){.count = 0};
}

/* ---- estimates ---- */

/* Whether "from the row above" means something along it: sequences, tasks and domains have no order. */
static bool is_ordered(const char *dimension)
{
    return strcmp(dimension, "pair") != 0 && strcmp(dimension, "task") != 0 && strcmp(dimension, "domain") != 0;
}

static struct interval interval_at(const struct reduction *reduction, int value)
{
    return interval_of(reduction->mean + (size_t)value * (size_t)reduction->seeds, reduction->seeds, LEVEL);
}

static void count_places(const struct metric *metric, const char *dimension, struct estimate *estimate)
{
    int along = dimension_find(&metric->variable, dimension);
    for (int64_t i = 0; i < metric->variable.count; i++) {
        struct estimate *here = &estimate[along < 0 ? 0 : dimension_index(&metric->variable, along, i)];
        here->count[metric->presence[i]]++;
        if (metric->presence[i] == PRESENT) here->sum += metric->variable.values[i];
    }
}

/* All rows of one dimension, the `first` and those behind it. */
static void estimate_dimension(const struct metric *metric, const struct row *first, struct estimate *estimate)
{
    struct reduction means, changes = {.values = 0};
    const char *dimension = first->dimension;
    if (dimension && dimension_find(&metric->variable, dimension) < 0) return;
    reduce(&metric->variable, dimension, &means);
    if (dimension && is_ordered(dimension)) reduce_changes(&metric->variable, dimension, &changes);
    count_places(metric, dimension, estimate);
    for (int v = 0; v < means.values; v++) {
        estimate[v].applies = true;
        estimate[v].value = interval_at(&means, v);
        if (v >= changes.values) continue;
        estimate[v].change = interval_at(&changes, v);
        estimate[v].compared = changes.used[v];
    }
    reduction_reset(&means);
    reduction_reset(&changes);
}

static const struct interval nothing = {.mean = NAN, .low = NAN, .high = NAN, .deviation = NAN};

struct estimate *estimate_rows(const struct metric *metric, const struct rows *rows)
{
    struct estimate *estimate = memory_array((size_t)rows->count, sizeof *estimate);
    for (int r = 0; r < rows->count; r++) estimate[r].value = estimate[r].change = nothing;
    for (int r = 0; r < rows->count; r++)
        if (rows->row[r].value == 0) estimate_dimension(metric, &rows->row[r], &estimate[r]);
    return estimate;
}
