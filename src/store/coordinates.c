/* Dimensions and their coordinates: numbers where an axis is numeric, labels elsewhere, in the way netCDF-4 and xarray
 * read them.  Only the serial skeleton makes them: dimension scales are not for parallel HDF5. */
#include <hdf5_hl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "store_private.h"

enum { LABEL_BYTES = NAME_MAX_BYTES * PLACES_MAX };

/* One coordinate while it is made: values of one member of an axis, or of a fixed dimension. */
struct coordinate {
    char name[NAME_MAX_BYTES];
    const char *dimension, *units, *long_name;
    int length;
    int64_t *integers; /* one of the three is there */
    double *reals;
    char **texts;
};

static void coordinate_reset(struct coordinate *coordinate)
{
    memory_free(coordinate->integers);
    memory_free(coordinate->reals);
    for (int i = 0; coordinate->texts && i < coordinate->length; i++) memory_free(coordinate->texts[i]);
    memory_free(coordinate->texts);
}

static struct coordinate coordinate_of_texts(const char *name, int length)
{
    struct coordinate coordinate = {.dimension = name, .length = length};
    snprintf(coordinate.name, sizeof coordinate.name, "%s", name);
    coordinate.texts = memory_array((size_t)length, sizeof *coordinate.texts);
    return coordinate;
}

/* The dimension's own coordinate becomes its scale; others are attached to that scale. */
static int coordinate_create(const struct hdf *hdf, const struct coordinate *coordinate)
{
    hid_t text = hdf_text_type();
    hid_t type = coordinate->integers ? H5T_NATIVE_INT64 : coordinate->reals ? H5T_NATIVE_DOUBLE : text;
    const void *values = coordinate->integers ? (void *)coordinate->integers
                         : coordinate->reals  ? (void *)coordinate->reals
                                              : (void *)coordinate->texts;
    struct dimensions dimensions = {.count = 0};
    dimensions_add(&dimensions, coordinate->dimension, coordinate->length);
    hid_t dataset = hdf_dataset(hdf, coordinate->name, type, &dimensions, NULL, values);
    H5Tclose(text);
    if (dataset < 0) return -1;
    int status = 0;
    if (strcmp(coordinate->name, coordinate->dimension) != 0)
        status = dimensions_attach(hdf, dataset, &dimensions);
    else if (H5DSset_scale(dataset, coordinate->name) < 0)
        status = hdf_fail(hdf->err, hdf->path, "%s cannot be made a dimension", coordinate->name);
    if (status == 0) status = hdf_attribute_text(hdf, dataset, "long_name", coordinate->long_name);
    if (status == 0) status = hdf_attribute_text(hdf, dataset, "units", coordinate->units);
    H5Dclose(dataset);
    return status;
}

static int create_and_reset(const struct hdf *hdf, struct coordinate *coordinate)
{
    int status = coordinate_create(hdf, coordinate);
    coordinate_reset(coordinate);
    return status;
}

int dimensions_attach(const struct hdf *hdf, hid_t dataset, const struct dimensions *dimensions)
{
    for (int i = 0; i < dimensions->count; i++) {
        hid_t scale = H5Dopen2(hdf->file, dimensions->name[i], H5P_DEFAULT);
        int status = scale < 0 || H5DSattach_scale(dataset, scale, (unsigned)i) < 0 ? -1 : 0;
        if (status != 0) hdf_fail(hdf->err, hdf->path, "the dimension %s cannot be attached", dimensions->name[i]);
        if (scale >= 0) H5Dclose(scale);
        TRY(status);
    }
    return 0;
}

/* ---- axes of the sweep ---- */

static void sequence_label(const struct sweep *sweep, int sequence, char *text, size_t size)
{
    const struct sequence *tasks = &sweep->sequences[sequence];
    size_t used = 0;
    text[0] = '\0';
    for (int place = 0; place < tasks->length && used < size; place++)
        used +=
            (size_t)snprintf(text + used, size - used, "%s%s", place > 0 ? ">" : "", sweep->tasks[tasks->task[place]]);
}

static void setting_label(int row, union setting_value value, char *text, size_t size)
{
    struct settings settings;
    settings_standard(&settings);
    setting_assign(row, value, &settings);
    setting_print(row, &settings, text, size);
}

static void amount_label(struct amount amount, char *text, size_t size)
{
    snprintf(text, size, amount.relative ? "%.15gx" : "%.0f", amount.value);
}

static void member_label(const struct sweep *sweep, const struct axis_member *member, int i, char *text, size_t size)
{
    switch (member->kind) {
    case AXIS_SIZE: snprintf(text, size, "%s", sweep->sizes[member->values.integer[i]].name); return;
    case AXIS_PAIR: sequence_label(sweep, (int)member->values.integer[i], text, size); return;
    case AXIS_TOKENS: amount_label(member->values.amount[i], text, size); return;
    case AXIS_SETTING: setting_label(member->row, member->values.setting[i], text, size); return;
    case AXIS_VARIETY:
    case AXIS_SEED: snprintf(text, size, "%lld", (long long)member->values.integer[i]); return;
    }
}

static bool spans_in_fractions(const struct axis_member *member, int length)
{
    for (int i = 0; i < length; i++)
        if (member->values.setting[i].span.in_tokens) return false;
    return true;
}

static bool amounts_in_tokens(const struct axis_member *member, int length)
{
    for (int i = 0; i < length; i++)
        if (member->values.amount[i].relative) return false;
    return true;
}

/* What numbers a setting's values are: 'i' whole, 'r' real, 't' not numbers. */
static char setting_numbers(const struct axis_member *member, int length)
{
    switch (settings_table[member->row].type) {
    case SETTING_INTEGER:
    case SETTING_TOKENS:
    case SETTING_FLAG: return 'i';
    case SETTING_REAL: return 'r';
    case SETTING_SPAN: return spans_in_fractions(member, length) ? 'r' : 't';
    case SETTING_CHOICE: break;
    }
    return 't';
}

static char member_numbers(const struct axis_member *member, int length)
{
    switch (member->kind) {
    case AXIS_VARIETY:
    case AXIS_SEED: return 'i';
    case AXIS_TOKENS: return amounts_in_tokens(member, length) ? 'i' : 't';
    case AXIS_SETTING: return setting_numbers(member, length);
    case AXIS_SIZE:
    case AXIS_PAIR: break;
    }
    return 't';
}

static int64_t member_integer(const struct axis_member *member, int i)
{
    if (member->kind == AXIS_TOKENS) return llround(member->values.amount[i].value);
    return member->kind == AXIS_SETTING ? member->values.setting[i].integer : member->values.integer[i];
}

static double member_real(const struct axis_member *member, int i)
{
    union setting_value value = member->values.setting[i];
    return settings_table[member->row].type == SETTING_SPAN ? value.span.value : value.real;
}

static const char *member_units(const struct axis_member *member)
{
    if (member->kind == AXIS_TOKENS) return "tokens";
    return member->kind == AXIS_SETTING ? settings_table[member->row].unit : NULL;
}

static const char *member_meaning(const struct axis_member *member)
{
    switch (member->kind) {
    case AXIS_SIZE: return "model";
    case AXIS_TOKENS: return "amount of pretraining";
    case AXIS_VARIETY: return "number of domains read in pretraining";
    case AXIS_PAIR: return "tasks in the order they are learnt";
    case AXIS_SEED: return "seed, paired over the whole grid";
    case AXIS_SETTING: return settings_table[member->row].meaning;
    }
    return NULL;
}

static void member_fill(const struct sweep *sweep, const struct axis_member *member, struct coordinate *coordinate)
{
    char numbers = member_numbers(member, coordinate->length);
    size_t length = (size_t)coordinate->length;
    if (numbers == 'i') coordinate->integers = memory_array(length, sizeof *coordinate->integers);
    if (numbers == 'r') coordinate->reals = memory_array(length, sizeof *coordinate->reals);
    if (numbers == 't') coordinate->texts = memory_array(length, sizeof *coordinate->texts);
    for (int i = 0; i < coordinate->length; i++) {
        char label[LABEL_BYTES];
        if (numbers == 'i') coordinate->integers[i] = member_integer(member, i);
        if (numbers == 'r') coordinate->reals[i] = member_real(member, i);
        if (numbers != 't') continue;
        member_label(sweep, member, i, label, sizeof label);
        coordinate->texts[i] = memory_text(label);
    }
}

static void member_name(const struct axis_member *member, char name[NAME_MAX_BYTES])
{
    snprintf(name, NAME_MAX_BYTES, "%s", member->name);
    for (char *c = name; *c; c++)
        if (*c == '.') *c = '_';
}

static int member_create(const struct hdf *hdf, const struct sweep *sweep, const struct axis *axis, int m)
{
    const struct axis_member *member = &axis->members[m];
    struct coordinate coordinate = {.dimension = axis->name,
                                    .units = member_units(member),
                                    .long_name = member_meaning(member),
                                    .length = axis->length};
    member_name(member, coordinate.name);
    member_fill(sweep, member, &coordinate);
    return create_and_reset(hdf, &coordinate);
}

/* A zip group's own coordinate: its members' labels joined, unless a member has the group's name. */
static int group_create(const struct hdf *hdf, const struct axis *axis)
{
    for (int m = 0; m < axis->member_count; m++) {
        char name[NAME_MAX_BYTES];
        member_name(&axis->members[m], name);
        if (strcmp(name, axis->name) == 0) return 0;
    }
    struct coordinate coordinate = coordinate_of_texts(axis->name, axis->length);
    for (int i = 0; i < axis->length; i++) coordinate.texts[i] = memory_text(axis->labels[i]);
    return create_and_reset(hdf, &coordinate);
}

static int longest_sequence(const struct sweep *sweep)
{
    int longest = 0;
    for (int s = 0; s < sweep->sequence_count; s++)
        if (sweep->sequences[s].length > longest) longest = sweep->sequences[s].length;
    return longest;
}

/* pair_first, pair_second, ...: the task of each place; empty where a sequence is shorter. */
static int places_create(const struct hdf *hdf, const struct sweep *sweep, const struct axis *axis,
                         const struct axis_member *member)
{
    for (int place = 0; place < longest_sequence(sweep); place++) {
        struct coordinate coordinate = coordinate_of_texts(axis->name, axis->length);
        snprintf(coordinate.name, sizeof coordinate.name, "pair_%s", place_name(place));
        coordinate.long_name = "task learnt at this place";
        for (int i = 0; i < axis->length; i++) {
            const struct sequence *tasks = &sweep->sequences[member->values.integer[i]];
            coordinate.texts[i] = memory_text(place < tasks->length ? sweep->tasks[tasks->task[place]] : "");
        }
        TRY(create_and_reset(hdf, &coordinate));
    }
    return 0;
}

/* The dimension's own coordinate must be there before others are attached to it. */
static int axis_create(const struct hdf *hdf, const struct sweep *sweep, const struct axis *axis)
{
    TRY(group_create(hdf, axis));
    for (int own = 1; own >= 0; own--)
        for (int m = 0; m < axis->member_count; m++) {
            char name[NAME_MAX_BYTES];
            member_name(&axis->members[m], name);
            if ((strcmp(name, axis->name) == 0) == (own == 1)) TRY(member_create(hdf, sweep, axis, m));
        }
    for (int m = 0; m < axis->member_count; m++)
        if (axis->members[m].kind == AXIS_PAIR) TRY(places_create(hdf, sweep, axis, &axis->members[m]));
    return 0;
}

/* ---- dimensions every sweep has ---- */

/* A dimension along the tasks of the sweep. */
static int tasks_create(const struct hdf *hdf, const struct sweep *sweep, const char *name, const char *long_name)
{
    struct coordinate coordinate = coordinate_of_texts(name, sweep->task_count);
    coordinate.long_name = long_name;
    for (int i = 0; i < sweep->task_count; i++) coordinate.texts[i] = memory_text(sweep->tasks[i]);
    return create_and_reset(hdf, &coordinate);
}

static int domain_create(const struct hdf *hdf, const struct plan *plan)
{
    struct coordinate coordinate = coordinate_of_texts("domain", plan->extents.length[DIMENSION_DOMAIN]);
    coordinate.long_name = "reference domain of language modelling; those reserved for tasks come last";
    for (int i = 0; i < coordinate.length; i++) coordinate.texts[i] = memory_text(plan->facts.domain[i].name);
    return create_and_reset(hdf, &coordinate);
}

/* The final norm is always last, so that models of fewer blocks leave a gap before it. */
static int layer_create(const struct hdf *hdf, int layers)
{
    struct coordinate coordinate = coordinate_of_texts("layer", layers);
    coordinate.long_name = "layer of the model; missing where a model has fewer blocks";
    for (int i = 0; i < layers; i++)
        coordinate.texts[i] = i == 0            ? memory_text("embedding")
                              : i == layers - 1 ? memory_text("final")
                                                : memory_format("block_%d", i);
    return create_and_reset(hdf, &coordinate);
}

static int point_create(const struct hdf *hdf, int points)
{
    struct coordinate coordinate = {
        .name = "point", .dimension = "point", .length = points, .units = "optimiser steps"};
    coordinate.long_name = "last step of each point of a learning curve; a training that ends before it ends in it";
    coordinate.integers = memory_array((size_t)points, sizeof *coordinate.integers);
    for (int i = 0; i < points; i++) coordinate.integers[i] = point_end(i);
    return create_and_reset(hdf, &coordinate);
}

/* ---- dimensions of instruments ---- */

static int restored_create(const struct hdf *hdf, int length)
{
    struct coordinate coordinate = {.name = "restored", .dimension = "restored", .length = length, .units = "layers"};
    coordinate.long_name = "layers put back to their pretrained values from the top: the final norm with the first "
                           "block; one more than a model has blocks: the embeddings too";
    coordinate.integers = memory_array((size_t)length, sizeof *coordinate.integers);
    for (int i = 0; i < length; i++) coordinate.integers[i] = i;
    return create_and_reset(hdf, &coordinate);
}

static int noise_create(const struct hdf *hdf)
{
    struct coordinate coordinate = {.name = "noise", .dimension = "noise", .length = NOISE_SCALES, .units = "1"};
    coordinate.long_name = "standard deviation of the weight noise, as a share of each tensor's root mean square";
    coordinate.reals = memory_array(NOISE_SCALES, sizeof *coordinate.reals);
    for (int i = 0; i < NOISE_SCALES; i++) coordinate.reals[i] = noise_scales[i];
    return create_and_reset(hdf, &coordinate);
}

/* How many items a block ends at depends on the task: there is a variable for that. */
static int block_create(const struct hdf *hdf, int blocks)
{
    struct coordinate coordinate = {.name = "block", .dimension = "block", .length = blocks, .units = "1"};
    coordinate.long_name = "block of a prequential code; those behind the last item of a task are missing";
    coordinate.integers = memory_array((size_t)blocks, sizeof *coordinate.integers);
    for (int i = 0; i < blocks; i++) coordinate.integers[i] = i;
    return create_and_reset(hdf, &coordinate);
}

/* Where in a training its looks are, whatever its length; for the steps that this means there is a variable. */
static int progress_create(const struct hdf *hdf, int length)
{
    struct coordinate coordinate = {.name = "progress", .dimension = "progress", .length = length, .units = "1"};
    coordinate.long_name = "look at a training on its way, by the share of the steps that are done";
    coordinate.reals = memory_array((size_t)length, sizeof *coordinate.reals);
    for (int i = 0; i < length; i++) {
        double share = (double)i / (length - 1);
        coordinate.reals[i] = share * share;
    }
    return create_and_reset(hdf, &coordinate);
}

static int instruments_create(const struct hdf *hdf, const struct plan *plan)
{
    if (instrument_on(plan->sweep->instruments, INSTRUMENT_ABLATION))
        TRY(restored_create(hdf, plan->extents.length[DIMENSION_RESTORED]));
    if (instrument_on(plan->sweep->instruments, INSTRUMENT_PROMPTS))
        TRY(tasks_create(hdf, plan->sweep, "prompt", "task that is asked by its prompt"));
    if (instrument_on(plan->sweep->instruments, INSTRUMENT_MEDIATORS)) TRY(noise_create(hdf));
    if (instrument_on(plan->sweep->instruments, INSTRUMENT_CODELENGTH))
        TRY(block_create(hdf, plan->extents.length[DIMENSION_BLOCK]));
    if (instrument_on(plan->sweep->instruments, INSTRUMENT_PROBES))
        TRY(tasks_create(hdf, plan->sweep, "probed", "task that a probe is fitted for"));
    bool looked = instrument_on(plan->sweep->instruments, INSTRUMENT_RECOVERY) ||
                  instrument_on(plan->sweep->instruments, INSTRUMENT_FRONTIER);
    return looked ? progress_create(hdf, plan->extents.length[DIMENSION_PROGRESS]) : 0;
}

int coordinates_create(const struct hdf *hdf, const struct plan *plan)
{
    const struct sweep *sweep = plan->sweep;
    for (int a = 0; a < sweep->axis_count; a++) TRY(axis_create(hdf, sweep, &sweep->axes[a]));
    TRY(tasks_create(hdf, sweep, "task", "task just learnt"));
    TRY(domain_create(hdf, plan));
    TRY(layer_create(hdf, plan->extents.length[DIMENSION_LAYER]));
    TRY(point_create(hdf, plan->extents.length[DIMENSION_POINT]));
    return instruments_create(hdf, plan);
}

/* ---- the attribute `coordinates` ---- */

static bool within(int count, const int *axis, int axis_count, const int *of)
{
    for (int i = 0; i < count; i++) {
        bool found = false;
        for (int j = 0; j < axis_count; j++) found = found || of[j] == axis[i];
        if (!found) return false;
    }
    return true;
}

static void append(char **list, const char *name)
{
    char *longer = *list ? memory_format("%s %s", *list, name) : memory_text(name);
    memory_free(*list);
    *list = longer;
}

static void append_axis(const struct sweep *sweep, const struct axis *axis, char **list)
{
    for (int m = 0; m < axis->member_count; m++) {
        char name[COLUMN_NAME_BYTES];
        member_name(&axis->members[m], name);
        if (strcmp(name, axis->name) != 0) append(list, name);
        for (int place = 0; axis->members[m].kind == AXIS_PAIR && place < longest_sequence(sweep); place++) {
            snprintf(name, sizeof name, "pair_%s", place_name(place));
            append(list, name);
        }
    }
}

char *coordinates_along(const struct plan *plan, int axis_count, const int *axis)
{
    char *list = NULL;
    for (int i = 0; i < axis_count; i++)
        if (axis[i] >= 0) append_axis(plan->sweep, &plan->sweep->axes[axis[i]], &list);
    for (int c = 0; c < plan->constant_count; c++) {
        const struct constant *constant = &plan->constants[c];
        if (!constant->per_domain && constant->axis_count > 0 &&
            within(constant->axis_count, constant->axis, axis_count, axis))
            append(&list, constant->name);
    }
    return list;
}
