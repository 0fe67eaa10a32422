/* The grammar world: a family of probabilistic grammars over one vocabulary of invented-English words.
 *
 *   grammar_lexicon.c   which word is which token, and what it is
 *   grammar_domain.c    what one domain prefers, drawn from (world seed, number)
 *   grammar_process.c   the left-to-right generator: what can come next, and the state after it
 *   grammar_words.c     which word of a category comes, and its exact probability
 *   grammar_items.c     sentences of the tasks
 *   grammar_tasks.c     the table of tasks; balance, and keeping sentences apart
 *   grammar.c           the seam to world.c
 *
 * The language.  Case is on the determiner, number on the noun, tense on the verb, so the order of subject and object
 * is free.  A clause opens with a particle (main or subordinate); a sentence is one clause, two coordinated main
 * clauses, or a main clause with a subordinate one before or after it.  Nouns carry relative clauses between "who" and
 * "ye", two deep.
 *   - main clause: particle, subject, verb, [object], [preposition and place], each phrase perhaps after an adverb, in
 *     an order that the domain likes
 *   - agreement: a present verb shows the number of its subject (in domains that agree), wherever that is
 *   - adjectives: the particle of the clause says whether size or colour comes first
 *   - topic: all nouns of a sentence are of one topic, and the topic tends to stay
 *   - events: in "A and B" the first verb is of setting out, the second of bringing home
 *   - discourse: the next sentence may open with a pronoun for the last subject or object, which shows its number; else
 *     the tense of the last sentence makes some particles likelier to open it
 *   - tags: a sentence may be followed by "it is LABEL", true of that sentence
 * Every choice can be read off the next word: the generator is a deterministic automaton over words, its state after a
 * prefix is known, and the probability of the next word is exact. */
#ifndef PALIMPSEST_GRAMMAR_PRIVATE_H
#define PALIMPSEST_GRAMMAR_PRIVATE_H

#include "world_private.h"

/* ---- lexicon ---- */

enum {
    TOPICS = 6,
    NOUNS_SHARED = 4,
    NOUNS_OWN = 8,
    NOUNS = NOUNS_SHARED + NOUNS_OWN, /* lemmas of one topic; own: some domains use it */
    VERBS_SHARED = 6,
    VERBS_OWN = 8,
    VERBS = VERBS_SHARED + VERBS_OWN, /* lemmas of one event class */
    OWN_USED = 2,                     /* of each set of own lemmas one domain uses so many */
    NOUN_SLOTS = NOUNS_SHARED + OWN_USED,
    VERB_SLOTS = VERBS_SHARED + OWN_USED,
    EVENTS = 2,
    FORMS = 3,
    CASES = 3,
    DETERMINERS = 2,
    ADJECTIVES = 8,
    ADVERBS = 12,
    PREPOSITIONS = 6,
    CONJUNCTIONS = 2,
    MAIN_PARTICLES = 8,
    SUB_PARTICLES = 6,
    DOMAIN_LABELS = 16,
    LENGTH_CLASSES = 6,
    ORDERS = 6,
};
enum number { SINGULAR, PLURAL, NUMBER_OPEN };
enum event { EVENT_OUT, EVENT_HOME, EVENT_ANY };
enum form { FORM_SINGULAR, FORM_PLURAL, FORM_PAST }; /* the first two are present tense */
enum tense { PRESENT, PAST };
enum constituent { SUBJECT, OBJECT, PLACE, VERB, CLAUSE_END };
enum adjective_kind { SIZE, COLOUR };

/* What a token is.  Everything the process needs to know of a word it finds in struct word. */
enum category {
    SEPARATOR,
    MASK,
    IT,
    IS,
    WHO,
    YE,
    PRONOUN_SUBJECT,
    PRONOUN_OBJECT,
    MAIN_PARTICLE,
    SUB_PARTICLE,
    CONJUNCTION,
    ADVERB,
    PREPOSITION,
    DETERMINER_NOMINATIVE,
    DETERMINER_ACCUSATIVE,
    DETERMINER_PLACE,
    ADJECTIVE_SIZE,
    ADJECTIVE_COLOUR,
    NOUN,
    VERB_FORM,
    LABEL,
    CATEGORIES
};
/* Label words, in blocks: the token is label_word(block, label). */
enum label_block {
    LABELS_SUBJECT,
    LABELS_OBJECT,
    LABELS_TENSE,
    LABELS_DEPTH,
    LABELS_SHIFT,
    LABELS_ODD,
    LABELS_COORDINATION,
    LABELS_LENGTH,
    LABELS_ORDER,
    LABELS_TOPIC,
    LABELS_DOMAIN,
    LABEL_BLOCKS
};
struct word {
    uint8_t category;
    uint8_t first;  /* noun: topic; verb: event class; particle: which adjective comes first; label: its block */
    uint8_t lemma;  /* within the category (and `first`); particle: opener set of a main particle; label: its number */
    uint8_t second; /* noun, pronoun: number; verb: form */
};
enum { VOCABULARY_MOST = 512 };
struct lexicon {
    int size;
    struct word word[VOCABULARY_MOST];
    char text[VOCABULARY_MOST][24];
    int start[CATEGORIES];    /* first token of a category; tokens of one category are neighbours */
    int labels[LABEL_BLOCKS]; /* first token of a block */
};
void lexicon_init(struct lexicon *lexicon);
int noun_word(const struct lexicon *lexicon, int topic, int lemma, int number);
int verb_word(const struct lexicon *lexicon, int event, int lemma, int form);
int label_word(const struct lexicon *lexicon, enum label_block block, int label);

/* ---- domain ---- */

enum verb_place { VERB_SECOND, VERB_FINAL, VERB_FIRST };
struct grammar_domain {
    char name[NAME_MAX_BYTES], key[NAME_MAX_BYTES + 24]; /* key: names its random streams; contains the world seed */
    int reserved;                                        /* number among the reserved ones, or -1 */
    enum verb_place verb_place;
    bool agrees; /* present verbs show number; else they all have the singular form */
    double topic[TOPICS];
    uint8_t noun_own[TOPICS][OWN_USED], verb_own[EVENTS][OWN_USED]; /* lemma numbers used, ascending */
    double plural, past, first_determiner, adverb, adjective_one, adjective_two, relative, tag, pronoun_subject,
        pronoun_object, sub_first, sub_last, coordinate, stay_topic, opener;
    /* next[done][c]: probability that constituent c follows in a main clause, done: bits of what was there */
    double next[16][CLAUSE_END + 1];
};
/* The domain with that number in that world; reserved ones are numbered on their own, so that neither kind changes when
 * there are more of the other. */
void grammar_domain_init(struct grammar_domain *domain, uint64_t world_seed, bool reserved, int number);

/* ---- process ---- */

enum where { /* what was read last, as far as it decides what can come */
             AT_START,
             AFTER_IT,
             AFTER_IS,
             AFTER_LABEL,
             AT_NEXT,
             AFTER_ADVERB,
             AFTER_PREPOSITION,
             IN_NOUN_PHRASE,
             AFTER_NOUN,
             AFTER_WHO,
             AFTER_RELATIVE_VERB,
             AFTER_YE,
             AFTER_CONJUNCTION
};
enum clause_kind {
    CLAUSE_MAIN, /* opens the sentence; a second clause may come */
    CLAUSE_MAIN_LAST /* after a subordinate one */,
    CLAUSE_COORDINATED,
    CLAUSE_SUB_FIRST,
    CLAUSE_SUB_LAST
};
struct facts_of_sentence {   /* of the main (first main) clause, as labels see it */
    uint8_t known;           /* a sentence was read */
    uint8_t subject, object; /* number; NUMBER_OPEN: no such noun */
    uint8_t tense, topic /* TOPICS: no noun */, nested, coordinated, words, order /* ORDERS: not all three are there */;
};
struct process { /* state of the automaton */
    uint8_t where, clause;
    uint8_t done, subject, event; /* of the clause: constituents there, number of the subject, class of the verb */
    uint8_t order_code;           /* of the clause: subject, object, place in their order, two bits each */
    uint8_t constituent, adjectives, adjective_order; /* of the noun phrase */
    uint8_t depth, head[3]; /* of relative clauses; head[d]: number of the noun that clause d + 1 modifies */
    uint8_t noun_number;
    uint8_t tagged; /* the last sentence has its tag already */
    struct facts_of_sentence now, last;
};
void process_init(struct process *process);
struct choice { /* the next word is of `category` with probability `weight` */
    uint8_t category;
    double weight;
};
enum { CHOICES_MOST = 12 };
int process_choices(const struct grammar_domain *domain, const struct process *process, struct choice *choice);
/* Within the category: a word by its probability, and the probability of one (grammar_words.c). */
int draw_word(const struct lexicon *lexicon, const struct grammar_domain *domain, const struct process *process,
              int category, struct random_cursor *cursor);
double word_probability(const struct grammar_domain *domain, const struct process *process, const struct word *word);
int process_draw(const struct lexicon *lexicon, const struct grammar_domain *domain, const struct process *process,
                 struct random_cursor *cursor);
/* Probability of `token` in that state; 0 when it cannot come. */
double process_probability(const struct lexicon *lexicon, const struct grammar_domain *domain,
                           const struct process *process, int token);
/* Only for tokens of positive probability. */
void process_advance(const struct lexicon *lexicon, const struct grammar_domain *domain, struct process *process,
                     int token);
/* Class 0 .. LENGTH_CLASSES - 1 of a sentence of `words` words, its separator not counted. */
int length_class(int words);
int order_class(int order_code); /* ORDERS: not one of the six orders of subject, object and place */

/* ---- tasks ---- */

enum grammar_task {
    TASK_SENTENCE_LENGTH,
    TASK_WORD_CONTENT,
    TASK_TREE_DEPTH,
    TASK_TOP_CONSTITUENTS,
    TASK_BIGRAM_SHIFT,
    TASK_TENSE,
    TASK_SUBJECT_NUMBER,
    TASK_OBJECT_NUMBER,
    TASK_ODD_WORD_OUT,
    TASK_COORDINATION_INVERSION,
    TASK_TOPIC,
    TASK_DOMAIN,
    TASK_COUNT
};
enum { ITEM_MOST = GRAMMAR_SENTENCE_MOST, CONTENT_WORDS = 12 };
struct grammar;
struct sentence { /* separator, words, separator */
    uint16_t token[ITEM_MOST];
    int length;
};
/* Build one item with that label into *sentence; false: this draw came to nothing, draw again. */
typedef bool build_f(const struct grammar *grammar, const struct grammar_domain *domain, struct random_cursor *cursor,
                     int label, struct sentence *sentence);
build_f build_sentence_length, build_word_content, build_tree_depth, build_top_constituents, build_bigram_shift,
    build_tense, build_subject_number, build_object_number, build_odd_word_out, build_coordination_inversion,
    build_topic, build_domain;
struct task_rule {
    const char *name;
    int classes;     /* 0: as many as there are reserved domains */
    int block;       /* of its label words, or -1: the label is the word itself */
    bool own_lemmas; /* lemmas may be the domain's own; else only shared ones are drawn anew */
    bool keep_nouns; /* nouns are not drawn anew, for they make the label */
    build_f *build;
    const char *rule; /* for people */
};
extern const struct task_rule task_rules[TASK_COUNT];
int content_word(const struct lexicon *lexicon, int label); /* that word_content asks for */

struct grammar_item {
    uint16_t token[ITEM_MOST];
    uint8_t length, label;
};
struct grammar_tasks { /* of one task */
    enum grammar_task task;
    int classes;
    struct grammar_item *item;      /* train, development, test, one after the other */
    struct grammar_item *elsewhere; /* [ELSEWHERE_ITEMS], from the domains that pretraining may read; NULL: none */
};
enum {
    TRAIN_ITEMS = 10000,
    DEVELOPMENT_ITEMS = 1000,
    TEST_ITEMS = 2000,
    ELSEWHERE_ITEMS = TRAIN_ITEMS,
    ALL_ITEMS = TRAIN_ITEMS + DEVELOPMENT_ITEMS + TEST_ITEMS
};
struct grammar {
    struct lexicon lexicon;
    uint64_t seed;
    int domains, reserved;
    bool elsewhere;                /* tasks have items from other domains, where they can */
    struct grammar_domain *domain; /* [domains + reserved] */
    int tasks;
    struct grammar_tasks *task;
};
/* Fills task->item and task->elsewhere (memory_allocate). */
void grammar_task_fill(const struct grammar *grammar, struct grammar_tasks *task);

#endif
