/* Worlds: what a sweep file says of one, and the facts found when it is loaded. */
#ifndef PALIMPSEST_SPEC_WORLD_H
#define PALIMPSEST_SPEC_WORLD_H

#include "palimpsest/base.h"
#include "palimpsest/spec_settings.h"

/* Tasks of the built-in grammar; after Conneau et al. 2018, and two that tell what a sentence is about. */
#define GRAMMAR_TASKS(X)                                                                                               \
    X(sentence_length) X(word_content) X(tree_depth) X(top_constituents) X(bigram_shift) X(tense) X(subject_number)    \
    X(object_number) X(odd_word_out) X(coordination_inversion) X(topic) X(domain)
enum world_kind { WORLD_GRAMMAR, WORLD_TEXT };
enum { GRAMMAR_SENTENCE_MOST = 32 }; /* words of the longest item of a task of the grammar */
enum overlap { OVERLAP_NONE, OVERLAP_TASKS }; /* tasks: pretraining reads the tasks' own domains too */
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
    bool elsewhere; /* make items of the tasks from the domains that pretraining may read as well (grammar) */
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
    int elsewhere_items;    /* from other domains; 0: the world has none, or was not asked for them */
    double elsewhere_mean_tokens;
    struct hash128 training, development, test, elsewhere; /* of tokenised, ordered items */
};
/* Training items that are used where `asked` are asked for; 0: all. */
int task_items_used(const struct task_facts *task, int64_t asked);
struct world_facts { /* borrowed from the world that filled it */
    int vocabulary, separator, mask; /* tokens: 0 <= separator, mask < vocabulary */
    int domains, task_domains;       /* domain[domains + task_domains], readable ones first */
    const struct domain_facts *domain;
    int tasks;
    const struct task_facts *task; /* in the order of the sweep's tasks */
};
/* The domains that seed `seed` reads at variety `variety`, read[variety]: nested in variety, rotated by seed, so that every
 * domain takes every place.  With OVERLAP_TASKS the reserved domains come first and take the places of as many others:
 * the number read stays the variety. */
void reading_domains(const struct world_spec *world, const struct world_facts *facts, uint64_t seed, int variety, int *read);

#endif
