/* spec: plain structs that every room speaks, with their pure arithmetic, and two tables: the settings a sweep file can
 * set (settings.c), and the instruments with the fields they fill (fields.c).  No I/O, no state. */
#ifndef PALIMPSEST_SPEC_H
#define PALIMPSEST_SPEC_H

#include "palimpsest/base.h"

enum {
    NAME_MAX_BYTES = 64, /* any name in a sweep: sizes, tasks, domains, axes; with the closing 0 */
    PLACES_MAX = 8,      /* tasks in one sequence */
    LAYERS_MAX = 64,     /* blocks of a model */
    POINTS_MAX = 80,     /* points of a learning curve */
    CLASSES_MAX = 64,    /* labels of one task */
    DOMAINS_MAX = 256,   /* of a world: that pretraining may read, and reserved ones as many */
    AXES_MAX = 15,       /* dimensions of the grid */
};

/* ---- settings: everything about one cell that a scalar can say ---- */

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
    struct {
        int64_t items, tokens; /* test items per task; tokens per reference domain */
    } evaluate;
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
/* "64Ki", "1M", "20x": -1 and why as above. Suffixes k M G are decimal, Ki Mi Gi binary; "x" is relative. */
int amount_read(const char *text, struct amount *amount, char *why, size_t size);

/* ---- the model's shape, and what it costs ---- */

struct model_shape {
    int layers, width, heads, context, vocabulary, feed_forward; /* feed_forward: multiple of width */
    enum objective objective;
    bool share_layers; /* one block's tensors used by all layers (ALBERT, Lan et al. 2020) */
};
struct model_shape shape_of(const struct settings *settings, int vocabulary);
bool shape_equal(const struct model_shape *a, const struct model_shape *b);
int64_t shape_parameters(const struct model_shape *shape);               /* all, heads of tasks not counted */
int64_t shape_parameters_non_embedding(const struct model_shape *shape); /* without token and position tables */
/* Forward passes cost a third of these.  Dense attention over `length` positions; with the LM head's product or without. */
double shape_training_flops(const struct model_shape *shape, double tokens, double length, bool lm_head);
/* Bytes of one state without moments, heads of `classes` labels in all counted; moments are twice that. */
int64_t shape_state_bytes(const struct model_shape *shape, int heads, int classes);
/* What a pass over a batch keeps in memory, one block cut by one table: model cuts it, plan adds it up. */
enum work_buffer {
    WORK_HIDDEN, WORK_FINAL, WORK_STATS, WORK_NORM1, WORK_QKV, WORK_PROBABILITY, WORK_ATTENDED, WORK_MIDDLE, WORK_NORM2,
    WORK_SLOPE, WORK_ACTIVE, WORK_ROWS, WORK_LOGITS, WORK_LABELS, WORK_DHIDDEN, WORK_DNORM, WORK_DWIDE, WORK_DSCORES,
    WORK_DROWS, WORK_DLABELS, WORK_BUFFERS
};
enum { LOGIT_ROWS = 256 }; /* rows that go through the LM head at a time, so that their logits stay in the cache */
/* start[buffer], in floats; start[WORK_BUFFERS] is the whole.  Buffers of the way back are empty unless `training`. */
void shape_work_table(const struct model_shape *shape, int tokens, int sequences, bool training,
                      int64_t start[WORK_BUFFERS + 1]);
/* Bytes of all buffers of a model, and of the gradient when training, for batches of at most so many tokens and
 * sequences. */
int64_t shape_work_bytes(const struct model_shape *shape, int tokens, int sequences, bool training);

/* ---- the pretraining schedule: amounts in whole steps ---- */

struct schedule_steps { /* one step reads batch x context tokens */
    int64_t tokens_per_step;
    int64_t warmup, trunk, cooldown; /* steps: warm-up is inside trunk; trunk + cooldown = the whole amount */
};
struct schedule_steps schedule_steps_of(const struct settings *settings, const struct model_shape *shape,
                                        struct amount amount);
/* The domains that seed `seed` reads at variety `variety`: nested in variety, rotated by seed. read[variety]. */
void variety_domains(int domains, uint64_t world_seed, uint64_t seed, int variety, int *read);
/* Points of a learning curve: point k averages steps point_end(k - 1) + 1 .. point_end(k), half octaves apart. */
int64_t point_end(int point);
int point_of_step(int64_t step); /* step counts from 1 */

/* ---- worlds: what a sweep file says of one, and the facts found when it is loaded ---- */

/* Tasks of the built-in grammar; after Conneau et al. 2018, and two that tell what a sentence is about. */
#define GRAMMAR_TASKS(X)                                                                                               \
    X(sentence_length) X(word_content) X(tree_depth) X(top_constituents) X(bigram_shift) X(tense) X(subject_number)    \
    X(object_number) X(odd_word_out) X(coordination_inversion) X(topic) X(domain)
enum world_kind { WORLD_GRAMMAR, WORLD_TEXT };
enum overlap { OVERLAP_NONE, OVERLAP_FIRST, OVERLAP_SECOND, OVERLAP_BOTH };
enum tokenizer_kind { TOKENIZER_BYTES, TOKENIZER_WORDS, TOKENIZER_BPE, TOKENIZER_BINARY };
struct text_source { /* a corpus: files[]; a task: train and test */
    char name[NAME_MAX_BYTES];
    char **files; /* absolute or relative to the working directory, globs expanded, sorted */
    int file_count;
    char *train, *test; /* tasks only */
};
struct world_spec {
    enum world_kind kind;
    int domains;      /* that pretraining may read */
    int task_domains; /* reserved ones, never read; tasks are drawn from them (grammar) */
    uint64_t seed;
    enum overlap overlap;
    enum tokenizer_kind tokenizer;
    int vocabulary;                     /* wanted (words, bpe) or given (binary) */
    double held_out;                    /* tail of each corpus kept for evaluation (text) */
    struct text_source *corpora, *tasks; /* text */
    int corpus_count, task_count;
};
struct domain_facts {
    char name[NAME_MAX_BYTES];
    bool reserved;
    uint64_t tokens; /* that training can read without repeating; UINT64_MAX: no end */
    struct hash128 training, reference; /* of the ordered training data, and of the evaluation windows */
};
struct task_facts {
    char name[NAME_MAX_BYTES];
    int classes;
    int train_items, development_items, test_items;
    double majority;    /* share of the largest class in test */
    double mean_tokens; /* of a training item */
    int most_tokens;
    struct hash128 training, test; /* of tokenised, ordered items */
};
struct world_facts { /* borrowed from the world that filled it */
    int vocabulary, separator, mask; /* tokens: 0 <= separator, mask < vocabulary */
    int domains, task_domains;       /* domain[domains + task_domains], readable ones first */
    const struct domain_facts *domain;
    int tasks;
    const struct task_facts *task; /* in the order of the sweep's tasks */
};

/* ---- what a stage leaves behind ---- */

enum stage_kind { STAGE_INITIAL, STAGE_TRUNK, STAGE_COOLDOWN, STAGE_FINETUNE };
#define STAGE_STATUSES(X)                                                                                              \
    X(STATUS_PENDING, "pending") X(STATUS_RUNNING, "running") X(STATUS_DONE, "done") X(STATUS_DIVERGED, "diverged")    \
    X(STATUS_FAILED, "failed") X(STATUS_SKIPPED, "skipped") X(STATUS_EXCLUDED, "excluded")
#define STATUS_ENUM(name, word) name,
enum stage_status { STAGE_STATUSES(STATUS_ENUM) STATUS_COUNT };
#undef STATUS_ENUM
const char *stage_kind_name(enum stage_kind kind);
const char *stage_status_name(enum stage_status status);
const char *place_name(int place); /* 0: "first", 1: "second", ... */

/* Groups of variables in the results file, one status variable each; a stage can fill places in several. */
enum group { GROUP_INITIAL, GROUP_PRETRAINED, GROUP_PLACE /* + place */, GROUP_OUTCOME = GROUP_PLACE + PLACES_MAX, GROUPS_MAX };
const char *group_name(int group); /* "initial", "pretrained", "first", ..., "outcome" */

enum field_extent { EXTENT_ONE, EXTENT_DOMAIN, EXTENT_LAYER, EXTENT_POINT, EXTENT_PLACES /* one variable per place */ };
enum instrument { /* what `measure:` switches; the first four are always on */
    INSTRUMENT_SCORES, INSTRUMENT_FORGETTING, INSTRUMENT_RETENTION, INSTRUMENT_STABILITY, INSTRUMENT_CURVES,
    INSTRUMENT_COUNT
};
const char *instrument_name(enum instrument instrument);
bool instrument_always(enum instrument instrument);
#define FIELD_LIST(X)                                                                                                  \
    X(LM_LOSS) X(ACCURACY) X(LOSS) X(LOG_ODDS) X(FAILED_RUN) X(LM_RISE) X(LM_PROGRESS_LOST)         \
    X(DISPLACEMENT) X(GRADIENT_NORM) X(CURVE_LOSS) X(FORGETTING) X(FORGETTING_DROP) X(FORGETTING_LOSS_RISE)            \
    X(FORGETTING_MAXIMUM) X(FORGETTING_RELATIVE) X(BACKWARD_TRANSFER)
#define FIELD_ENUM(name) FIELD_##name,
enum field_id { FIELD_LIST(FIELD_ENUM) FIELD_COUNT };
#undef FIELD_ENUM
struct field {
    enum field_id id;
    enum instrument instrument;
    const char *name;       /* the variable is GROUP_NAME, in the group "outcome" just NAME */
    enum field_extent extent;
    unsigned groups;        /* bit g: belongs to group g */
    const char *units, *long_name, *formula, *source;
};
extern const struct field fields_table[FIELD_COUNT]; /* in the order of enum field_id */

/* The numbers one stage leaves: fields of all its groups, each once, in table order, one after the other. */
struct record_extents {
    int domains, layers, points; /* lengths of the dimensions; layers counts embedding, blocks, final */
};
/* Values of field `id` in a stage whose last place is `place` (-1 before fine-tuning). */
int field_length(enum field_id id, const struct record_extents *extents, int place);
/* Where field `id` starts in a record, or -1 when `groups` (bit set) and `instruments` (bit set) do not ask for it;
 * with id FIELD_COUNT, the whole length. */
int record_offset(unsigned groups, unsigned instruments, const struct record_extents *extents, int place, int id);

#endif
