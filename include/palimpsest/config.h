/* config: YAML text to a checked sweep.  Every mistake becomes one line `file:line:column: key: what, and what would be
 * right`; as many as possible are found in one go, and nothing is returned when there is one.  What only the loaded data
 * can show (corpora too short, items too long) plan_create refuses, with the same marks. */
#ifndef PALIMPSEST_CONFIG_H
#define PALIMPSEST_CONFIG_H

#include "palimpsest/spec.h"

struct mark { /* counted from 1; line 0: not in the file (a default) */
    int line, column;
};

enum axis_kind { AXIS_SIZE, AXIS_TOKENS, AXIS_VARIETY, AXIS_PAIR, AXIS_SEED, AXIS_SETTING };
struct axis_member {
    enum axis_kind kind;
    int row; /* of settings_table, for AXIS_SETTING */
    char name[NAME_MAX_BYTES]; /* key as written: "size", "finetune.learning_rate" */
    /* values[length of the axis]; size and pair: an index into sizes / sequences, variety and seed: the number */
    union {
        int64_t *integer;
        struct amount *amount;
        union setting_value *setting;
    } values;
};
struct axis { /* one dimension of the grid: a plain axis has one member, a zip group several */
    char name[NAME_MAX_BYTES]; /* dimension name in results: dots become _ */
    int length;
    char **labels; /* [length]: the value as written; a zip group: its members' labels joined by "/" */
    struct axis_member *members;
    int member_count;
    struct mark mark, *marks; /* of the axis, and [length] of its values (a zip group: of its first member's) */
};
struct size_entry {
    char name[NAME_MAX_BYTES];
    int *rows; /* of settings_table, and what this size sets them to */
    union setting_value *values;
    struct mark *marks; /* [count] of the values */
    int count;
    struct mark mark;
};
struct sequence { /* of tasks, in the order they are learnt */
    int length;
    int task[PLACES_MAX];
};
struct exclusion { /* cells for which every named axis has one of the listed indices */
    bool **chosen; /* [axes]: NULL for an axis not named, else [length] */
};
struct claim {
    char name[NAME_MAX_BYTES], axis[NAME_MAX_BYTES], outcome[NAME_MAX_BYTES], statistic[NAME_MAX_BYTES],
        direction[NAME_MAX_BYTES], reading[NAME_MAX_BYTES]; /* reading: equal_success or same_training */
    double alpha, equivalence;
    int minimum_seeds;
};
struct resolved { /* a value that is no row of settings_table: of the world, the grid, the claims */
    char *key, *value, *unit;
    struct mark mark;
};
struct sweep {
    char *path, *text; /* as given, and the whole file */
    char name[NAME_MAX_BYTES];
    struct world_spec world;
    char (*tasks)[NAME_MAX_BYTES];
    int task_count;
    struct size_entry *sizes;
    int size_count;
    struct sequence *sequences;
    int sequence_count;
    struct axis *axes; /* size, tokens, variety, pair and seed are always there, with defaults when not written */
    int axis_count;
    struct exclusion *exclusions;
    int exclusion_count;
    struct claim *claims;
    int claim_count;
    unsigned instruments; /* bit i: enum instrument i is on */
    struct settings base; /* defaults and what the file sets for all cells */
    struct mark *origin;  /* [settings_count]: where the file sets a row for all cells */
    bool *set;            /* [settings_count]: whether it does */
    struct resolved *resolved; /* for people, in the order of the file's sections */
    int resolved_count;
};

/* path names the file in messages and anchors relative paths; text is the whole of it.  On failure err->text holds
 * every message, one a line (ERROR_INPUT), and *sweep is untouched.  The sweep is the caller's. */
enum { CONFIG_MOST_BYTES = 1 << 20 }; /* of a sweep file */
int config_read(const char *path, const char *text, struct sweep **sweep, struct error *err);
/* The text of a sweep file, memory_free: without a zero byte, which would hide what follows it (refused, ERROR_INPUT). */
int config_load(const char *path, char **text, size_t *length, struct error *err);
int config_read_file(const char *path, struct sweep **sweep, struct error *err);
void sweep_destroy(struct sweep **sweep);
const struct axis *sweep_axis(const struct sweep *sweep, enum axis_kind kind, int *member); /* with that member */
/* Every resolved value, one line each, and with `origins` where it came from; memory_free.  Without, two sweeps of the same
 * values give the same text. */
char *config_explain(const struct sweep *sweep, bool origins);

#endif
