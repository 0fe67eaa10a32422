/* world: what is learned from.  A loaded world is read-only; everything it gives is a pure function of the world spec
 * and of the arguments, on every rank the same bits.  Tokens are uint16_t below facts.vocabulary. */
#ifndef PALIMPSEST_WORLD_H
#define PALIMPSEST_WORLD_H

#include "palimpsest/spec.h"

struct world;

/* tasks[task_count]: the tasks of the sweep by name; context: the longest of all models (text items longer than it
 * are cut; plan_create refuses a model whose context is too short for an item).  Errors: ERROR_INPUT for data that cannot
 * be used, with file:line where there is one; ERROR_OUTSIDE. */
int world_create(const struct world_spec *spec, const char (*tasks)[NAME_MAX_BYTES], int task_count, int context,
                 struct world **world, struct error *err);
void world_destroy(struct world **world);
const struct world_facts *world_facts(const struct world *world);
/* Names of the tasks that the built-in grammar offers; NULL past the end. */
const char *world_grammar_task(int index);
const char *world_grammar_rule(int index); /* how its items are made and labelled, in a sentence */
bool world_has_task(const struct world_spec *spec, const char *name);

/* ---- reading: token[context + 1], a window and the token after it ---- */

struct reading { /* one pretraining stream: an equal mixture of domains */
    int domains, domain[256];
    uint64_t seed;
    uint64_t unique_samples; /* samples before the stream repeats; 0: never */
    int context;
};
/* Sample number `sample` of the stream; the same for every model size.  In every block of `domains` samples each domain
 * is read once, in an order keyed by (seed, block). */
void world_read(const struct world *world, const struct reading *reading, uint64_t sample, uint16_t *token);
/* Fixed evaluation windows of one reference domain (0 .. domains + task_domains - 1): never read in training. */
/* How many to use for so many tokens: tokens / context, at least 1, at most what there is (text: the held-out tail). */
int world_reference_windows(const struct world *world, int domain, int context, int64_t tokens);
void world_reference(const struct world *world, int domain, int window, int context, uint16_t *token);
/* Entropy floor on those windows, nats per token: the loss of the predictor that knows the domains of `reading` and that
 * they are equally likely, from its exact prefix probabilities.  NaN where no exact floor is known: text, or a domain
 * that the mixture does not contain. */
double world_floor(const struct world *world, const struct reading *reading, int domain, int windows);

/* How far each reference domain is from the nearest domain of `reading`, distance[domains + task_domains]: 0 for those
 * read, at most 1; between the word frequencies of the reference windows (square root of the Jensen-Shannon divergence). */
void world_distances(const struct world *world, const struct reading *reading, int64_t tokens, double *distance);

/* ---- tasks ---- */

/* elsewhere: further training items of the same task, from domains that pretraining may read (see task_facts). */
enum split { SPLIT_TRAIN, SPLIT_DEVELOPMENT, SPLIT_TEST, SPLIT_ELSEWHERE };
struct item { /* borrowed from the world */
    const uint16_t *token; /* [length]; 1 <= length <= context */
    int length, label;     /* label: 0 .. classes - 1 */
};
struct item world_item(const struct world *world, int task, enum split split, int index);
const char *world_label_name(const struct world *world, int task, int label);
/* The token whose probability stands for the label when a task is read out through the LM head. */
int world_label_token(const struct world *world, int task, int label);
/* What the item is followed by before the label word ("it is"), token[*length], at most `most`. */
void world_prompt(const struct world *world, int task, uint16_t *token, int most, int *length);

/* How alike the training items of two tasks are: 1 minus the distance of their word frequencies as in world_distances; 1:
 * the same frequencies, 0: no word in common. */
double world_task_similarity(const struct world *world, int first, int second);

/* ---- showing ---- */

char *world_text(const struct world *world, const uint16_t *token, int length); /* for people; memory_free */
struct task_baselines { /* test accuracies */
    double majority, unigram, bigram; /* naive Bayes over words, and over words and pairs, fitted on train */
    double best;                      /* that any predictor can reach; NaN when not known */
    int shared_with_train;            /* test items whose text is also in train */
};
void world_baselines(const struct world *world, int task, struct task_baselines *baselines);

#endif
