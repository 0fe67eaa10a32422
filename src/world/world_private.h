/* The seam between the dispatch of world.c and the two kinds of world.
 *
 * A kind fills `struct world`: a table of functions, an opaque `self`, and the facts.  world.c owns what is common to
 * both: the mixture of domains, the wrap of a stream that repeats, hashes of mixtures, entropy floors from exact prefix
 * probabilities, and naive-Bayes baselines.  A kind only speaks of one domain, or one task, at a time.
 *
 * Everything behind the table is a pure function of `self` and of the arguments.  world.c has checked ranges before it
 * calls (domain, window, task, index, label below the counts in the facts; 1 <= context <= world->context).
 *
 *   world.c       create, dispatch, mixtures, floors      grammar*.c   the built-in grammars
 *   baselines.c   majority and naive Bayes                text*.c      corpora and tasks from files, tokenizer_*.c */
#ifndef PALIMPSEST_WORLD_PRIVATE_H
#define PALIMPSEST_WORLD_PRIVATE_H

#include "palimpsest/world.h"

struct world_ops {
    /* Training sample number `sample` of one readable domain: token[context + 1], a window and the token after it. */
    void (*sample)(const void *self, int domain, uint64_t seed, uint64_t sample, int context, uint16_t *token);
    /* Evaluation windows of any domain, reserved ones too: how many there are, and one: token[context + 1].  They share
     * no token with training and are the same for all seeds. */
    int (*reference_windows)(const void *self, int domain, int context, int64_t tokens);
    void (*reference)(const void *self, int domain, int window, int context, uint16_t *token);
    /* log_p[t] = log P(token[0], ..., token[t] | domain), nats, for t = 0 .. context: `token` is a window of context +
     * 1 tokens as `sample` and `reference` give them, and P is what they are drawn from.  -INFINITY from the first
     * token on that the domain cannot produce.  NULL: not known (text). */
    void (*prefix_log_probability)(const void *self, int domain, const uint16_t *token, int context, double *log_p);

    struct item (*item)(const void *self, int task, enum split split, int index);
    const char *(*label_name)(const void *self, int task, int label);
    int (*label_token)(const void *self, int task, int label);
    void (*prompt)(const void *self, int task, uint16_t *token, int most, int *length);
    /* Accuracy on test that any predictor can reach.  NULL: not known (text). */
    double (*best)(const void *self, int task);

    char *(*text)(const void *self, const uint16_t *token, int length); /* memory_free */
    void (*destroy)(void *self);
};

struct world {
    const struct world_ops *ops;
    void *self;
    int context;              /* the longest that anybody may ask for */
    struct world_facts facts; /* world_destroy frees facts.domain and facts.task (memory_allocate'd by the kind) */
};

/* Fill *world (zeroed before, its context set); on failure nothing is left allocated and *world is as it was.
 * grammar*.c also defines world_grammar_task of the door. */
int grammar_create(const struct world_spec *spec, const char (*tasks)[NAME_MAX_BYTES], int task_count, int context,
                   struct world *world, struct error *err);
int text_create(const struct world_spec *spec, const char (*tasks)[NAME_MAX_BYTES], int task_count, int context,
                struct world *world, struct error *err);

#endif
