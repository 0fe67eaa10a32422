/* Settings: nested sections or dotted paths, for all cells or for one size. */
#include <stdio.h>
#include <string.h>

#include "config_private.h"

static bool is_section(const char *path)
{
    size_t length = strlen(path);
    for (int row = 0; row < settings_count; row++)
        if (strncmp(settings_table[row].path, path, length) == 0 && settings_table[row].path[length] == '.')
            return true;
    return false;
}

static bool is_size_list(const char *path) { return strcmp(path, "model.sizes") == 0; }

/* Keys that may stand under a prefix ("model." or ""): what remains of the paths that begin with it. */
static int known_under(const char *prefix, const char **known)
{
    size_t length = strlen(prefix);
    int count = 0;
    for (int row = 0; row < settings_count; row++)
        if (strncmp(settings_table[row].path, prefix, length) == 0) known[count++] = settings_table[row].path + length;
    return count;
}

static void complain_unknown(struct reader *reader, const struct entry *entry, const char *prefix)
{
    const char **known = memory_array((size_t)settings_count + 1, sizeof *known);
    char path[KEY_TEXT], help[KEY_TEXT];
    int count = known_under(prefix, known);
    complain(&reader->complaints, entry->mark, node_path(entry->value, path), "unknown key%s",
             suggestion(entry->key, known, count, help));
    memory_free(known);
}

static void add_row(struct size_entry *entry, int row, union setting_value value, struct mark mark)
{
    entry->rows[entry->count] = row; /* room for each row once */
    entry->values[entry->count] = value;
    entry->marks[entry->count++] = mark;
}

static void read_row(struct reader *reader, const struct node *node, int row, struct size_entry *out)
{
    union setting_value value;
    char why[256];
    for (int i = 0; i < out->count; i++)
        if (out->rows[i] == row) {
            complain_node(reader, node, "%s is given twice, first in line %d; keep one of them",
                          settings_table[row].path, out->marks[i].line);
            return;
        }
    if (out->name[0] && settings_table[row].scope == SCOPE_EVALUATE) {
        complain_node(reader, node,
                      "all sizes are measured alike, else their scores could not be compared; set it once "
                      "for all");
        return;
    }
    if (node->kind != NODE_SCALAR) {
        complain_node(reader, node, "must be one value; to try several, make it an axis: axes: {%s: [...]}",
                      settings_table[row].path);
        return;
    }
    if (setting_read(row, node->text, &value, why, sizeof why) != 0)
        complain_node(reader, node, "%s", why);
    else
        add_row(out, row, value, node->mark);
}

static void read_entry(struct reader *reader, const struct entry *entry, const char *prefix, struct size_entry *out)
{
    char path[KEY_TEXT];
    snprintf(path, sizeof path, "%s%s", prefix, entry->key);
    int row = setting_find(path);
    if (row >= 0) {
        read_row(reader, entry->value, row, out);
        return;
    }
    if (!is_section(path)) {
        complain_unknown(reader, entry, prefix);
        return;
    }
    if (!expect_map(reader, entry->value, "{learning_rate: 1e-3}")) return;
    strcat(path, "."); /* a section's path is short */
    for (int i = 0; i < entry->value->count; i++) {
        const struct entry *inner = &entry->value->entries[i];
        char inner_path[KEY_TEXT];
        snprintf(inner_path, sizeof inner_path, "%.200s%s", path, inner->key);
        bool for_all = out->name[0] == 0;
        if (!for_all || !is_size_list(inner_path)) read_entry(reader, inner, path, out);
    }
}

static void entry_create(struct size_entry *entry)
{
    entry->rows = memory_array((size_t)settings_count, sizeof *entry->rows);
    entry->values = memory_array((size_t)settings_count, sizeof *entry->values);
    entry->marks = memory_array((size_t)settings_count, sizeof *entry->marks);
}

static void apply_base(struct sweep *sweep, const struct size_entry *all)
{
    for (int i = 0; i < all->count; i++) {
        setting_assign(all->rows[i], all->values[i], &sweep->base);
        sweep->set[all->rows[i]] = true;
        sweep->origin[all->rows[i]] = all->marks[i];
    }
    settings_inherit_second(&sweep->base, sweep->set);
}

void read_settings(struct reader *reader)
{
    struct size_entry all = {.count = 0};
    entry_create(&all);
    settings_standard(&reader->sweep->base);
    for (int i = 0; i < reader->root->count; i++) {
        const struct entry *entry = &reader->root->entries[i];
        char section[KEY_TEXT];
        snprintf(section, sizeof section, "%.*s", (int)strcspn(entry->key, "."), entry->key);
        if (is_section(section) && !is_size_list(entry->key)) read_entry(reader, entry, "", &all);
    }
    apply_base(reader->sweep, &all);
    memory_free(all.rows);
    memory_free(all.values);
    memory_free(all.marks);
}

/* ---- sizes ---- */

int size_find(const struct sweep *sweep, const char *name)
{
    for (int i = 0; i < sweep->size_count; i++)
        if (strcmp(sweep->sizes[i].name, name) == 0) return i;
    return -1;
}

static struct size_entry *size_add(struct reader *reader, const char *name, struct mark mark)
{
    struct sweep *sweep = reader->sweep;
    sweep->sizes =
        memory_grow(sweep->sizes, &reader->size_capacity, (size_t)sweep->size_count + 1, sizeof *sweep->sizes);
    struct size_entry *size = &sweep->sizes[sweep->size_count++];
    entry_create(size);
    snprintf(size->name, sizeof size->name, "%s", name);
    size->mark = mark;
    return size;
}

/* Within a size "layers" means model.layers; anything else is named by its whole path. */
static void read_size(struct reader *reader, const struct entry *entry)
{
    if (!check_name(reader, entry->value, entry->mark, entry->key)) return;
    if (!expect_map(reader, entry->value, "{layers: 2, width: 64, heads: 4}")) return;
    struct size_entry *size = size_add(reader, entry->key, entry->mark);
    for (int i = 0; i < entry->value->count; i++) {
        const struct entry *inner = &entry->value->entries[i];
        bool whole_path = strchr(inner->key, '.') || is_section(inner->key);
        read_entry(reader, inner, whole_path ? "" : "model.", size);
    }
}

void read_sizes(struct reader *reader)
{
    const struct node *sizes = node_get(node_get(reader->root, "model"), "sizes");
    if (!sizes) {
        size_add(reader, "standard", (struct mark){0});
        return;
    }
    if (!expect_map(reader, sizes, "{nano: {layers: 1, width: 16, heads: 2}}")) return;
    if (sizes->count == 0) complain_node(reader, sizes, "no size is listed; name at least one, or leave sizes out");
    for (int i = 0; i < sizes->count; i++) read_size(reader, &sizes->entries[i]);
}
