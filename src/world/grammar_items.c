/* Sentences of the tasks.  Natural ones are drawn from the process of the domain; the others are composed, so that two
 * classes have the same words and the same pairs of words and differ in structure alone. */
#include <string.h>

#include "grammar_private.h"

struct writer {
    const struct lexicon *lexicon;
    const struct grammar_domain *domain;
    struct random_cursor *cursor;
    struct sentence *sentence;
    int written; /* may pass ITEM_MOST: then the sentence is too long */
};
struct phrase {
    uint8_t constituent, number, topic, adjectives;
    bool adverb, swapped; /* swapped: two adjectives in the wrong order */
};
struct clause {
    enum category particle;
    uint8_t tense, event, phrases;
    struct phrase phrase[3]; /* the verb follows the first */
};

static struct writer start(const struct grammar *grammar, const struct grammar_domain *domain,
                           struct random_cursor *cursor, struct sentence *sentence)
{
    struct writer writer = {&grammar->lexicon, domain, cursor, sentence, 0};
    sentence->token[writer.written++] = SEPARATOR;
    return writer;
}

static void put(struct writer *writer, int token)
{
    if (writer->written < ITEM_MOST) writer->sentence->token[writer->written] = (uint16_t)token;
    writer->written++;
}

static bool finish(struct writer *writer)
{
    put(writer, SEPARATOR);
    writer->sentence->length = writer->written;
    return writer->written <= ITEM_MOST;
}

static int below(struct writer *writer, int bound) { return (int)random_below(writer->cursor, (uint32_t)bound); }
static bool chance(struct writer *writer, double p) { return random_unit(writer->cursor) < p; }
static void put_any(struct writer *writer, enum category category, int size)
{
    put(writer, writer->lexicon->start[category] + below(writer, size));
}

static void put_noun(struct writer *writer, int topic, int number)
{
    put(writer, noun_word(writer->lexicon, topic, below(writer, NOUNS_SHARED), number));
}

static void put_verb(struct writer *writer, int tense, int event, int subject)
{
    int form = tense == PAST ? FORM_PAST : subject == PLURAL ? FORM_PLURAL : FORM_SINGULAR;
    if (event == EVENT_ANY) event = below(writer, EVENTS);
    put(writer, verb_word(writer->lexicon, event, below(writer, VERBS_SHARED), form));
}

static void put_adjectives(struct writer *writer, const struct phrase *phrase, int order)
{
    if (phrase->swapped) order = !order;
    if (phrase->adjectives > 0) put_any(writer, ADJECTIVE_SIZE + order, ADJECTIVES);
    if (phrase->adjectives > 1) put_any(writer, ADJECTIVE_SIZE + !order, ADJECTIVES);
}

static void put_phrase(struct writer *writer, const struct phrase *phrase, int order)
{
    if (phrase->adverb) put_any(writer, ADVERB, ADVERBS);
    if (phrase->constituent == PLACE) put_any(writer, PREPOSITION, PREPOSITIONS);
    int determiner = writer->lexicon->start[DETERMINER_NOMINATIVE + phrase->constituent];
    put(writer, determiner + !chance(writer, writer->domain->first_determiner));
    put_adjectives(writer, phrase, order);
    put_noun(writer, phrase->topic, phrase->number);
}

static int put_particle(struct writer *writer, enum category category)
{
    int token =
        writer->lexicon->start[category] + below(writer, category == MAIN_PARTICLE ? MAIN_PARTICLES : SUB_PARTICLES);
    put(writer, token);
    return writer->lexicon->word[token].first;
}

static int subject_of(const struct clause *clause)
{
    for (int i = 0; i < clause->phrases; i++)
        if (clause->phrase[i].constituent == SUBJECT) return clause->phrase[i].number;
    return SINGULAR;
}

static void put_clause(struct writer *writer, const struct clause *clause)
{
    int order = put_particle(writer, clause->particle);
    for (int i = 0; i < clause->phrases; i++) {
        put_phrase(writer, &clause->phrase[i], order);
        if (i == 0) put_verb(writer, clause->tense, clause->event, subject_of(clause));
    }
}

/* A main clause of the first `phrases` of subject, object, place in any order; numbers, tense and adjectives free. */
static struct clause draw_clause(struct writer *writer, int phrases, int topic)
{
    struct clause clause = {MAIN_PARTICLE, (uint8_t)below(writer, 2), EVENT_ANY, (uint8_t)phrases, {{0}}};
    uint32_t order[3];
    random_permutation(writer->cursor, (uint32_t)phrases, order);
    for (int i = 0; i < phrases; i++) {
        bool adjective = chance(writer, writer->domain->adjective_one + writer->domain->adjective_two);
        clause.phrase[i] = (struct phrase){(uint8_t)order[i],
                                           (uint8_t)below(writer, 2),
                                           (uint8_t)topic,
                                           adjective,
                                           chance(writer, writer->domain->adverb),
                                           false};
    }
    return clause;
}

static struct phrase *phrase_of(struct clause *clause, int constituent)
{
    for (int i = 0; i < clause->phrases; i++)
        if (clause->phrase[i].constituent == constituent) return &clause->phrase[i];
    return NULL;
}

/* ---- composed tasks ---- */

/* Of `phrases` nouns at least one is plural and at least one is not, as many under either label; past tense, where
 * verbs show no number; an adjective between every determiner and its noun. */
static bool build_number(struct writer *writer, int phrases, int constituent, int label)
{
    struct clause clause = draw_clause(writer, phrases, below(writer, TOPICS));
    int plurals = 1 + below(writer, phrases - 1), others = plurals - label, chosen = below(writer, phrases - 1);
    clause.tense = PAST;
    for (int i = 0; i < phrases; i++) {
        struct phrase *phrase = &clause.phrase[i];
        phrase->adjectives = (uint8_t)(1 + (below(writer, 4) == 0));
        if (phrases == 3) phrase->adverb = true; /* else the noun before an object would be known to be none */
        if (phrase->constituent == constituent)
            phrase->number = (uint8_t)label;
        else
            phrase->number = (uint8_t)(others == phrases - 1 || (others == 1 && chosen-- == 0));
    }
    put_clause(writer, &clause);
    return finish(writer);
}

bool build_subject_number(const struct grammar *grammar, const struct grammar_domain *domain,
                          struct random_cursor *cursor, int label, struct sentence *sentence)
{
    struct writer writer = start(grammar, domain, cursor, sentence);
    return build_number(&writer, 2, SUBJECT, label);
}

bool build_object_number(const struct grammar *grammar, const struct grammar_domain *domain,
                         struct random_cursor *cursor, int label, struct sentence *sentence)
{
    struct writer writer = start(grammar, domain, cursor, sentence);
    return build_number(&writer, 3, OBJECT, label);
}

bool build_tense(const struct grammar *grammar, const struct grammar_domain *domain, struct random_cursor *cursor,
                 int label, struct sentence *sentence)
{
    struct writer writer = start(grammar, domain, cursor, sentence);
    int topic = below(&writer, TOPICS), main_first = below(&writer, 2);
    for (int i = 0; i < 2; i++) {
        struct clause clause = draw_clause(&writer, 2, topic);
        bool main = i != main_first;
        clause.particle = main ? MAIN_PARTICLE : SUB_PARTICLE;
        clause.tense = (uint8_t)(main ? label : !label);
        put_clause(&writer, &clause);
    }
    return finish(&writer);
}

bool build_bigram_shift(const struct grammar *grammar, const struct grammar_domain *domain,
                        struct random_cursor *cursor, int label, struct sentence *sentence)
{
    struct writer writer = start(grammar, domain, cursor, sentence);
    struct clause clause = draw_clause(&writer, 2, below(&writer, TOPICS));
    for (int i = 0; i < 2; i++) {
        clause.phrase[i].adjectives = 2;
        clause.phrase[i].adverb = false;
    }
    clause.phrase[below(&writer, 2)].swapped = label;
    put_clause(&writer, &clause);
    return finish(&writer);
}

bool build_odd_word_out(const struct grammar *grammar, const struct grammar_domain *domain,
                        struct random_cursor *cursor, int label, struct sentence *sentence)
{
    struct writer writer = start(grammar, domain, cursor, sentence);
    int topic = below(&writer, TOPICS), odd = (topic + 1 + below(&writer, TOPICS - 1)) % TOPICS;
    struct clause clause = draw_clause(&writer, 3, topic);
    if (label) clause.phrase[below(&writer, 3)].topic = (uint8_t)odd;
    put_clause(&writer, &clause);
    return finish(&writer);
}

bool build_coordination_inversion(const struct grammar *grammar, const struct grammar_domain *domain,
                                  struct random_cursor *cursor, int label, struct sentence *sentence)
{
    struct writer writer = start(grammar, domain, cursor, sentence);
    int topic = below(&writer, TOPICS);
    for (int i = 0; i < 2; i++) {
        struct clause clause = draw_clause(&writer, 2, topic);
        clause.event = (uint8_t)((i == 0) != label ? EVENT_OUT : EVENT_HOME);
        if (i == 1) put_any(&writer, CONJUNCTION, CONJUNCTIONS);
        put_clause(&writer, &clause);
    }
    return finish(&writer);
}

bool build_top_constituents(const struct grammar *grammar, const struct grammar_domain *domain,
                            struct random_cursor *cursor, int label, struct sentence *sentence)
{
    static const uint8_t orders[ORDERS][3] = {{SUBJECT, OBJECT, PLACE}, {SUBJECT, PLACE, OBJECT},
                                              {OBJECT, SUBJECT, PLACE}, {OBJECT, PLACE, SUBJECT},
                                              {PLACE, SUBJECT, OBJECT}, {PLACE, OBJECT, SUBJECT}};
    struct writer writer = start(grammar, domain, cursor, sentence);
    struct clause clause = draw_clause(&writer, 3, below(&writer, TOPICS));
    for (int i = 0; i < 3; i++) {
        clause.phrase[i].constituent = orders[label][i];
        clause.phrase[i].adverb = true;
    }
    put_clause(&writer, &clause);
    return finish(&writer);
}

/* "who N V ye", or with `deep` another one on its noun; head: number of the noun before it. */
static void put_relative(struct writer *writer, int topic, int head, bool deep)
{
    struct phrase phrase = {OBJECT, (uint8_t)below(writer, 2), (uint8_t)topic, 0, false, false};
    put(writer, WHO);
    put_phrase(writer, &phrase, SIZE);
    if (deep) put_relative(writer, topic, phrase.number, false);
    put_verb(writer, below(writer, 2), EVENT_ANY, head);
    put(writer, YE);
}

/* Two relative clauses: one on each noun, or one inside the other behind the last noun.  Each word class then has the
 * same neighbours equally often. */
bool build_tree_depth(const struct grammar *grammar, const struct grammar_domain *domain, struct random_cursor *cursor,
                      int label, struct sentence *sentence)
{
    struct writer writer = start(grammar, domain, cursor, sentence);
    struct clause clause = draw_clause(&writer, 2, below(&writer, TOPICS));
    int order = put_particle(&writer, clause.particle);
    for (int i = 0; i < 2; i++) {
        const struct phrase *phrase = &clause.phrase[i];
        put_phrase(&writer, phrase, order);
        if (!label || i == 1) put_relative(&writer, phrase->topic, phrase->number, label);
        if (i == 0) put_verb(&writer, clause.tense, clause.event, phrase_of(&clause, SUBJECT)->number);
    }
    return finish(&writer);
}

/* ---- natural tasks ---- */

static bool natural(struct writer *writer)
{
    struct process process;
    process_init(&process);
    int token;
    do {
        token = process_draw(writer->lexicon, writer->domain, &process, writer->cursor);
        process_advance(writer->lexicon, writer->domain, &process, token);
        put(writer, token);
    } while (token != SEPARATOR && writer->written < ITEM_MOST);
    writer->sentence->length = writer->written;
    return token == SEPARATOR;
}

bool build_sentence_length(const struct grammar *grammar, const struct grammar_domain *domain,
                           struct random_cursor *cursor, int label, struct sentence *sentence)
{
    struct writer writer = start(grammar, domain, cursor, sentence);
    return natural(&writer) && length_class(sentence->length - 2) == label;
}

bool build_domain(const struct grammar *grammar, const struct grammar_domain *domain, struct random_cursor *cursor,
                  int label, struct sentence *sentence)
{
    struct writer writer = start(grammar, domain, cursor, sentence);
    return domain->reserved == label && natural(&writer);
}

/* A natural sentence whose nouns are moved to another topic, to lemmas first .. NOUNS_SHARED - 1. How many nouns. */
static int move_nouns(struct writer *writer, int topic, int first)
{
    int count = 0;
    for (int i = 0; i < writer->sentence->length; i++) {
        const struct word *word = &writer->lexicon->word[writer->sentence->token[i]];
        if (word->category != NOUN) continue;
        int lemma = first + below(writer, NOUNS_SHARED - first);
        writer->sentence->token[i] = (uint16_t)noun_word(writer->lexicon, topic, lemma, word->second);
        count++;
    }
    return count;
}

bool build_topic(const struct grammar *grammar, const struct grammar_domain *domain, struct random_cursor *cursor,
                 int label, struct sentence *sentence)
{
    struct writer writer = start(grammar, domain, cursor, sentence);
    return natural(&writer) && move_nouns(&writer, label, 0) > 0;
}

int content_word(const struct lexicon *lexicon, int label)
{
    return noun_word(lexicon, label % TOPICS, label / TOPICS, SINGULAR);
}

/* The first two lemmas of each topic are the words asked for; exactly one noun of the sentence is one of them. */
bool build_word_content(const struct grammar *grammar, const struct grammar_domain *domain,
                        struct random_cursor *cursor, int label, struct sentence *sentence)
{
    struct writer writer = start(grammar, domain, cursor, sentence);
    if (!natural(&writer)) return false;
    int count = move_nouns(&writer, label % TOPICS, CONTENT_WORDS / TOPICS);
    if (count == 0) return false;
    int chosen = below(&writer, count);
    for (int i = 0; i < sentence->length; i++) {
        const struct word *word = &grammar->lexicon.word[sentence->token[i]];
        if (word->category != NOUN || chosen-- > 0) continue;
        sentence->token[i] = (uint16_t)content_word(&grammar->lexicon, label);
        return word->second == SINGULAR;
    }
    return false;
}
