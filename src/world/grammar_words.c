/* Which word of a category comes, once the category is known: drawing it, and its probability.  Each pair of functions
 * here must agree; test_grammar.c compares the loss of drawn words with the entropy. */
#include "grammar_private.h"

struct tag_rule {
    uint8_t block;
    double weight;
};
static const struct tag_rule tag_rules[] = {{LABELS_SUBJECT, 3}, {LABELS_OBJECT, 3}, {LABELS_TENSE, 3},
                                            {LABELS_TOPIC, 2},   {LABELS_DEPTH, 1},  {LABELS_SHIFT, 1},
                                            {LABELS_ODD, 1},     {LABELS_ORDER, 2},  {LABELS_COORDINATION, 1},
                                            {LABELS_LENGTH, 1},  {LABELS_DOMAIN, 1}};
enum { TAG_RULES = sizeof tag_rules / sizeof tag_rules[0] };

/* The label of that block that is true of the last sentence, or -1. */
static int true_label(const struct grammar_domain *domain, const struct facts_of_sentence *last, int block)
{
    switch (block) {
    case LABELS_SUBJECT: return last->subject < NUMBER_OPEN ? last->subject : -1;
    case LABELS_OBJECT: return last->object < NUMBER_OPEN ? last->object : -1;
    case LABELS_TENSE: return last->tense;
    case LABELS_TOPIC: return last->topic < TOPICS ? last->topic : -1;
    case LABELS_DEPTH: return last->nested;
    case LABELS_ORDER: return last->order < ORDERS ? last->order : -1;
    case LABELS_COORDINATION: return last->coordinated ? 0 : -1;
    case LABELS_LENGTH: return length_class(last->words);
    case LABELS_DOMAIN: return domain->reserved < DOMAIN_LABELS ? domain->reserved : -1;
    default: return 0; /* nothing in the stream is shifted or odd */
    }
}

static double tag_weights(const struct grammar_domain *domain, const struct facts_of_sentence *last, double *weight)
{
    double sum = 0;
    for (int i = 0; i < TAG_RULES; i++) {
        weight[i] = true_label(domain, last, tag_rules[i].block) >= 0 ? tag_rules[i].weight : 0;
        sum += weight[i];
    }
    return sum;
}

static int draw_label(const struct lexicon *lexicon, const struct grammar_domain *domain,
                      const struct facts_of_sentence *last, struct random_cursor *cursor)
{
    double weight[TAG_RULES], left = random_unit(cursor) * tag_weights(domain, last, weight);
    int chosen = -1;
    for (int i = 0; i < TAG_RULES && (chosen < 0 || left >= 0); i++) {
        if (weight[i] == 0) continue;
        chosen = i;
        left -= weight[i];
    }
    int block = tag_rules[chosen].block;
    return label_word(lexicon, block, true_label(domain, last, block));
}

static double label_probability(const struct grammar_domain *domain, const struct facts_of_sentence *last,
                                const struct word *word)
{
    double weight[TAG_RULES], sum = tag_weights(domain, last, weight);
    for (int i = 0; i < TAG_RULES; i++)
        if (tag_rules[i].block == word->first && weight[i] > 0)
            return true_label(domain, last, word->first) == word->lemma ? weight[i] / sum : 0;
    return 0;
}

/* Lemma behind a slot: the shared ones, then the domain's own. */
static int slot_lemma(int slot, int shared, const uint8_t *own) { return slot < shared ? slot : own[slot - shared]; }
static bool lemma_used(int lemma, int shared, const uint8_t *own)
{
    return lemma < shared || lemma == own[0] || lemma == own[1];
}

static double topic_probability(const struct grammar_domain *domain, const struct process *process, int topic)
{
    if (process->now.topic < TOPICS) return topic == process->now.topic;
    if (process->last.topic >= TOPICS) return domain->topic[topic];
    return (1 - domain->stay_topic) * domain->topic[topic] + domain->stay_topic * (topic == process->last.topic);
}

/* Probability that the noun is a plural: certain when a verb before its subject has shown it. */
static double plural_probability(const struct grammar_domain *domain, const struct process *process)
{
    if (process->depth > 0 || process->constituent != SUBJECT || process->subject == NUMBER_OPEN) return domain->plural;
    return process->subject == PLURAL;
}

static int draw_noun(const struct lexicon *lexicon, const struct grammar_domain *domain, const struct process *process,
                     struct random_cursor *cursor)
{
    int topic = 0, last = 0;
    double left = random_unit(cursor);
    for (; topic < TOPICS && left >= 0; topic++) {
        double p = topic_probability(domain, process, topic);
        if (p > 0) last = topic;
        left -= p;
    }
    int number = random_unit(cursor) < plural_probability(domain, process) ? PLURAL : SINGULAR;
    int lemma = slot_lemma((int)random_below(cursor, NOUN_SLOTS), NOUNS_SHARED, domain->noun_own[last]);
    return noun_word(lexicon, last, lemma, number);
}

static double noun_probability(const struct grammar_domain *domain, const struct process *process,
                               const struct word *word)
{
    if (!lemma_used(word->lemma, NOUNS_SHARED, domain->noun_own[word->first])) return 0;
    double plural = plural_probability(domain, process);
    return topic_probability(domain, process, word->first) * (word->second == PLURAL ? plural : 1 - plural) /
           NOUN_SLOTS;
}

/* Of the three forms; the subject of a relative clause's verb is the noun it modifies. */
static void form_probabilities(const struct grammar_domain *domain, const struct process *process, double *form)
{
    int number = process->depth > 0 ? process->head[process->depth - 1] : process->subject;
    double plural = !domain->agrees ? 0 : number == NUMBER_OPEN ? domain->plural : number == PLURAL;
    form[FORM_PAST] = domain->past;
    form[FORM_PLURAL] = (1 - domain->past) * plural;
    form[FORM_SINGULAR] = (1 - domain->past) * (1 - plural);
}

static bool must_bring_home(const struct process *process)
{
    return process->clause == CLAUSE_COORDINATED && process->depth == 0;
}

static int draw_verb(const struct lexicon *lexicon, const struct grammar_domain *domain, const struct process *process,
                     struct random_cursor *cursor)
{
    double form[FORMS], unit = random_unit(cursor);
    form_probabilities(domain, process, form);
    int drawn = unit < form[FORM_PAST]                       ? FORM_PAST
                : unit < form[FORM_PAST] + form[FORM_PLURAL] ? FORM_PLURAL
                                                             : FORM_SINGULAR;
    if (form[drawn] == 0) drawn = FORM_PLURAL; /* rounding at the upper end */
    int event = must_bring_home(process) ? EVENT_HOME : (int)random_below(cursor, EVENTS);
    int lemma = slot_lemma((int)random_below(cursor, VERB_SLOTS), VERBS_SHARED, domain->verb_own[event]);
    return verb_word(lexicon, event, lemma, drawn);
}

static double verb_probability(const struct grammar_domain *domain, const struct process *process,
                               const struct word *word)
{
    if (!lemma_used(word->lemma, VERBS_SHARED, domain->verb_own[word->first])) return 0;
    double form[FORMS], event = must_bring_home(process) ? word->first == EVENT_HOME : 1.0 / EVENTS;
    form_probabilities(domain, process, form);
    return event * form[word->second] / VERB_SLOTS;
}

/* Particles that open a sentence after another one: set 0 goes on after a past, set 1 comments a present. */
static double opener_probability(const struct grammar_domain *domain, const struct process *process, int set)
{
    if (process->where != AT_START || !process->last.known) return 0.5;
    return set == (process->last.tense == PAST ? 0 : 1) ? domain->opener : 1 - domain->opener;
}

static int category_size(int category)
{
    static const uint8_t size[CATEGORIES] = {[SEPARATOR] = 1,
                                             [MASK] = 1,
                                             [IT] = 1,
                                             [IS] = 1,
                                             [WHO] = 1,
                                             [YE] = 1,
                                             [PRONOUN_SUBJECT] = 2,
                                             [PRONOUN_OBJECT] = 2,
                                             [MAIN_PARTICLE] = MAIN_PARTICLES,
                                             [SUB_PARTICLE] = SUB_PARTICLES,
                                             [CONJUNCTION] = CONJUNCTIONS,
                                             [ADVERB] = ADVERBS,
                                             [PREPOSITION] = PREPOSITIONS,
                                             [DETERMINER_NOMINATIVE] = DETERMINERS,
                                             [DETERMINER_ACCUSATIVE] = DETERMINERS,
                                             [DETERMINER_PLACE] = DETERMINERS,
                                             [ADJECTIVE_SIZE] = ADJECTIVES,
                                             [ADJECTIVE_COLOUR] = ADJECTIVES};
    return size[category];
}

int draw_word(const struct lexicon *lexicon, const struct grammar_domain *domain, const struct process *process,
              int category, struct random_cursor *cursor)
{
    int start = lexicon->start[category];
    switch (category) {
    case NOUN: return draw_noun(lexicon, domain, process, cursor);
    case VERB_FORM: return draw_verb(lexicon, domain, process, cursor);
    case LABEL: return draw_label(lexicon, domain, &process->last, cursor);
    case PRONOUN_SUBJECT: return start + process->last.subject;
    case PRONOUN_OBJECT: return start + process->last.object;
    case DETERMINER_NOMINATIVE:
    case DETERMINER_ACCUSATIVE:
    case DETERMINER_PLACE: return start + (random_unit(cursor) >= domain->first_determiner);
    case MAIN_PARTICLE: {
        int set = random_unit(cursor) >= opener_probability(domain, process, 0);
        return start + set * (MAIN_PARTICLES / 2) + (int)random_below(cursor, MAIN_PARTICLES / 2);
    }
    default: {
        int size = category_size(category);
        return start + (size > 1 ? (int)random_below(cursor, (uint32_t)size) : 0);
    }
    }
}

double word_probability(const struct grammar_domain *domain, const struct process *process, const struct word *word)
{
    switch (word->category) {
    case NOUN: return noun_probability(domain, process, word);
    case VERB_FORM: return verb_probability(domain, process, word);
    case LABEL: return label_probability(domain, &process->last, word);
    case PRONOUN_SUBJECT: return word->second == process->last.subject;
    case PRONOUN_OBJECT: return word->second == process->last.object;
    case DETERMINER_NOMINATIVE:
    case DETERMINER_ACCUSATIVE:
    case DETERMINER_PLACE: return word->lemma == 0 ? domain->first_determiner : 1 - domain->first_determiner;
    case MAIN_PARTICLE: return opener_probability(domain, process, word->lemma) / (MAIN_PARTICLES / 2);
    default: return 1.0 / category_size(word->category);
    }
}
