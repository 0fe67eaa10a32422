/* Every resolved value, and where it came from, for `palimpsest plan --explain`. */
#include <stdio.h>
#include <string.h>

#include "config_private.h"

struct page { /* text that grows by lines */
    char *text;
    size_t length, capacity;
    bool origins; /* say where each value comes from */
};

static void put(struct page *page, const char *line)
{
    size_t length = strlen(line);
    page->text = memory_grow(page->text, &page->capacity, page->length + length + 1, 1);
    memcpy(page->text + page->length, line, length + 1);
    page->length += length;
}

static void put_line(struct page *page, const struct sweep *sweep, const char *key, const char *value, const char *unit,
                     struct mark mark)
{
    char *place = mark.line ? memory_format("%s:%d:%d", sweep->path, mark.line, mark.column) : memory_text("default");
    char *with_unit =
        strcmp(unit, "-") == 0 || strcmp(unit, "1") == 0 ? memory_text(value) : memory_format("%s (%s)", value, unit);
    char *line = page->origins ? memory_format("%-32s %-40s %s\n", key, with_unit, place)
                               : memory_format("%-32s %s\n", key, with_unit);
    put(page, line);
    memory_free(line);
    memory_free(with_unit);
    memory_free(place);
}

static void put_size_values(struct page *page, const struct sweep *sweep, int row)
{
    for (int s = 0; s < sweep->size_count; s++)
        for (int i = 0; i < sweep->sizes[s].count; i++) {
            const struct size_entry *size = &sweep->sizes[s];
            struct settings settings = sweep->base;
            char key[128], value[64];
            if (size->rows[i] != row) continue;
            setting_assign(row, size->values[i], &settings);
            setting_print(row, &settings, value, sizeof value);
            snprintf(key, sizeof key, "  in size %s", size->name);
            put_line(page, sweep, key, value, settings_table[row].unit, size->marks[i]);
        }
}

static void put_axis_values(struct page *page, const struct sweep *sweep, int row)
{
    for (int a = 0; a < sweep->axis_count; a++)
        for (int m = 0; m < sweep->axes[a].member_count; m++) {
            const struct axis *axis = &sweep->axes[a];
            const struct axis_member *member = &axis->members[m];
            for (int i = 0; member->kind == AXIS_SETTING && member->row == row && i < axis->length; i++) {
                struct settings settings = sweep->base;
                char key[128], value[64];
                setting_assign(row, member->values.setting[i], &settings);
                setting_print(row, &settings, value, sizeof value);
                snprintf(key, sizeof key, "  on axis %s", axis->name);
                put_line(page, sweep, key, value, settings_table[row].unit, axis->marks[i]);
            }
        }
}

static void put_setting(struct page *page, const struct sweep *sweep, int row)
{
    char value[64];
    bool inherited = !settings_table[row].standard && !sweep->set[row];
    if (inherited)
        snprintf(value, sizeof value, "as for the first task");
    else
        setting_print(row, &sweep->base, value, sizeof value);
    put_line(page, sweep, settings_table[row].path, value, inherited ? "-" : settings_table[row].unit,
             sweep->origin[row]);
    put_size_values(page, sweep, row);
    put_axis_values(page, sweep, row);
}

char *config_explain(const struct sweep *sweep, bool origins)
{
    struct page page = {.origins = origins};
    for (int i = 0; i < sweep->resolved_count; i++)
        put_line(&page, sweep, sweep->resolved[i].key, sweep->resolved[i].value, sweep->resolved[i].unit,
                 sweep->resolved[i].mark);
    for (int row = 0; row < settings_count; row++) put_setting(&page, sweep, row);
    return page.text;
}
