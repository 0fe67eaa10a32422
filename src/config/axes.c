/* The grid: plain axes and zip groups, in the order of the file, and defaults for those that are not written. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "config_private.h"

enum { MOST_CELLS = 10000000 };

/* Dimensions, variables and groups that the results file may have anyway, beside those that fields give a name. */
static const char *const taken[] = {"size",
                                    "tokens",
                                    "variety",
                                    "pair",
                                    "seed",
                                    "task",
                                    "domain",
                                    "layer",
                                    "point",
                                    "probed",
                                    "place",
                                    "stage",
                                    "position",
                                    "zip",
                                    "all",
                                    "stages",
                                    "sweep",
                                    "provenance",
                                    "parameters",
                                    "lm_floor",
                                    "domain_distance",
                                    "task_similarity",
                                    "domain_read",
                                    "pretraining_tokens",
                                    "pretraining_epochs",
                                    "tokens_per_parameter",
                                    "parameters_non_embedding"};

/* Names that a stage kind, a place or a field gives to a variable. */
static bool is_variable(const char *name)
{
    char other[2 * NAME_MAX_BYTES];
    for (int place = 0; place < PLACES_MAX; place++) {
        snprintf(other, sizeof other, "pair_%s", place_name(place));
        if (strcmp(other, name) == 0) return true;
    }
    for (int group = 0; group < GROUPS_MAX; group++) {
        snprintf(other, sizeof other, "status_%s", group_name(group));
        if (strcmp(other, name) == 0) return true;
        for (int id = 0; id < FIELD_COUNT; id++)
            for (int part = 0; part < PLACES_MAX; part++)
                if (field_variable(group, (enum field_id)id, part, other, sizeof other) && strcmp(other, name) == 0)
                    return true;
    }
    return false;
}

/* ---- columns to axes ---- */

static struct axis *axis_add(struct reader *reader, const char *name, struct mark mark)
{
    struct sweep *sweep = reader->sweep;
    sweep->axes = memory_grow(sweep->axes, &reader->axis_capacity, (size_t)sweep->axis_count + 1, sizeof *sweep->axes);
    struct axis *axis = &sweep->axes[sweep->axis_count++];
    snprintf(axis->name, sizeof axis->name, "%s", name);
    for (char *at = axis->name; *at; at++)
        if (*at == '.') *at = '_';
    axis->mark = mark;
    return axis;
}

/* What one word stands for, as `all` or a number of seeds, is distinct: so many seeds need no comparing. */
static void check_duplicates(struct reader *reader, const struct column *column)
{
    char path[KEY_TEXT];
    if (column->node->kind == NODE_SCALAR) return;
    for (int b = 1; b < column->length; b++)
        for (int a = 0; a < b; a++)
            if (column->valid[a] && column->valid[b] && member_equal(reader->sweep, &column->member, a, b)) {
                complain(&reader->complaints, column->marks[b], node_path(column->node, path),
                         "%s is the same value as %s; each value once", column->labels[b], column->labels[a]);
                break;
            }
}

/* Takes the column; a plain axis has one. */
static void axis_take(struct axis *axis, struct column *column)
{
    axis->members = memory_array(1, sizeof *axis->members);
    axis->members[0] = column->member;
    axis->member_count = 1;
    axis->length = column->length;
    axis->labels = column->labels;
    axis->marks = column->marks;
    memory_free(column->valid);
}

/* The name of the coordinate of a key: "model_width" for model.width. */
static void coordinate_name(const char *key, char name[NAME_MAX_BYTES])
{
    snprintf(name, NAME_MAX_BYTES, "%s", key);
    for (char *at = name; *at; at++)
        if (*at == '.') *at = '_';
}

/* Is there an axis whose dimension has the name of the key's coordinate?  `own`, where the key stands, may have it. */
static bool is_group_name(const struct sweep *sweep, const char *key, const struct axis *own)
{
    char name[NAME_MAX_BYTES];
    coordinate_name(key, name);
    for (int a = 0; a < sweep->axis_count; a++)
        if (&sweep->axes[a] != own && strcmp(sweep->axes[a].name, name) == 0) return true;
    return false;
}

/* Does a member of an axis that is there already have a coordinate of that name? */
static bool is_member_name(const struct sweep *sweep, const char *group)
{
    for (int a = 0; a < sweep->axis_count; a++)
        for (int m = 0; m < sweep->axes[a].member_count; m++) {
            char name[NAME_MAX_BYTES];
            coordinate_name(sweep->axes[a].members[m].name, name);
            if (strcmp(name, group) == 0) return true;
        }
    return false;
}

/* Is the row, or the axis of that kind, somewhere in the grid already? */
static bool is_used(const struct sweep *sweep, enum axis_kind kind, int row)
{
    for (int a = 0; a < sweep->axis_count; a++)
        for (int m = 0; m < sweep->axes[a].member_count; m++)
            if (sweep->axes[a].members[m].kind == kind && sweep->axes[a].members[m].row == row) return true;
    return false;
}

static void complain_no_axis(struct reader *reader, const struct entry *entry)
{
    const char **known = memory_array((size_t)settings_count + AXIS_SETTING, sizeof *known);
    char path[KEY_TEXT], help[KEY_TEXT];
    int count = 0;
    for (int kind = 0; kind < AXIS_SETTING; kind++) known[count++] = axis_word((enum axis_kind)kind);
    for (int row = 0; row < settings_count; row++) known[count++] = settings_table[row].path;
    node_path(entry->value, path);
    if (strncmp(entry->key, "world", 5) == 0)
        complain(&reader->complaints, entry->mark, path,
                 "the world is the same for all cells; an axis can be size, tokens, variety, pair, seed or a setting");
    else
        complain(&reader->complaints, entry->mark, path, "no axis of this name%s",
                 suggestion(entry->key, known, count, help));
    memory_free(known);
}

/* May the key be an axis here?  Complains when not. */
static bool check_axis_key(struct reader *reader, const struct entry *entry)
{
    int row;
    enum axis_kind kind = axis_kind_of(entry->key, &row);
    char path[KEY_TEXT];
    if (kind == AXIS_SETTING && row < 0) {
        complain_no_axis(reader, entry);
        return false;
    }
    if (row >= 0 && settings_table[row].scope == SCOPE_EVALUATE) { /* a state is measured once, for all its cells */
        complain(&reader->complaints, entry->mark, node_path(entry->value, path),
                 "all cells are measured alike, else their scores could not be compared; set it once for all");
        return false;
    }
    if (is_used(reader->sweep, kind, row)) {
        complain(&reader->complaints, entry->mark, node_path(entry->value, path),
                 "is an axis twice; let it stand alone or in one zip group");
        return false;
    }
    return true;
}

static bool check_coordinate(struct reader *reader, const struct entry *entry, const struct axis *own)
{
    char path[KEY_TEXT];
    if (!is_group_name(reader->sweep, entry->key, own)) return true;
    complain(&reader->complaints, entry->mark, node_path(entry->value, path),
             "a zip group has the name of its dimension; rename the group");
    reader->axes_unsure = true;
    return false;
}

static void read_axis(struct reader *reader, const struct entry *entry)
{
    struct column column;
    if (!check_axis_key(reader, entry)) {
        reader->axes_unsure = true;
        return;
    }
    if (!check_coordinate(reader, entry, NULL)) return;
    column_read(reader, entry->value, entry->key, &column);
    check_duplicates(reader, &column);
    if (!column.sound) reader->axes_unsure = true;
    axis_take(axis_add(reader, entry->key, entry->mark), &column);
}

/* ---- zip groups ---- */

static bool check_group_name(struct reader *reader, const struct entry *group)
{
    char path[KEY_TEXT];
    node_path(group->value, path);
    if (!isalpha((unsigned char)group->key[0]) || strpbrk(group->key, ".-")) {
        complain(&reader->complaints, group->mark, path,
                 "the group's name becomes a dimension; use letters, digits and _, the first a letter");
        return false;
    }
    if (!check_name(reader, group->value, group->mark, group->key)) return false;
    const char *what = NULL;
    if (is_known(group->key, taken, sizeof taken / sizeof *taken) || is_variable(group->key))
        what = "the results file has something of this name already";
    else if (is_group_name(reader->sweep, group->key, NULL) || is_member_name(reader->sweep, group->key))
        what = "a dimension of this name is there already";
    if (what) complain(&reader->complaints, group->mark, path, "%s; choose another name", what);
    return !what;
}

/* Takes the column as a further member. */
static void group_take(struct reader *reader, struct axis *axis, struct column *column)
{
    if (axis->member_count == 0) {
        axis->length = column->length;
        axis->marks = column->marks;
        axis->labels = column->labels;
    } else {
        for (int i = 0; i < axis->length && i < column->length; i++) {
            char *joined = memory_format("%s/%s", axis->labels[i] ? axis->labels[i] : "",
                                         column->labels[i] ? column->labels[i] : "");
            memory_free(axis->labels[i]);
            axis->labels[i] = joined;
        }
        for (int i = 0; i < column->length; i++) memory_free(column->labels[i]);
        memory_free(column->labels);
        memory_free(column->marks);
    }
    if (column->length != axis->length && column->sound && !reader->axes_unsure)
        complain_node(reader, column->node, "has %d values and %s has %d; the members of a group walk together",
                      column->length, axis->members[0].name, axis->length);
    if (column->length != axis->length || !column->sound) reader->axes_unsure = true;
    axis->members[axis->member_count++] = column->member;
    memory_free(column->valid);
}

static bool same_step(const struct sweep *sweep, const struct axis *axis, int a, int b)
{
    for (int m = 0; m < axis->member_count; m++)
        if (!member_equal(sweep, &axis->members[m], a, b)) return false;
    return true;
}

static void check_repeated_steps(struct reader *reader, const struct entry *group, const struct axis *axis)
{
    char path[KEY_TEXT];
    for (int b = 1; b < axis->length; b++)
        for (int a = 0; a < b; a++)
            if (same_step(reader->sweep, axis, a, b)) {
                complain(&reader->complaints, axis->marks[b], node_path(group->value, path),
                         "step %d (%s) repeats step %d; each once", b + 1, axis->labels[b], a + 1);
                break;
            }
}

static void read_group(struct reader *reader, const struct entry *group)
{
    bool was_unsure = reader->axes_unsure;
    reader->axes_unsure = false; /* of this group, for now */
    if (!check_group_name(reader, group) ||
        !expect_map(reader, group->value, "{size: [nano, mini], pretrain.batch: [8, 32]}")) {
        reader->axes_unsure = true;
        return;
    }
    if (group->value->count == 0) {
        complain_node(reader, group->value, "the group is empty; give it axes, such as size: [nano, mini]");
        reader->axes_unsure = true;
        return;
    }
    struct axis *axis = axis_add(reader, group->key, group->mark);
    axis->members = memory_array((size_t)group->value->count, sizeof *axis->members);
    for (int i = 0; i < group->value->count; i++) {
        const struct entry *entry = &group->value->entries[i];
        struct column column;
        if (!check_axis_key(reader, entry)) {
            reader->axes_unsure = true;
            continue;
        }
        check_coordinate(reader, entry, axis);
        column_read(reader, entry->value, entry->key, &column);
        group_take(reader, axis, &column);
    }
    if (!reader->axes_unsure) check_repeated_steps(reader, group, axis);
    reader->axes_unsure |= was_unsure;
}

static void read_groups(struct reader *reader, const struct node *zip)
{
    if (!expect_map(reader, zip, "{shape: {size: [nano, mini], pretrain.batch: [8, 32]}}")) {
        reader->axes_unsure = true;
        return;
    }
    for (int i = 0; i < zip->count; i++) read_group(reader, &zip->entries[i]);
}

/* ---- the whole grid ---- */

static void add_missing(struct reader *reader)
{
    for (int kind = 0; kind < AXIS_SETTING; kind++) {
        struct column column;
        if (is_used(reader->sweep, (enum axis_kind)kind, -1)) continue;
        if (node_get(node_get(reader->root, "axes"), axis_word((enum axis_kind)kind))) continue; /* complained of */
        column_standard(reader, (enum axis_kind)kind, &column);
        if (!column.sound) reader->axes_unsure = true;
        axis_take(axis_add(reader, axis_word((enum axis_kind)kind), (struct mark){0}), &column);
    }
}

/* A size and an axis that both set a row would leave open which of them holds. */
static void check_sizes_against_axes(struct reader *reader)
{
    const struct sweep *sweep = reader->sweep;
    for (int s = 0; s < sweep->size_count; s++)
        for (int i = 0; i < sweep->sizes[s].count; i++) {
            char key[KEY_TEXT];
            const char *path = settings_table[sweep->sizes[s].rows[i]].path;
            if (!is_used(sweep, AXIS_SETTING, sweep->sizes[s].rows[i])) continue;
            snprintf(key, sizeof key, "model.sizes.%s", sweep->sizes[s].name);
            complain(&reader->complaints, sweep->sizes[s].marks[i], key, "%s is also an axis; remove it here or there",
                     path);
        }
}

static void check_count(struct reader *reader, const struct node *axes)
{
    double cells = 1;
    const struct sweep *sweep = reader->sweep;
    for (int a = 0; a < sweep->axis_count; a++) cells *= sweep->axes[a].length;
    if (sweep->axis_count > AXES_MAX) {
        complain_node(reader, axes, "%d axes; at most %d", sweep->axis_count, AXES_MAX);
        reader->axes_unsure = true;
    }
    if (cells > MOST_CELLS) {
        complain_node(reader, axes, "%.0f cells; at most %d, whose plan alone takes about 10 GB", cells, MOST_CELLS);
        reader->axes_unsure = true;
    }
}

static void resolve_axes(struct reader *reader)
{
    const struct sweep *sweep = reader->sweep;
    for (int a = 0; a < sweep->axis_count; a++) {
        const struct axis *axis = &sweep->axes[a];
        char key[KEY_TEXT], text[KEY_TEXT] = "";
        size_t used = 0;
        for (int i = 0; i < axis->length && used < KEY_TEXT - 100; i++)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%.80s", i ? ", " : "",
                                     axis->labels[i] ? axis->labels[i] : "");
        snprintf(key, sizeof key, "axes.%s", axis->name);
        struct node place = {.mark = axis->mark};
        resolve(reader, key, axis->mark.line ? &place : NULL, "values", "%d: %s", axis->length, text);
    }
}

void read_axes(struct reader *reader)
{
    const struct node *axes = node_get(reader->root, "axes"), *zip = node_get(reader->root, "zip");
    if (!axes)
        complain(&reader->complaints, reader->root->mark, "axes",
                 "is missing; name what varies: axes: {size: all, seed: 3}");
    if (zip) read_groups(reader, zip);
    if (!axes || !expect_map(reader, axes, "{size: all, tokens: [0, 64Ki], seed: 3}")) {
        reader->axes_unsure = true;
        return;
    }
    for (int i = 0; i < axes->count; i++) {
        if (strcmp(axes->entries[i].key, "zip") == 0)
            read_groups(reader, axes->entries[i].value);
        else
            read_axis(reader, &axes->entries[i]);
    }
    add_missing(reader);
    check_sizes_against_axes(reader);
    check_count(reader, axes);
    resolve_axes(reader);
}
