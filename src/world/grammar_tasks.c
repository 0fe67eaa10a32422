/* The tasks: their rules, and how items are keyed, balanced and kept apart. */
#include <stdio.h>
#include <string.h>

#include "grammar_private.h"

const struct task_rule task_rules[TASK_COUNT] = {
    [TASK_SENTENCE_LENGTH] = {"sentence_length", LENGTH_CLASSES, LABELS_LENGTH, true, false, build_sentence_length,
                              "words of a natural sentence: up to 5, 7, 9, 12, 15, more (can be counted)"},
    [TASK_WORD_CONTENT] = {"word_content", CONTENT_WORDS, -1, false, true, build_word_content,
                           "which of 12 nouns a natural sentence has; it has exactly one of them (can be counted)"},
    [TASK_TREE_DEPTH] = {"tree_depth", 2, LABELS_DEPTH, false, false, build_tree_depth,
                         "two relative clauses: one on each noun (flat), or one inside the other (deep); same lengths, "
                         "words and pairs"},
    [TASK_TOP_CONSTITUENTS] = {"top_constituents", ORDERS, LABELS_ORDER, false, false, build_top_constituents,
                               "order of subject, object and place in a main clause, each after an adverb"},
    [TASK_BIGRAM_SHIFT] = {"bigram_shift", 2, LABELS_SHIFT, false, false, build_bigram_shift,
                           "two adjectives in the order the clause's particle asks for, or in one phrase swapped; both "
                           "orders are common"},
    [TASK_TENSE] = {"tense", 2, LABELS_TENSE, false, false, build_tense,
                    "tense of the main clause; a subordinate clause before or after it has the other tense"},
    [TASK_SUBJECT_NUMBER] =
        {"subject_number", 2, LABELS_SUBJECT, false, false, build_subject_number,
         "number of the subject; the object has the other, and the verb is past, which shows no number"},
    [TASK_OBJECT_NUMBER] =
        {"object_number", 2, LABELS_OBJECT, false, false, build_object_number,
         "number of the object; one or two of the three nouns are plural, and the verb is past, which shows no number"},
    [TASK_ODD_WORD_OUT] = {"odd_word_out", 2, LABELS_ODD, false, false, build_odd_word_out,
                           "all three nouns of one topic, or one of another"},
    [TASK_COORDINATION_INVERSION] =
        {"coordination_inversion", 2, LABELS_COORDINATION, false, false, build_coordination_inversion,
         "of two coordinated clauses the setting-out event is first, or they are exchanged"},
    [TASK_TOPIC] = {"topic", TOPICS, LABELS_TOPIC, false, false, build_topic,
                    "topic of the nouns of a natural sentence (can be counted)"},
    [TASK_DOMAIN] = {"domain", 0, LABELS_DOMAIN, true, false, build_domain,
                     "which reserved domain a natural sentence is from (partly to be counted)"},
};

const char *world_grammar_task(int index) { return index >= 0 && index < TASK_COUNT ? task_rules[index].name : NULL; }

const char *world_grammar_rule(int index) { return index >= 0 && index < TASK_COUNT ? task_rules[index].rule : NULL; }

static struct hash128 sentence_hash(const struct sentence *sentence)
{
    return hash_bytes(sentence->token, (size_t)sentence->length * sizeof sentence->token[0]);
}

/* Another lemma for the word at `place`, all else the same. */
static void redraw_lemma(const struct grammar *grammar, const struct grammar_domain *domain,
                         struct random_cursor *cursor, bool own, uint16_t *token)
{
    const struct word *word = &grammar->lexicon.word[*token];
    bool noun = word->category == NOUN;
    int shared = noun ? NOUNS_SHARED : VERBS_SHARED;
    const uint8_t *own_lemma = noun ? domain->noun_own[word->first] : domain->verb_own[word->first];
    int slot = (int)random_below(cursor, (uint32_t)(shared + (own ? OWN_USED : 0)));
    int lemma = slot < shared ? slot : own_lemma[slot - shared];
    *token = (uint16_t)(noun ? noun_word(&grammar->lexicon, word->first, lemma, word->second)
                             : verb_word(&grammar->lexicon, word->first, lemma, word->second));
}

/* A sentence belongs to the one task that its hash names: lemmas are drawn anew until it is this one.  So no sentence
 * serves two tasks, whichever tasks a sweep asks for. */
static bool make_own(const struct grammar *grammar, const struct grammar_domain *domain, struct random_cursor *cursor,
                     enum grammar_task task, struct sentence *sentence)
{
    int place[ITEM_MOST], places = 0;
    for (int i = 0; i < sentence->length; i++) {
        int category = grammar->lexicon.word[sentence->token[i]].category;
        if (category == VERB_FORM || (category == NOUN && !task_rules[task].keep_nouns)) place[places++] = i;
    }
    for (int tries = 0; tries < 100; tries++) {
        if (sentence_hash(sentence).low % TASK_COUNT == task) return true;
        redraw_lemma(grammar, domain, cursor, task_rules[task].own_lemmas,
                     &sentence->token[place[random_below(cursor, (uint32_t)places)]]);
    }
    return false;
}

/* Hashes of the sentences that are there; a power of two, less than half full. */
enum { SEEN_SLOTS = 65536 };
_Static_assert(2 * (ALL_ITEMS + ELSEWHERE_ITEMS) < SEEN_SLOTS, "the table of sentences is too full");
static bool seen_before(uint64_t *seen, uint64_t hash)
{
    size_t slot = hash >> 32 & (SEEN_SLOTS - 1);
    while (seen[slot] && seen[slot] != hash) slot = (slot + 1) & (SEEN_SLOTS - 1);
    bool there = seen[slot] == hash;
    seen[slot] = hash;
    return there;
}

/* Every block of `classes` items has each label once, so any first part of a split is balanced. */
static int label_at(struct random_stream stream, int classes, int item)
{
    uint32_t order[CLASSES_MAX];
    struct random_cursor cursor = random_at(stream, (uint64_t)(item / classes));
    random_permutation(&cursor, (uint32_t)classes, order);
    return (int)order[item % classes];
}

/* Items elsewhere are like the others, but of the domains that pretraining may read. */
static const struct grammar_domain *domain_of_item(const struct grammar *grammar, const struct task_rule *rule,
                                                   int label, bool elsewhere, struct random_cursor *cursor)
{
    if (elsewhere) return &grammar->domain[random_below(cursor, (uint32_t)grammar->domains)];
    int reserved = rule->block == LABELS_DOMAIN ? label : (int)random_below(cursor, (uint32_t)grammar->reserved);
    return &grammar->domain[grammar->domains + reserved];
}

static void fill_item(const struct grammar *grammar, enum grammar_task task, bool elsewhere,
                      struct random_cursor *cursor, uint64_t *seen, struct grammar_item *item)
{
    const struct task_rule *rule = &task_rules[task];
    struct sentence sentence;
    for (int tries = 0; tries < 100000; tries++) {
        const struct grammar_domain *domain = domain_of_item(grammar, rule, item->label, elsewhere, cursor);
        if (!rule->build(grammar, domain, cursor, item->label, &sentence)) continue;
        if (!make_own(grammar, domain, cursor, task, &sentence)) continue;
        if (seen_before(seen, sentence_hash(&sentence).high | 1)) continue;
        memcpy(item->token, sentence.token, (size_t)sentence.length * sizeof item->token[0]); /* the rest stays 0 */
        item->length = (uint8_t)sentence.length;
        return;
    }
    CHECK(false, "task %s: no sentence for label %d", rule->name, item->label);
}

static void fill_split(const struct grammar *grammar, const struct grammar_tasks *task, enum split split, int items,
                       uint64_t *seen, struct grammar_item *item)
{
    char key[NAME_MAX_BYTES];
    snprintf(key, sizeof key, "%s/%d", task_rules[task->task].name, (int)split);
    struct random_stream labels = random_stream("grammar labels", grammar->seed, key);
    struct random_stream stream = random_stream("grammar items", grammar->seed, key);
    for (int i = 0; i < items; i++, item++) {
        item->label = (uint8_t)label_at(labels, task->classes, i);
        struct random_cursor cursor = random_at(stream, (uint64_t)i);
        fill_item(grammar, task->task, split == SPLIT_ELSEWHERE, &cursor, seen, item);
    }
}

/* Which reserved domain a sentence is from cannot be asked of a sentence that is from none; items elsewhere come last,
 * so that the others do not depend on them. */
void grammar_task_fill(const struct grammar *grammar, struct grammar_tasks *task)
{
    uint64_t *seen = memory_array(SEEN_SLOTS, sizeof *seen);
    struct grammar_item *item = task->item = memory_array(ALL_ITEMS, sizeof *task->item);
    fill_split(grammar, task, SPLIT_TRAIN, TRAIN_ITEMS, seen, item);
    fill_split(grammar, task, SPLIT_DEVELOPMENT, DEVELOPMENT_ITEMS, seen, item + TRAIN_ITEMS);
    fill_split(grammar, task, SPLIT_TEST, TEST_ITEMS, seen, item + TRAIN_ITEMS + DEVELOPMENT_ITEMS);
    if (grammar->elsewhere && task->task != TASK_DOMAIN) {
        task->elsewhere = memory_array(ELSEWHERE_ITEMS, sizeof *task->elsewhere);
        fill_split(grammar, task, SPLIT_ELSEWHERE, ELSEWHERE_ITEMS, seen, task->elsewhere);
    }
    memory_free(seen);
}
