/* Scalars of the sweep file that are no settings: numbers, words, names; and what is remembered of them for people. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_private.h"

void complain_node(struct reader *reader, const struct node *node, const char *format, ...)
{
    char what[1024], path[KEY_TEXT];
    va_list values;
    va_start(values, format);
    vsnprintf(what, sizeof what, format, values);
    va_end(values);
    complain(&reader->complaints, node->mark, node_path(node, path), "%s", what);
}

bool expect_map(struct reader *reader, const struct node *node, const char *example)
{
    if (node->kind == NODE_MAP) return true;
    complain_node(reader, node, "must be keys with values, such as %s", example);
    return false;
}

void check_keys(struct reader *reader, const struct node *map, const char *const *known, int count)
{
    for (int i = 0; i < map->count; i++) {
        char path[KEY_TEXT], help[KEY_TEXT];
        const struct entry *entry = &map->entries[i];
        if (is_known(entry->key, known, count)) continue;
        complain(&reader->complaints, entry->mark, node_path(entry->value, path), "unknown key%s",
                 suggestion(entry->key, known, count, help));
    }
}

static const char *shown(const struct node *node, char buffer[QUOTED])
{
    if (node->kind == NODE_LIST) return "a list";
    return node->kind == NODE_MAP ? "a section" : quoted(node->text, buffer);
}

bool read_integer(struct reader *reader, const struct node *node, int64_t least, int64_t most, int64_t *value)
{
    char text[QUOTED], *end = NULL;
    errno = 0;
    bool begins = node->kind == NODE_SCALAR && (isdigit((unsigned char)node->text[0]) || node->text[0] == '-');
    long long number = begins ? strtoll(node->text, &end, 10) : 0;
    bool whole = begins && *end == 0 && end != node->text;
    if (whole && errno == 0 && number >= least && number <= most) {
        *value = number;
        return true;
    }
    complain_node(reader, node, "%s is %s; it must be a whole number from %lld to %lld", shown(node, text),
                  whole ? "out of range" : "not understood", (long long)least, (long long)most);
    return false;
}

bool read_real(struct reader *reader, const struct node *node, double least, double most, double *value)
{
    char text[QUOTED], *end = NULL;
    bool plain =
        node->kind == NODE_SCALAR && node->text[0] && strspn(node->text, "+-.0123456789eE") == strlen(node->text);
    double number = plain ? strtod(node->text, &end) : 0;
    plain = plain && *end == 0 && isfinite(number);
    if (plain && number >= least && number <= most) {
        *value = number;
        return true;
    }
    complain_node(reader, node, "%s is %s; it must be a number from %g to %g", shown(node, text),
                  plain ? "out of range" : "not understood", least, most);
    return false;
}

bool read_choice(struct reader *reader, const struct node *node, const char *const *words, int count, int *value)
{
    char text[QUOTED], help[KEY_TEXT];
    for (int i = 0; i < count; i++)
        if (node_is(node, words[i])) {
            *value = i;
            return true;
        }
    complain_node(reader, node, "%s is not understood%s", shown(node, text),
                  suggestion(node->kind == NODE_SCALAR ? node->text : "", words, count, help));
    return false;
}

bool check_name(struct reader *reader, const struct node *node, struct mark mark, const char *name)
{
    static const char *const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    char text[QUOTED], path[KEY_TEXT];
    size_t length = strlen(name);
    if (isalnum((unsigned char)name[0]) && strspn(name, letters) == length && length < NAME_MAX_BYTES) return true;
    complain(&reader->complaints, mark, node_path(node, path),
             "%s is not a name; use 1 to %d letters, digits, _, - and ., the first a letter or digit",
             quoted(name, text), NAME_MAX_BYTES - 1);
    return false;
}

bool read_name(struct reader *reader, const struct node *node, char name[NAME_MAX_BYTES])
{
    if (node->kind != NODE_SCALAR) {
        complain_node(reader, node, "must be a name, not a list or a section");
        return false;
    }
    if (!check_name(reader, node, node->mark, node->text)) return false;
    snprintf(name, NAME_MAX_BYTES, "%s", node->text);
    return true;
}

void resolve(struct reader *reader, const char *key, const struct node *node, const char *unit, const char *format, ...)
{
    char text[1024];
    struct sweep *sweep = reader->sweep;
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    sweep->resolved = memory_grow(sweep->resolved, &reader->resolved_capacity, (size_t)sweep->resolved_count + 1,
                                  sizeof *sweep->resolved);
    sweep->resolved[sweep->resolved_count++] = (struct resolved){.key = memory_text(key),
                                                                 .value = memory_text(text),
                                                                 .unit = memory_text(unit),
                                                                 .mark = node ? node->mark : (struct mark){0}};
}
