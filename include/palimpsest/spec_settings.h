/* Settings: everything about one cell that a scalar can say, and the table of all of them. */
#ifndef PALIMPSEST_SPEC_SETTINGS_H
#define PALIMPSEST_SPEC_SETTINGS_H

#include "palimpsest/base.h"

enum {
    NAME_MAX_BYTES = 64, /* any name in a sweep: sizes, tasks, domains, axes; with the closing 0 */
    PLACES_MAX = 8,      /* tasks in one sequence */
    LAYERS_MAX = 64,     /* blocks of a model */
    POINTS_MAX = 80,     /* points of a learning curve */
    LOOKS_MAX = 32,      /* looks at a training on its way */
    CLASSES_MAX = 64,    /* labels of one task */
    BLOCKS_MAX = 64,     /* of a prequential code */
    DOMAINS_MAX = 256,   /* of a world: that pretraining may read, and reserved ones as many */
    SWEEP_TASKS_MAX = 256,
    AXES_MAX = 15,       /* dimensions of the grid */
};

enum objective { OBJECTIVE_CAUSAL, OBJECTIVE_MASKED };
enum head_kind { HEAD_PER_TASK, HEAD_SHARED, HEAD_LM };
enum pool_kind { POOL_LAST, POOL_MEAN };

struct span { /* part of an amount */
    double value;
    bool in_tokens; /* else a fraction of the amount */
};
struct amount { /* of pretraining */
    double value;
    bool relative; /* else tokens: a multiple of the non-embedding parameters */
};
struct optimizer_recipe { /* AdamW (Loshchilov and Hutter 2019) */
    double learning_rate, beta1, beta2, epsilon, weight_decay;
    double clip;             /* largest norm of the whole gradient; 0: no clipping */
    int64_t bias_correction; /* 0 or 1 */
};
struct finetune_recipe {
    int64_t batch, steps; /* sequences per step, steps */
    double warmup;        /* fraction of the steps */
    int64_t freeze;       /* embeddings and the first n blocks stay as they are; 0: all is trained */
    struct optimizer_recipe optimizer;
};
struct settings {
    struct {
        int64_t objective, context, layers, width, heads, feed_forward, share_layers;
        double initial_deviation;
    } model;
    struct {
        int64_t batch;  /* sequences per step */
        int64_t warmup; /* tokens */
        int64_t unique; /* tokens read before they repeat; 0: never repeat */
        struct span cooldown;
        struct optimizer_recipe optimizer;
    } pretrain;
    struct finetune_recipe first, second; /* second: every place after the first */
    int64_t head, pool, train_items;      /* of fine-tuning; train_items 0: all */
    int64_t read_layers;                  /* blocks under the head; 0: all */
    struct {
        int64_t items, tokens; /* test items per task; tokens per reference domain */
        int64_t looks;         /* how often a training is looked at after its start; see look_step */
    } evaluate;
    struct {
        int64_t draws, items; /* of weight noise; training items per task whose gradients are compared */
    } mediators;
    struct {
        int64_t first, steps; /* items of the first block; steps on the blocks so far before each later one */
        double growth;        /* of what the blocks so far hold, from block to block */
    } codelength;
    struct {
        double success; /* of the last task, as a share of what is above chance */
    } frontier;
    struct {
        int64_t steps;        /* of continued pretraining */
        double warmup;        /* fraction of those steps; then constant */
        double learning_rate;
        double within;        /* share of what was learnt that may be missing still */
    } recovery;
    struct {
        int64_t items; /* a probe is fitted on; and as many it is chosen by */
    } probes;
    struct {
        int64_t stimuli; /* reference windows */
    } similarity;
};

enum setting_type { SETTING_INTEGER, SETTING_TOKENS, SETTING_REAL, SETTING_FLAG, SETTING_CHOICE, SETTING_SPAN };
enum setting_scope { /* the earliest stage whose numbers a setting can change */
    SCOPE_INITIAL, SCOPE_PRETRAIN, SCOPE_FIRST, SCOPE_SECOND, SCOPE_EVALUATE
};
struct setting { /* one row of the table; sweeps/README.md documents each, and a test holds the two together */
    const char *path;     /* dotted, as in the sweep file */
    enum setting_type type;
    enum setting_scope scope;
    size_t offset;        /* in struct settings */
    const char *standard; /* the default, as it would stand in the file; NULL: as the twin without ".second" */
    double minimum, maximum;
    bool above_minimum;   /* the minimum itself is refused */
    const char *choices;  /* "a|b|c" for SETTING_CHOICE; a word that means 0 for SETTING_TOKENS, or NULL */
    const char *unit, *meaning;
};
union setting_value {
    int64_t integer; /* INTEGER, TOKENS, FLAG, CHOICE */
    double real;
    struct span span;
};
extern const struct setting settings_table[];
extern const int settings_count;
int setting_find(const char *path); /* row, or -1 */
/* Reads `text` as a value of that row; -1 and a reason for a person in why[size] when it is not one or out of range. */
int setting_read(int row, const char *text, union setting_value *value, char *why, size_t size);
void setting_assign(int row, union setting_value value, struct settings *settings);
union setting_value setting_of(int row, const struct settings *settings);
void setting_print(int row, const struct settings *settings, char *text, size_t size); /* as it would stand in the file */
void setting_range(int row, char *text, size_t size); /* what is accepted, in words: "a whole number from 1 to 64" */
/* All defaults, including those of the second place. */
void settings_standard(struct settings *settings);
/* The second place takes from the first whatever is not set for it: rows without a default, unless set[settings_count] says
 * that the file, the size or an axis gave them.  Call it after all values are assigned; set may be NULL (nothing is). */
void settings_inherit_second(struct settings *settings, const bool *set);
/* Blocks of a prequential code over so many items: end[] of what is in the blocks so far, the last of them `items`.
 * Returns how many there are; BLOCKS_MAX + 1: more than can be kept. */
int codelength_blocks(const struct settings *settings, int64_t items, int64_t end[BLOCKS_MAX]);
/* "64Ki", "1M", "20x": -1 and why as above. Suffixes k M G are decimal, Ki Mi Gi binary; "x" is relative. */
int amount_read(const char *text, struct amount *amount, char *why, size_t size);

#endif
