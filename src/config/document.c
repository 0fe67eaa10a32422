/* YAML text to a tree of nodes, through libyaml's events: marks on every key and value, duplicate keys refused, and
 * limits on depth and on what aliases expand to, so that a small file cannot become a large tree. */
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "config_private.h"

enum { DEEPEST = 16, MOST_NODES = 100000, MOST_KEYS = 1000, LONGEST_KEY = 128 };

struct anchor {
    char *name;
    const struct node *node;
};
struct composer {
    yaml_parser_t parser;
    struct complaints *complaints;
    const char *text;
    struct anchor *anchors;
    size_t anchor_count, anchor_capacity;
    int nodes;
    bool over; /* a mistake after which the rest cannot be understood */
};

static struct mark mark_of(yaml_mark_t mark) { return (struct mark){(int)mark.line + 1, (int)mark.column + 1}; }

static void stop(struct composer *composer, struct mark mark, const char *what)
{
    if (!composer->over) complain(composer->complaints, mark, "YAML", "%s", what);
    composer->over = true;
}

/* ---- the tree ---- */

static struct node *node_create(struct composer *composer, enum node_kind kind, struct mark mark)
{
    struct node *node = memory_allocate(sizeof *node);
    node->kind = kind;
    node->mark = mark;
    if (++composer->nodes == MOST_NODES)
        stop(composer, mark, "more than 100000 values, aliases written out; a sweep needs far fewer");
    return node;
}

void node_destroy(struct node *node)
{
    if (!node) return;
    for (int i = 0; i < node->count; i++) {
        memory_free(node->entries[i].key);
        node_destroy(node->entries[i].value);
    }
    memory_free(node->entries);
    memory_free(node->text);
    memory_free(node);
}

/* Takes key (NULL in a list) and value. */
static void node_add(struct node *node, char *key, struct mark mark, struct node *value)
{
    node->entries = memory_grow(node->entries, &node->capacity, (size_t)node->count + 1, sizeof *node->entries);
    node->entries[node->count] = (struct entry){.key = key, .mark = mark, .value = value};
    value->parent = node;
    value->key = key;
    value->index = node->count++;
}

/* What an alias stands for, written out at its place. */
static struct node *node_copy(struct composer *composer, const struct node *node)
{
    struct node *copy = node_create(composer, node->kind, node->mark);
    copy->text = memory_text(node->text);
    for (int i = 0; i < node->count && !composer->over; i++)
        node_add(copy, memory_text(node->entries[i].key), node->entries[i].mark,
                 node_copy(composer, node->entries[i].value));
    return copy;
}

const struct node *node_get(const struct node *map, const char *key)
{
    for (int i = 0; map && map->kind == NODE_MAP && i < map->count; i++)
        if (strcmp(map->entries[i].key, key) == 0) return map->entries[i].value;
    return NULL;
}

const char *node_path(const struct node *node, char buffer[KEY_TEXT])
{
    buffer[0] = 0;
    if (!node->parent) return strcpy(buffer, "the sweep");
    if (node->parent->parent) node_path(node->parent, buffer);
    size_t used = strlen(buffer);
    if (node->key)
        snprintf(buffer + used, KEY_TEXT - used, "%s%s", used ? "." : "", node->key);
    else
        snprintf(buffer + used, KEY_TEXT - used, "[%d]", node->index);
    return buffer;
}

bool node_is(const struct node *node, const char *text)
{
    return node && node->kind == NODE_SCALAR && strcmp(node->text, text) == 0;
}

int node_items(const struct node *node) { return node->kind == NODE_LIST ? node->count : 1; }

const struct node *node_item(const struct node *node, int i)
{
    return node->kind == NODE_LIST ? node->entries[i].value : node;
}

/* ---- events ---- */

/* Line and column of a byte, for what libyaml refuses before it counts lines (bytes that are not UTF-8). */
static struct mark mark_of_byte(const char *text, size_t offset)
{
    struct mark mark = {1, 1};
    for (size_t i = 0; i < offset && text[i]; i++) {
        if (text[i] == '\n')
            mark = (struct mark){mark.line + 1, 1};
        else if (((unsigned char)text[i] & 0xC0) != 0x80)
            mark.column++;
    }
    return mark;
}

static const char *help_for(const char *problem)
{
    if (strstr(problem, "cannot start any token"))
        return "; indent with spaces, not tabs, and quote values that start with @, ` or %";
    if (strstr(problem, "not allowed in this context"))
        return "; is a value with \": \" in it not quoted, or a line indented too far?";
    if (strstr(problem, "could not find expected ':'")) return "; a key is followed by a colon and a space";
    if (strstr(problem, "did not find expected key")) return "; keys of one section start in the same column";
    if (strstr(problem, "did not find expected ',' or")) return "; is a comma or a closing bracket missing?";
    if (strstr(problem, "undefined alias")) return "; write &name before a value and *name after it";
    return "";
}

static void parse_failed(struct composer *composer)
{
    const yaml_parser_t *parser = &composer->parser;
    const char *problem = parser->problem ? parser->problem : "cannot be read";
    char what[256];
    if (parser->error == YAML_READER_ERROR) {
        snprintf(what, sizeof what, "%s; the file must be UTF-8 text", problem);
        stop(composer, mark_of_byte(composer->text, parser->problem_offset), what);
        return;
    }
    snprintf(what, sizeof what, "%s%s%s%s", parser->context ? parser->context : "", parser->context ? ", " : "",
             problem, help_for(problem));
    stop(composer, mark_of(parser->problem_mark), what);
}

static bool next_event(struct composer *composer, yaml_event_t *event)
{
    if (composer->over) return false;
    if (yaml_parser_parse(&composer->parser, event)) return true;
    parse_failed(composer);
    return false;
}

static void remember(struct composer *composer, const yaml_char_t *name, const struct node *node)
{
    if (!name) return;
    composer->anchors = memory_grow(composer->anchors, &composer->anchor_capacity, composer->anchor_count + 1,
                                    sizeof *composer->anchors);
    composer->anchors[composer->anchor_count++] =
        (struct anchor){.name = memory_text((const char *)name), .node = node};
}

static struct node *compose_alias(struct composer *composer, const yaml_event_t *event)
{
    const char *name = (const char *)event->data.alias.anchor;
    for (size_t i = composer->anchor_count; i-- > 0;) /* the latest of that name */
        if (strcmp(composer->anchors[i].name, name) == 0) return node_copy(composer, composer->anchors[i].node);
    char what[384];
    snprintf(what, sizeof what, "the alias *%.100s stands for nothing before it; write &%.100s before a value above",
             name, name);
    stop(composer, mark_of(event->start_mark), what);
    return node_create(composer, NODE_SCALAR, mark_of(event->start_mark));
}

static struct node *compose(struct composer *composer, const yaml_event_t *event, int depth);

static struct node *compose_scalar(struct composer *composer, const yaml_event_t *event)
{
    struct node *node = node_create(composer, NODE_SCALAR, mark_of(event->start_mark));
    node->text = memory_text((const char *)event->data.scalar.value);
    if (strlen(node->text) != event->data.scalar.length) stop(composer, node->mark, "a value contains a zero byte");
    if (event->data.scalar.tag) stop(composer, node->mark, "tags (!name) have no meaning in a sweep file; remove it");
    return node;
}

/* The list or map that has just begun, up to its end. */
static struct node *compose_list(struct composer *composer, struct mark mark, int depth)
{
    struct node *list = node_create(composer, NODE_LIST, mark);
    yaml_event_t event;
    while (next_event(composer, &event)) {
        bool end = event.type == YAML_SEQUENCE_END_EVENT;
        if (!end) node_add(list, NULL, mark_of(event.start_mark), compose(composer, &event, depth + 1));
        yaml_event_delete(&event);
        if (end) break;
    }
    return list;
}

/* The key of an event, NULL when it cannot be one. */
static char *compose_key(struct composer *composer, const yaml_event_t *event)
{
    struct mark mark = mark_of(event->start_mark);
    const char *text = (const char *)event->data.scalar.value;
    if (event->type != YAML_SCALAR_EVENT)
        stop(composer, mark, "a key must be a word, not a list, a section or an alias");
    else if (event->data.scalar.length > LONGEST_KEY || strlen(text) != event->data.scalar.length)
        stop(composer, mark, "a key must be a word of at most 128 bytes");
    else if (strcmp(text, "<<") == 0)
        stop(composer, mark, "merge keys (<<) are not understood; write the keys out");
    return composer->over ? NULL : memory_text(text);
}

static struct node *compose_map(struct composer *composer, struct mark mark, int depth)
{
    struct node *map = node_create(composer, NODE_MAP, mark);
    yaml_event_t event;
    while (next_event(composer, &event)) {
        struct mark place = mark_of(event.start_mark);
        bool end = event.type == YAML_MAPPING_END_EVENT;
        char *key = end ? NULL : compose_key(composer, &event);
        yaml_event_delete(&event);
        if (!key) break;
        if (!next_event(composer, &event)) {
            memory_free(key);
            break;
        }
        node_add(map, key, place, compose(composer, &event, depth + 1));
        yaml_event_delete(&event);
    }
    return map;
}

static struct node *compose_collection(struct composer *composer, const yaml_event_t *event, int depth)
{
    struct mark mark = mark_of(event->start_mark);
    bool list = event->type == YAML_SEQUENCE_START_EVENT;
    if (list ? event->data.sequence_start.tag != NULL : event->data.mapping_start.tag != NULL)
        stop(composer, mark, "tags (!name) have no meaning in a sweep file; remove it");
    if (depth >= DEEPEST) stop(composer, mark, "nested more than 16 deep; a sweep needs far less");
    return (list ? compose_list : compose_map)(composer, mark, depth);
}

/* Always a node, so that the tree is whole; what is in it is of no interest once composer->over. */
static struct node *compose(struct composer *composer, const yaml_event_t *event, int depth)
{
    if (event->type == YAML_ALIAS_EVENT) return compose_alias(composer, event);
    const yaml_char_t *anchor = event->data.scalar.anchor;
    struct node *node;
    if (event->type == YAML_SCALAR_EVENT) {
        node = compose_scalar(composer, event);
    } else {
        anchor = event->type == YAML_SEQUENCE_START_EVENT ? event->data.sequence_start.anchor
                                                          : event->data.mapping_start.anchor;
        node = compose_collection(composer, event, depth);
    }
    remember(composer, anchor, node); /* only now: an alias inside its own value stands for nothing */
    return node;
}

static struct node *compose_document(struct composer *composer)
{
    struct node *root = NULL;
    yaml_event_t event;
    int documents = 0;
    bool end = false;
    while (!end && next_event(composer, &event)) {
        if (event.type == YAML_DOCUMENT_START_EVENT && ++documents == 2)
            stop(composer, mark_of(event.start_mark), "a second document begins (---); a sweep file has one");
        else if (event.type == YAML_STREAM_END_EVENT)
            end = true;
        else if (event.type != YAML_STREAM_START_EVENT && event.type != YAML_DOCUMENT_START_EVENT &&
                 event.type != YAML_DOCUMENT_END_EVENT)
            root = compose(composer, &event, 0);
        yaml_event_delete(&event);
    }
    if (!root) stop(composer, (struct mark){1, 1}, "the file is empty; at least name, world and axes are needed");
    return root;
}

/* Complains of keys that stand twice in one map, and keeps the first of each. */
static void refuse_duplicates(struct composer *composer, struct node *node)
{
    int kept = 0;
    if (node->kind == NODE_MAP && node->count > MOST_KEYS)
        stop(composer, node->mark, "more than 1000 keys in one section");
    for (int i = 0; i < node->count && !composer->over; i++) {
        struct entry entry = node->entries[i];
        int all = node->count;
        node->count = kept;
        const struct node *before = entry.key ? node_get(node, entry.key) : NULL;
        node->count = all;
        if (before) {
            char path[KEY_TEXT];
            complain(composer->complaints, entry.mark, node_path(before, path),
                     "stands twice, first in line %d; keep one of them", before->mark.line);
            memory_free(entry.key);
            node_destroy(entry.value);
            continue;
        }
        node->entries[kept++] = entry;
        refuse_duplicates(composer, entry.value);
    }
    if (!composer->over) node->count = kept;
}

static void check_root(struct composer *composer, struct node *root)
{
    if (!composer->over && root->kind != NODE_MAP)
        stop(composer, root->mark, "the file must be keys with values (name: ..., world: ..., axes: ...)");
    refuse_duplicates(composer, root);
}

struct node *document_read(const char *text, struct complaints *complaints)
{
    if (strncmp(text, "\xEF\xBB\xBF", 3) == 0) text += 3; /* byte order mark, as some editors put it in front */
    struct composer composer = {.complaints = complaints, .text = text};
    if (strlen(text) > CONFIG_MOST_BYTES) {
        stop(&composer, (struct mark){1, 1}, "longer than 1 MiB; a sweep file is a few kilobytes");
        return NULL;
    }
    CHECK(yaml_parser_initialize(&composer.parser), "libyaml has no memory");
    yaml_parser_set_encoding(&composer.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&composer.parser, (const unsigned char *)text, strlen(text));
    struct node *root = compose_document(&composer);
    if (root) check_root(&composer, root);
    yaml_parser_delete(&composer.parser);
    for (size_t i = 0; i < composer.anchor_count; i++) memory_free(composer.anchors[i].name);
    memory_free(composer.anchors);
    if (!composer.over) return root;
    node_destroy(root);
    return NULL;
}
