/* One column of the grid: the values of an axis, or of one member of a zip group. */
#include <stdio.h>
#include <string.h>

#include "config_private.h"

enum { MOST_VALUES = 10000, STANDARD_SEEDS = 5 };
#define LARGEST_SEED 2147483647

static const char *const axis_words[] = {[AXIS_SIZE] = "size",
                                         [AXIS_TOKENS] = "tokens",
                                         [AXIS_VARIETY] = "variety",
                                         [AXIS_PAIR] = "pair",
                                         [AXIS_SEED] = "seed"};

const char *axis_word(enum axis_kind kind) { return axis_words[kind]; }

enum axis_kind axis_kind_of(const char *name, int *row)
{
    *row = -1;
    for (int kind = 0; kind < AXIS_SETTING; kind++)
        if (strcmp(axis_words[kind], name) == 0) return (enum axis_kind)kind;
    *row = setting_find(name);
    return AXIS_SETTING;
}

/* ---- room ---- */

static void column_create(struct column *column, int length)
{
    size_t room = (size_t)length;
    column->length = length;
    column->labels = memory_array(room, sizeof *column->labels);
    column->marks = memory_array(room, sizeof *column->marks);
    column->valid = memory_array(room, sizeof *column->valid);
    if (column->member.kind == AXIS_TOKENS)
        column->member.values.amount = memory_array(room, sizeof *column->member.values.amount);
    else if (column->member.kind == AXIS_SETTING)
        column->member.values.setting = memory_array(room, sizeof *column->member.values.setting);
    else
        column->member.values.integer = memory_array(room, sizeof *column->member.values.integer);
}

static void set_integer(struct column *column, int i, int64_t value, const char *label, struct mark mark)
{
    column->member.values.integer[i] = value;
    column->labels[i] = memory_text(label);
    column->marks[i] = mark;
    column->valid[i] = true;
}

/* ---- sequences of tasks ---- */

static bool add_to_sequence(struct reader *reader, const struct node *node, const char *name, struct sequence *sequence)
{
    char text[QUOTED], help[KEY_TEXT];
    const char *known[256];
    int task = task_find(reader->sweep, name);
    if (task < 0) {
        int count = reader->sweep->task_count;
        for (int i = 0; i < count; i++) known[i] = reader->sweep->tasks[i];
        if (!reader->tasks_unsure)
            complain_node(reader, node, "%s is not among the tasks of this sweep%s", quoted(name, text),
                          suggestion(name, known, count, help));
        return false;
    }
    for (int i = 0; i < sequence->length; i++)
        if (sequence->task[i] == task) {
            complain_node(reader, node, "%s stands twice; a sequence learns each task once", quoted(name, text));
            return false;
        }
    if (sequence->length == PLACES_MAX) {
        complain_node(reader, node, "more than %d tasks in one sequence", PLACES_MAX);
        return false;
    }
    sequence->task[sequence->length++] = task;
    return true;
}

static bool read_joined(struct reader *reader, const struct node *node, struct sequence *sequence)
{
    const char *at = node->text;
    for (;;) {
        char name[NAME_MAX_BYTES];
        size_t length = strcspn(at, ">");
        snprintf(name, sizeof name, "%.*s", (int)length, at);
        if (!add_to_sequence(reader, node, name, sequence)) return false;
        if (at[length] == 0) return true;
        at += length + 1;
    }
}

bool read_sequence(struct reader *reader, const struct node *node, struct sequence *sequence)
{
    *sequence = (struct sequence){0};
    if (node->kind == NODE_SCALAR && strchr(node->text, '>')) return read_joined(reader, node, sequence);
    if (node->kind != NODE_LIST || node->count < 2) {
        complain_node(reader, node,
                      "must be a list of at least two tasks, in the order they are learnt: pair: [[tense, topic]]");
        return false;
    }
    for (int i = 0; i < node->count; i++) {
        const struct node *task = node->entries[i].value;
        if (task->kind != NODE_SCALAR) {
            complain_node(reader, task, "must be the name of a task");
            return false;
        }
        if (!add_to_sequence(reader, task, task->text, sequence)) return false;
    }
    return true;
}

static char *sequence_label(const struct sweep *sweep, const struct sequence *sequence)
{
    char *label = memory_text(sweep->tasks[sequence->task[0]]);
    for (int i = 1; i < sequence->length; i++) {
        char *longer = memory_format("%s>%s", label, sweep->tasks[sequence->task[i]]);
        memory_free(label);
        label = longer;
    }
    return label;
}

static void set_sequence(struct reader *reader, struct column *column, int i, const struct sequence *sequence,
                         struct mark mark)
{
    struct sweep *sweep = reader->sweep;
    sweep->sequences = memory_grow(sweep->sequences, &reader->sequence_capacity, (size_t)sweep->sequence_count + 1,
                                   sizeof *sweep->sequences);
    sweep->sequences[sweep->sequence_count] = *sequence;
    char *label = sequence_label(sweep, sequence);
    set_integer(column, i, sweep->sequence_count++, label, mark);
    memory_free(label);
}

static void all_pairs(struct reader *reader, struct column *column)
{
    int tasks = reader->sweep->task_count, i = 0;
    struct mark mark = column->node ? column->node->mark : (struct mark){0};
    if (tasks < 2) {
        column->sound = false;
        column_create(column, 0);
        if (!reader->tasks_unsure)
            complain(&reader->complaints, column->node ? mark : reader->root->mark, "axes.pair",
                     "%d task makes no pair; name at least two tasks", tasks);
        return;
    }
    column_create(column, tasks * (tasks - 1));
    for (int a = 0; a < tasks; a++)
        for (int b = 0; b < tasks; b++)
            if (a != b) set_sequence(reader, column, i++, &(struct sequence){.length = 2, .task = {a, b}}, mark);
}

/* ---- all sizes, counted seeds ---- */

static void all_sizes(struct reader *reader, struct column *column)
{
    const struct sweep *sweep = reader->sweep;
    column_create(column, sweep->size_count);
    for (int i = 0; i < sweep->size_count; i++)
        set_integer(column, i, i, sweep->sizes[i].name, column->node ? column->node->mark : sweep->sizes[i].mark);
}

static void counted_seeds(struct column *column, int64_t count)
{
    column_create(column, (int)count);
    for (int i = 0; i < count; i++) {
        char label[32];
        snprintf(label, sizeof label, "%d", i + 1);
        set_integer(column, i, i + 1, label, column->node ? column->node->mark : (struct mark){0});
    }
}

static void read_seed_count(struct reader *reader, struct column *column)
{
    int64_t count = 0;
    column->sound = read_integer(reader, column->node, 1, MOST_VALUES, &count);
    counted_seeds(column, count);
}

/* ---- one value ---- */

static bool read_size_name(struct reader *reader, const struct node *node, int64_t *index)
{
    const struct sweep *sweep = reader->sweep;
    char text[QUOTED], help[KEY_TEXT];
    *index = size_find(sweep, node->text);
    if (*index >= 0) return true;
    const char **known = memory_array((size_t)sweep->size_count, sizeof *known);
    for (int i = 0; i < sweep->size_count; i++) known[i] = sweep->sizes[i].name;
    complain_node(reader, node, "%s is not a size of model.sizes%s", quoted(node->text, text),
                  suggestion(node->text, known, sweep->size_count, help));
    memory_free(known);
    return false;
}

static bool read_amount(struct reader *reader, const struct node *node, struct amount *amount)
{
    char why[256];
    if (amount_read(node->text, amount, why, sizeof why) == 0) return true;
    complain_node(reader, node, "%s", why);
    return false;
}

static bool read_setting(struct reader *reader, const struct node *node, int row, union setting_value *value)
{
    char why[256];
    if (setting_read(row, node->text, value, why, sizeof why) == 0) return true;
    complain_node(reader, node, "%s", why);
    return false;
}

/* A scalar of any axis but pair, into place i. */
static bool read_scalar(struct reader *reader, const struct node *node, struct axis_member *member, int i)
{
    if (node->kind != NODE_SCALAR) {
        complain_node(reader, node, "must be one value, not a list or a section");
        return false;
    }
    switch (member->kind) {
    case AXIS_SIZE: return read_size_name(reader, node, &member->values.integer[i]);
    case AXIS_TOKENS: return read_amount(reader, node, &member->values.amount[i]);
    case AXIS_VARIETY: return read_integer(reader, node, 1, reader->sweep->world.domains, &member->values.integer[i]);
    case AXIS_SEED: return read_integer(reader, node, 0, LARGEST_SEED, &member->values.integer[i]);
    case AXIS_SETTING: return read_setting(reader, node, member->row, &member->values.setting[i]);
    case AXIS_PAIR: break;
    }
    return false;
}

static void read_value(struct reader *reader, struct column *column, int i)
{
    const struct node *node = node_item(column->node, i);
    struct sequence sequence;
    if (column->member.kind == AXIS_PAIR) {
        if (read_sequence(reader, node, &sequence)) set_sequence(reader, column, i, &sequence, node->mark);
    } else if (read_scalar(reader, node, &column->member, i)) {
        column->labels[i] = memory_text(node->text);
        column->marks[i] = node->mark;
        column->valid[i] = true;
    }
    if (!column->valid[i]) column->sound = false;
}

static void read_list(struct reader *reader, struct column *column)
{
    int values = node_items(column->node);
    if (values > MOST_VALUES) {
        complain_node(reader, column->node, "%d values on one axis; at most %d", values, MOST_VALUES);
        column->sound = false;
        values = 0;
    }
    column_create(column, values);
    for (int i = 0; i < column->length; i++) read_value(reader, column, i);
    if (node_items(column->node) > 0) return;
    column->sound = false;
    complain_node(reader, column->node, "the list is empty; give at least one value");
}

void column_read(struct reader *reader, const struct node *node, const char *name, struct column *column)
{
    *column = (struct column){.node = node, .sound = true};
    column->member.kind = axis_kind_of(name, &column->member.row);
    snprintf(column->member.name, sizeof column->member.name, "%s", name);
    bool all = node_is(node, "all");
    if (node->kind == NODE_MAP) {
        complain_node(reader, node, "must be a value or a list of values");
        column_create(column, 0);
        column->sound = false;
    } else if (all && column->member.kind == AXIS_SIZE)
        all_sizes(reader, column);
    else if (all && column->member.kind == AXIS_PAIR)
        all_pairs(reader, column);
    else if (node->kind == NODE_SCALAR && column->member.kind == AXIS_SEED)
        read_seed_count(reader, column);
    else
        read_list(reader, column);
}

/* What an axis is when the file does not name it: all sizes, 20 tokens per parameter, all domains, all pairs, 5 seeds.
 */
void column_standard(struct reader *reader, enum axis_kind kind, struct column *column)
{
    char label[32];
    *column = (struct column){.sound = true, .member = {.kind = kind, .row = -1}};
    snprintf(column->member.name, sizeof column->member.name, "%s", axis_words[kind]);
    switch (kind) {
    case AXIS_SIZE: all_sizes(reader, column); break;
    case AXIS_TOKENS:
        column_create(column, 1);
        column->member.values.amount[0] = (struct amount){.value = 20, .relative = true};
        column->labels[0] = memory_text("20x");
        column->valid[0] = true;
        break;
    case AXIS_VARIETY:
        column_create(column, 1);
        snprintf(label, sizeof label, "%d", reader->sweep->world.domains);
        set_integer(column, 0, reader->sweep->world.domains, label, (struct mark){0});
        break;
    case AXIS_PAIR: all_pairs(reader, column); break;
    case AXIS_SEED: counted_seeds(column, STANDARD_SEEDS); break;
    case AXIS_SETTING: break;
    }
}

/* ---- equality ---- */

static bool same_sequence(const struct sequence *a, const struct sequence *b)
{
    return a->length == b->length && memcmp(a->task, b->task, (size_t)a->length * sizeof *a->task) == 0;
}

static bool same_setting(int row, union setting_value a, union setting_value b)
{
    switch (settings_table[row].type) {
    case SETTING_REAL: return a.real == b.real;
    case SETTING_SPAN: return a.span.value == b.span.value && a.span.in_tokens == b.span.in_tokens;
    default: return a.integer == b.integer;
    }
}

static bool same_value(const struct sweep *sweep, const struct axis_member *one, int a, const struct axis_member *other,
                       int b)
{
    switch (one->kind) {
    case AXIS_TOKENS:
        return one->values.amount[a].value == other->values.amount[b].value &&
               one->values.amount[a].relative == other->values.amount[b].relative;
    case AXIS_SETTING: return same_setting(one->row, one->values.setting[a], other->values.setting[b]);
    case AXIS_PAIR:
        return same_sequence(&sweep->sequences[one->values.integer[a]], &sweep->sequences[other->values.integer[b]]);
    default: return one->values.integer[a] == other->values.integer[b];
    }
}

bool member_equal(const struct sweep *sweep, const struct axis_member *member, int a, int b)
{
    return same_value(sweep, member, a, member, b);
}

static void complain_not_on(struct reader *reader, const struct axis *axis, const struct node *node)
{
    char help[KEY_TEXT] = "", label[QUOTED];
    const char *said = node->kind == NODE_SCALAR ? quoted(node->text, label) : "this sequence";
    size_t used = 0;
    for (int i = 0; i < axis->length && used < 300; i++)
        used += (size_t)snprintf(help + used, sizeof help - used, "%s%.100s", i ? ", " : "", axis->labels[i]);
    complain_node(reader, node, "%s is not on the axis %s, which has %s", said, axis->name, help);
}

int member_find(struct reader *reader, const struct axis *axis, const struct axis_member *member,
                const struct node *node)
{
    int64_t integer = 0;
    struct amount amount = {0};
    union setting_value setting = {0};
    struct sequence sequence;
    struct axis_member said = {.kind = member->kind, .row = member->row};
    if (said.kind == AXIS_TOKENS)
        said.values.amount = &amount;
    else if (said.kind == AXIS_SETTING)
        said.values.setting = &setting;
    else
        said.values.integer = &integer;
    if (said.kind == AXIS_PAIR) {
        if (!read_sequence(reader, node, &sequence)) return -1;
        for (int i = 0; i < axis->length; i++)
            if (same_sequence(&reader->sweep->sequences[member->values.integer[i]], &sequence)) return i;
    } else {
        if (!read_scalar(reader, node, &said, 0)) return -1;
        for (int i = 0; i < axis->length; i++)
            if (same_value(reader->sweep, member, i, &said, 0)) return i;
    }
    complain_not_on(reader, axis, node);
    return -1;
}
