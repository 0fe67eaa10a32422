/* The sweep file as a whole. */
#include <libgen.h>
#include <stdio.h>
#include <string.h>

#include "config_private.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof(array)[0]))

static const char *const root_keys[] = {"name",       "world",    "tasks",    "model",     "pretrain",   "finetune",
                                        "evaluate",   "frontier", "recovery", "mediators", "codelength", "probes",
                                        "similarity", "axes",     "zip",      "exclude",   "measure",    "claims"};
static const char *const sections[] = {"model.",    "pretrain.",  "finetune.",   "evaluate.", "frontier.",
                                       "recovery.", "mediators.", "codelength.", "probes.",   "similarity."};

static bool begins_section(const char *key)
{
    for (int i = 0; i < COUNT(sections); i++)
        if (strncmp(key, sections[i], strlen(sections[i])) == 0) return true;
    return false;
}

/* Settings may stand here by their dotted path; read_settings looks at those. */
static void check_root_keys(struct reader *reader)
{
    const char **known = memory_array((size_t)settings_count + COUNT(root_keys), sizeof *known);
    char help[KEY_TEXT];
    int count = 0;
    for (int i = 0; i < COUNT(root_keys); i++) known[count++] = root_keys[i];
    for (int row = 0; row < settings_count; row++) known[count++] = settings_table[row].path;
    for (int i = 0; i < reader->root->count; i++) {
        const struct entry *entry = &reader->root->entries[i];
        if (is_known(entry->key, root_keys, COUNT(root_keys)) || begins_section(entry->key)) continue;
        complain(&reader->complaints, entry->mark, entry->key, "unknown key%s",
                 suggestion(entry->key, known, count, help));
    }
    memory_free(known);
}

static void read_sweep_name(struct reader *reader)
{
    const struct node *name = node_get(reader->root, "name");
    if (!name) {
        complain(&reader->complaints, reader->root->mark, "name", "is missing; give the sweep a name");
        return;
    }
    if (read_name(reader, name, reader->sweep->name)) resolve(reader, "name", name, "-", "%s", reader->sweep->name);
}

static void read_measure(struct reader *reader)
{
    const struct node *measure = node_get(reader->root, "measure");
    const char *words[INSTRUMENT_COUNT];
    char text[KEY_TEXT] = "";
    unsigned on = 0;
    for (int i = 0; i < INSTRUMENT_COUNT; i++) {
        words[i] = instrument_name((enum instrument)i);
        if (instrument_always((enum instrument)i)) on |= 1u << i;
    }
    if (!measure) on |= 1u << INSTRUMENT_CURVES;
    for (int i = 0; measure && i < node_items(measure); i++) {
        int chosen;
        const struct node *node = node_item(measure, i);
        if (node_is(node, "all"))
            on = (1u << INSTRUMENT_COUNT) - 1;
        else if (read_choice(reader, node, words, INSTRUMENT_COUNT, &chosen))
            on |= 1u << chosen;
    }
    reader->sweep->instruments = on;
    reader->sweep->world.elsewhere = (on & 1u << INSTRUMENT_CONTROLS) != 0;
    for (int i = 0; i < INSTRUMENT_COUNT; i++)
        if (on & 1u << i) strcat(strcat(text, text[0] ? ", " : ""), words[i]);
    resolve(reader, "measure", measure, "instruments", "%s", text);
}

static void read_all(struct reader *reader)
{
    check_root_keys(reader);
    read_sweep_name(reader);
    read_world(reader);
    read_tasks(reader);
    read_settings(reader);
    read_sizes(reader);
    read_axes(reader);
    read_exclusions(reader);
    read_measure(reader);
    read_claims(reader);
    check_combinations(reader);
}

static struct sweep *sweep_create(const char *path, const char *text)
{
    struct sweep *sweep = memory_allocate(sizeof *sweep);
    sweep->path = memory_text(path);
    sweep->text = memory_text(text);
    sweep->origin = memory_array((size_t)settings_count, sizeof *sweep->origin);
    sweep->set = memory_array((size_t)settings_count, sizeof *sweep->set);
    return sweep;
}

int config_read(const char *path, const char *text, struct sweep **sweep, struct error *err)
{
    char *copy = memory_text(path);
    struct reader reader = {.complaints.path = path, .folder = memory_text(dirname(copy))};
    memory_free(copy);
    reader.sweep = sweep_create(path, text);
    reader.root = document_read(text, &reader.complaints);
    if (reader.root) read_all(&reader);
    node_destroy(reader.root);
    memory_free(reader.folder);
    int status = complaints_finish(&reader.complaints, err);
    if (status == 0)
        *sweep = reader.sweep;
    else
        sweep_destroy(&reader.sweep);
    return status;
}

static int check_bytes(const char *path, const char *text, size_t count, struct error *err)
{
    struct mark mark = {1, 1};
    if (strlen(text) == count) return 0;
    for (const char *at = text; *at; at++)
        mark = *at == '\n' ? (struct mark){mark.line + 1, 1} : (struct mark){mark.line, mark.column + 1};
    return error_set(err, ERROR_INPUT, "%s:%d:%d: YAML: a zero byte; the file must be UTF-8 text", path, mark.line,
                     mark.column);
}

int config_load(const char *path, char **text, size_t *length, struct error *err)
{
    char *bytes;
    size_t count;
    TRY(file_read(path, CONFIG_MOST_BYTES, &bytes, &count, err));
    if (check_bytes(path, bytes, count, err) != 0) {
        memory_free(bytes);
        return -1;
    }
    *text = bytes;
    *length = count;
    return 0;
}

int config_read_file(const char *path, struct sweep **sweep, struct error *err)
{
    char *text;
    size_t length;
    TRY(config_load(path, &text, &length, err));
    int status = config_read(path, text, sweep, err);
    memory_free(text);
    return status;
}

/* ---- the end of a sweep ---- */

static void sources_free(struct text_source *sources, int count)
{
    for (int i = 0; i < count; i++) {
        for (int f = 0; f < sources[i].file_count; f++) memory_free(sources[i].files[f]);
        memory_free(sources[i].files);
        memory_free(sources[i].train);
        memory_free(sources[i].test);
    }
    memory_free(sources);
}

static void axis_free(struct axis *axis)
{
    for (int i = 0; i < axis->length; i++) memory_free(axis->labels[i]);
    for (int m = 0; m < axis->member_count; m++) memory_free(axis->members[m].values.integer); /* any of the union */
    memory_free(axis->labels);
    memory_free(axis->marks);
    memory_free(axis->members);
}

static void grid_free(struct sweep *sweep)
{
    for (int e = 0; e < sweep->exclusion_count; e++) {
        for (int a = 0; a < sweep->axis_count; a++) memory_free(sweep->exclusions[e].chosen[a]);
        memory_free(sweep->exclusions[e].chosen);
    }
    for (int a = 0; a < sweep->axis_count; a++) axis_free(&sweep->axes[a]);
    for (int s = 0; s < sweep->size_count; s++) {
        memory_free(sweep->sizes[s].rows);
        memory_free(sweep->sizes[s].values);
        memory_free(sweep->sizes[s].marks);
    }
    memory_free(sweep->exclusions);
    memory_free(sweep->axes);
    memory_free(sweep->sizes);
    memory_free(sweep->sequences);
}

void sweep_destroy(struct sweep **sweep)
{
    struct sweep *one = *sweep;
    if (!one) return;
    grid_free(one);
    sources_free(one->world.corpora, one->world.corpus_count);
    sources_free(one->world.tasks, one->world.task_count);
    for (int i = 0; i < one->resolved_count; i++) {
        memory_free(one->resolved[i].key);
        memory_free(one->resolved[i].value);
        memory_free(one->resolved[i].unit);
    }
    memory_free(one->resolved);
    memory_free(one->claims);
    memory_free(one->tasks);
    memory_free(one->origin);
    memory_free(one->set);
    memory_free(one->path);
    memory_free(one->text);
    memory_free(one);
    *sweep = NULL;
}

const struct axis *sweep_axis(const struct sweep *sweep, enum axis_kind kind, int *member)
{
    for (int a = 0; a < sweep->axis_count; a++)
        for (int m = 0; m < sweep->axes[a].member_count; m++)
            if (sweep->axes[a].members[m].kind == kind) {
                *member = m;
                return &sweep->axes[a];
            }
    return NULL;
}
