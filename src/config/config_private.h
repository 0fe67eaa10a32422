/* Inside config: the tree of nodes that YAML text becomes, the list of complaints, and the reader that both serve.
 *
 * The way of the text: document.c (libyaml events to nodes with marks), settings_section.c and world_section.c, axes.c
 * and columns.c (the grid), exclude.c, claims.c, and combinations.c (what only a combination shows to be wrong).  A
 * part that complains goes on with something harmless, so that the next mistake is found too. */
#ifndef PALIMPSEST_CONFIG_PRIVATE_H
#define PALIMPSEST_CONFIG_PRIVATE_H

#include "palimpsest/config.h"

/* ---- complaints ---- */

struct complaint {
    struct mark mark;
    size_t number; /* order of finding, for equal marks */
    char *text;    /* "key: what was wrong" */
};
struct complaints {
    const char *path;
    struct complaint *list;
    size_t count, capacity;
};
enum { COMPLAINTS_MAX = 1000, KEY_TEXT = 512, QUOTED = 64 };
void complain(struct complaints *complaints, struct mark mark, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Sorts by place and joins what fits; frees the list.  0 when there is none, else -1 with err set. */
int complaints_finish(struct complaints *complaints, struct error *err);
/* text in quotes for a message: cut when long, control characters shown as ?. */
const char *quoted(const char *text, char buffer[QUOTED]);
/* "; did you mean x?", or "; known: a, b, c" when nothing is near; buffer[KEY_TEXT]. */
const char *suggestion(const char *word, const char *const *known, int count, char *buffer);
bool is_known(const char *word, const char *const *known, int count);

/* ---- nodes ---- */

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };
struct node {
    enum node_kind kind;
    struct mark mark;
    char *text; /* of a scalar */
    struct entry *entries;
    int count;
    size_t capacity;
    const struct node *parent; /* NULL: the root */
    const char *key;           /* in a map, borrowed from the entry; else NULL */
    int index;                 /* in a list */
};
struct entry {
    char *key;        /* NULL in a list */
    struct mark mark; /* of the key */
    struct node *value;
};
/* NULL when there is no tree to go on with; the caller's (node_destroy). */
struct node *document_read(const char *text, struct complaints *complaints);
void node_destroy(struct node *node);
const struct node *node_get(const struct node *map, const char *key);  /* NULL when not there */
const char *node_path(const struct node *node, char buffer[KEY_TEXT]); /* "model.sizes.nano", "tasks[1]" */
bool node_is(const struct node *node, const char *text);               /* a scalar with that text */
/* One value where a list may stand: number of them, and the i-th. */
int node_items(const struct node *node);
const struct node *node_item(const struct node *node, int i);

/* ---- the reader ---- */

struct reader {
    struct complaints complaints;
    struct sweep *sweep;
    struct node *root;
    char *folder; /* of the sweep file */
    size_t size_capacity, sequence_capacity, axis_capacity, exclusion_capacity, claim_capacity, resolved_capacity;
    bool tasks_unsure, world_unsure, axes_unsure; /* complaints that follow from an earlier one are not made */
};
void complain_node(struct reader *reader, const struct node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool expect_map(struct reader *reader, const struct node *node, const char *example);
void check_keys(struct reader *reader, const struct node *map, const char *const *known, int count);

/* Values; false after a complaint, *value untouched. */
bool read_integer(struct reader *reader, const struct node *node, int64_t least, int64_t most, int64_t *value);
bool read_real(struct reader *reader, const struct node *node, double least, double most, double *value);
bool read_choice(struct reader *reader, const struct node *node, const char *const *words, int count, int *value);
/* A name of letters, digits, "_", "-" and ".", starting with a letter or digit. */
bool check_name(struct reader *reader, const struct node *node, struct mark mark, const char *name);
bool read_name(struct reader *reader, const struct node *node, char name[NAME_MAX_BYTES]);
/* Remembers a value for config_explain; node NULL: a default. */
void resolve(struct reader *reader, const char *key, const struct node *node, const char *unit, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Sections; each reads its part of reader->root into reader->sweep. */
void read_settings(struct reader *reader);
void read_sizes(struct reader *reader);
void read_world(struct reader *reader);
void read_tasks(struct reader *reader);
void read_axes(struct reader *reader);
void read_exclusions(struct reader *reader);
void read_claims(struct reader *reader);
void check_combinations(struct reader *reader);
/* The file or glob of one scalar, `${NAME}` replaced, relative to the sweep file: adds to *files, sorted within the
 * glob. False after a complaint. */
bool read_files(struct reader *reader, const struct node *node, char ***files, size_t *capacity, int *count);
char *read_file_name(struct reader *reader, const struct node *node); /* exactly one, or NULL after a complaint */

/* ---- one column of the grid: an axis, or a member of a zip group ---- */

struct column {
    struct axis_member member;
    const struct node *node;
    int length;
    char **labels;
    struct mark *marks;
    bool *valid; /* [length]: read without a complaint */
    bool sound;  /* all of it is */
};
void column_read(struct reader *reader, const struct node *node, const char *name, struct column *column);
void column_standard(struct reader *reader, enum axis_kind kind, struct column *column); /* when the file has none */
bool member_equal(const struct sweep *sweep, const struct axis_member *member, int a, int b);
/* Index of the value that node says, -1 after a complaint; axis must be sound. */
int member_find(struct reader *reader, const struct axis *axis, const struct axis_member *member,
                const struct node *node);
enum axis_kind axis_kind_of(const char *name, int *row); /* AXIS_SETTING with row -1: no axis of that name */
const char *axis_word(enum axis_kind kind);
/* A sequence of tasks from [a, b] or "a>b"; false after a complaint. */
bool read_sequence(struct reader *reader, const struct node *node, struct sequence *sequence);
int task_find(const struct sweep *sweep, const char *name); /* -1 when not there */
int size_find(const struct sweep *sweep, const char *name);

#endif
