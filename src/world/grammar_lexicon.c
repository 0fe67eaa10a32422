/* Which word is which token.  Token 0 is the separator and 1 the mask; then closed-class words, open-class words,
 * labels. */
#include <stdio.h>
#include <string.h>

#include "grammar_private.h"

static const char *const pronouns_subject[] = {"he", "they"};
static const char *const pronouns_object[] = {"him", "them"};
/* [opener set][adjective that comes first][2] */
static const char *const main_particles[2][2][2] = {{{"then", "soon"}, {"later", "next"}},
                                                    {{"now", "well"}, {"indeed", "so"}}};
static const char *const sub_particles[2][3] = {{"when", "while", "if"}, {"because", "although", "since"}};
static const char *const conjunctions[] = {"and", "but"};
static const char *const adverbs[ADVERBS] = {"often",  "gladly", "slowly", "rarely", "again", "quietly",
                                             "surely", "boldly", "kindly", "badly",  "twice", "once"};
static const char *const prepositions[PREPOSITIONS] = {"near", "behind", "above", "beside", "under", "beyond"};
static const char *const determiners[CASES][DETERMINERS] = {{"the", "a"}, {"den", "en"}, {"dem", "em"}};
static const char *const adjectives[2][ADJECTIVES] = {
    {"big", "small", "tall", "short", "wide", "thin", "huge", "tiny"},
    {"red", "green", "blue", "white", "black", "brown", "grey", "pink"}};
static const char *const nouns[TOPICS][NOUNS] = {
    {"dog", "cat", "horse", "cow", "goat", "duck", "hen", "pig", "bear", "frog", "owl", "crab"},
    {"pot", "spoon", "pan", "cup", "bowl", "plate", "fork", "jug", "stove", "oven", "tray", "lid"},
    {"ship", "boat", "sail", "oar", "mast", "raft", "dock", "rope", "anchor", "rudder", "port", "buoy"},
    {"song", "drum", "flute", "harp", "horn", "choir", "tune", "lute", "band", "bell", "piano", "organ"},
    {"tree", "flower", "petal", "root", "seed", "bush", "stem", "thorn", "weed", "fern", "bud", "vine"},
    {"king", "queen", "guard", "judge", "clerk", "lord", "duke", "monk", "maid", "smith", "cook", "scout"}};
static const char *const verbs[EVENTS][VERBS] = {{"seek", "want", "start", "plan", "ask", "follow", "plant", "hunt",
                                                  "order", "borrow", "open", "summon", "pack", "launch"},
                                                 {"gain", "reach", "end", "finish", "answer", "return", "harvest",
                                                  "collect", "repay", "close", "greet", "land", "turn", "deliver"}};
static const char *const fixed_labels[] = {"singular", "plural", "one",     "many",    "present",
                                           "past",     "flat",   "deep",    "intact",  "shifted",
                                           "ordinary", "odd",    "ordered", "inverted"};
static const char *const length_labels[LENGTH_CLASSES] = {"tiny-length", "short-length", "middling",
                                                          "longish",     "long",         "endless"};
static const char *const order_labels[ORDERS] = {"agent-goal-place", "agent-place-goal", "goal-agent-place",
                                                 "goal-place-agent", "place-agent-goal", "place-goal-agent"};
static const char *const topic_labels[TOPICS] = {"animals", "kitchen", "sea", "music", "garden", "court"};

static void add(struct lexicon *lexicon, struct word word, const char *text)
{
    CHECK(lexicon->size < VOCABULARY_MOST, "the lexicon is too large");
    if (lexicon->size == 0 || lexicon->word[lexicon->size - 1].category != word.category)
        lexicon->start[word.category] = lexicon->size;
    lexicon->word[lexicon->size] = word;
    snprintf(lexicon->text[lexicon->size], sizeof lexicon->text[0], "%s", text);
    lexicon->size++;
}

static void add_list(struct lexicon *lexicon, enum category category, const char *const *text, int count)
{
    for (int i = 0; i < count; i++) add(lexicon, (struct word){category, 0, (uint8_t)i, (uint8_t)i}, text[i]);
}

static void add_particles(struct lexicon *lexicon)
{
    for (int set = 0; set < 2; set++)
        for (int order = 0; order < 2; order++)
            add(lexicon, (struct word){MAIN_PARTICLE, (uint8_t)order, (uint8_t)set, 0}, main_particles[set][order][0]),
                add(lexicon, (struct word){MAIN_PARTICLE, (uint8_t)order, (uint8_t)set, 1},
                    main_particles[set][order][1]);
    for (int order = 0; order < 2; order++)
        for (int i = 0; i < 3; i++)
            add(lexicon, (struct word){SUB_PARTICLE, (uint8_t)order, 0, (uint8_t)i}, sub_particles[order][i]);
}

static void add_nouns(struct lexicon *lexicon)
{
    char plural[24];
    for (int topic = 0; topic < TOPICS; topic++)
        for (int lemma = 0; lemma < NOUNS; lemma++) {
            snprintf(plural, sizeof plural, "%ss", nouns[topic][lemma]);
            add(lexicon, (struct word){NOUN, (uint8_t)topic, (uint8_t)lemma, SINGULAR}, nouns[topic][lemma]);
            add(lexicon, (struct word){NOUN, (uint8_t)topic, (uint8_t)lemma, PLURAL}, plural);
        }
}

static void add_verbs(struct lexicon *lexicon)
{
    char text[24];
    for (int event = 0; event < EVENTS; event++)
        for (int lemma = 0; lemma < VERBS; lemma++) {
            const char *stem = verbs[event][lemma];
            snprintf(text, sizeof text, "%s-s", stem);
            add(lexicon, (struct word){VERB_FORM, (uint8_t)event, (uint8_t)lemma, FORM_SINGULAR}, text);
            add(lexicon, (struct word){VERB_FORM, (uint8_t)event, (uint8_t)lemma, FORM_PLURAL}, stem);
            snprintf(text, sizeof text, "%s-ed", stem);
            add(lexicon, (struct word){VERB_FORM, (uint8_t)event, (uint8_t)lemma, FORM_PAST}, text);
        }
}

static void add_labels(struct lexicon *lexicon, enum label_block block, const char *const *text, int count)
{
    lexicon->labels[block] = lexicon->size;
    for (int i = 0; i < count; i++) {
        char name[24];
        snprintf(name, sizeof name, "place-%d", i);
        add(lexicon, (struct word){LABEL, (uint8_t)block, (uint8_t)i, 0}, text ? text[i] : name);
    }
}

void lexicon_init(struct lexicon *lexicon)
{
    memset(lexicon, 0, sizeof *lexicon);
    static const char *const single[] = {".", "<mask>", "it", "is", "who", "ye"};
    for (int i = 0; i < 6; i++) add(lexicon, (struct word){(uint8_t)(SEPARATOR + i), 0, 0, 0}, single[i]);
    add_list(lexicon, PRONOUN_SUBJECT, pronouns_subject, 2);
    add_list(lexicon, PRONOUN_OBJECT, pronouns_object, 2);
    add_particles(lexicon);
    add_list(lexicon, CONJUNCTION, conjunctions, CONJUNCTIONS);
    add_list(lexicon, ADVERB, adverbs, ADVERBS);
    add_list(lexicon, PREPOSITION, prepositions, PREPOSITIONS);
    for (int i = 0; i < CASES; i++) add_list(lexicon, DETERMINER_NOMINATIVE + i, determiners[i], DETERMINERS);
    for (int i = 0; i < 2; i++) add_list(lexicon, ADJECTIVE_SIZE + i, adjectives[i], ADJECTIVES);
    add_nouns(lexicon);
    add_verbs(lexicon);
    for (int block = LABELS_SUBJECT; block <= LABELS_COORDINATION; block++)
        add_labels(lexicon, block, fixed_labels + 2 * block, 2);
    add_labels(lexicon, LABELS_LENGTH, length_labels, LENGTH_CLASSES);
    add_labels(lexicon, LABELS_ORDER, order_labels, ORDERS);
    add_labels(lexicon, LABELS_TOPIC, topic_labels, TOPICS);
    add_labels(lexicon, LABELS_DOMAIN, NULL, DOMAIN_LABELS);
}

int noun_word(const struct lexicon *lexicon, int topic, int lemma, int number)
{
    return lexicon->start[NOUN] + (topic * NOUNS + lemma) * 2 + number;
}

int verb_word(const struct lexicon *lexicon, int event, int lemma, int form)
{
    return lexicon->start[VERB_FORM] + (event * VERBS + lemma) * FORMS + form;
}

int label_word(const struct lexicon *lexicon, enum label_block block, int label)
{
    return lexicon->labels[block] + label;
}
