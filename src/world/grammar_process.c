/* The left-to-right generator: what can come next, with which probability, and the state after it.  process_draw and
 * process_probability must agree; a test sums the probabilities and compares the loss of drawn windows with the
 * entropy. */
#include <string.h>

#include "grammar_private.h"

static const double nested_relative = 0.25; /* rate of a relative clause inside one */

void process_init(struct process *process)
{
    memset(process, 0, sizeof *process);
    process->now =
        (struct facts_of_sentence){.subject = NUMBER_OPEN, .object = NUMBER_OPEN, .topic = TOPICS, .order = ORDERS};
    process->last = process->now;
    process->subject = NUMBER_OPEN;
}

int length_class(int words)
{
    static const int most[LENGTH_CLASSES - 1] = {5, 7, 9, 12, 15};
    int class = 0;
    while (class < LENGTH_CLASSES - 1 && words > most[class]) class ++;
    return class;
}

/* Two bits per constituent, first one highest, counted from 1. */
int order_class(int code)
{
    static const uint8_t codes[ORDERS] = {0x1b, 0x1e, 0x27, 0x2d, 0x36, 0x39};
    for (int i = 0; i < ORDERS; i++)
        if (codes[i] == code) return i;
    return ORDERS;
}

/* ---- which category comes ---- */

struct choices {
    struct choice *choice;
    int count;
};

static void offer(struct choices *to, int category, double weight)
{
    if (weight > 0) to->choice[to->count++] = (struct choice){(uint8_t)category, weight};
}

static void offer_opening(struct choices *to, const struct grammar_domain *domain, const struct process *process)
{
    const struct facts_of_sentence *last = &process->last;
    double tag = last->known && !process->tagged ? domain->tag : 0, rest = 1 - tag;
    double subject = last->subject != NUMBER_OPEN ? rest * domain->pronoun_subject : 0;
    double object = last->object != NUMBER_OPEN ? rest * domain->pronoun_object : 0;
    offer(to, IT, tag);
    offer(to, PRONOUN_SUBJECT, subject);
    offer(to, PRONOUN_OBJECT, object);
    offer(to, SUB_PARTICLE, rest * domain->sub_first);
    offer(to, MAIN_PARTICLE, rest - rest * domain->sub_first - subject - object);
}

static void offer_ending(struct choices *to, const struct grammar_domain *domain, const struct process *process,
                         double weight)
{
    switch (process->clause) {
    case CLAUSE_SUB_FIRST: offer(to, MAIN_PARTICLE, weight); break;
    case CLAUSE_MAIN: {
        double coordinate = process->event == EVENT_OUT ? domain->coordinate : 0;
        offer(to, CONJUNCTION, weight * coordinate);
        offer(to, SUB_PARTICLE, weight * domain->sub_last);
        offer(to, SEPARATOR, weight * (1 - coordinate - domain->sub_last));
        break;
    }
    default: offer(to, SEPARATOR, weight);
    }
}

static const uint8_t opening_of[3] = {DETERMINER_NOMINATIVE, DETERMINER_ACCUSATIVE, PREPOSITION};

static void offer_next(struct choices *to, const struct grammar_domain *domain, const struct process *process,
                       double weight)
{
    const double *next = domain->next[process->done];
    double phrases = next[SUBJECT] + next[OBJECT] + next[PLACE];
    for (int c = SUBJECT; c <= PLACE; c++) offer(to, opening_of[c], weight * (1 - domain->adverb) * next[c]);
    offer(to, ADVERB, weight * domain->adverb * phrases);
    offer(to, VERB_FORM, weight * next[VERB]);
    offer_ending(to, domain, process, weight * next[CLAUSE_END]);
}

static void offer_after_adverb(struct choices *to, const struct grammar_domain *domain, const struct process *process)
{
    const double *next = domain->next[process->done];
    double phrases = next[SUBJECT] + next[OBJECT] + next[PLACE];
    for (int c = SUBJECT; c <= PLACE; c++) offer(to, opening_of[c], next[c] / phrases);
}

/* The particle of the clause says which kind of adjective comes first; a second one is of the other kind. */
static void offer_adjective_or_noun(struct choices *to, const struct grammar_domain *domain,
                                    const struct process *process)
{
    int first = ADJECTIVE_SIZE + process->adjective_order, second = ADJECTIVE_SIZE + !process->adjective_order;
    double any = domain->adjective_one + domain->adjective_two, more = 0;
    if (process->adjectives == 0) {
        more = any;
        offer(to, first, more);
    } else if (process->adjectives == 1) {
        more = domain->adjective_two / any;
        offer(to, second, more);
    }
    offer(to, NOUN, 1 - more);
}

/* Inside a relative clause, behind its noun phrase or behind the clause inside it. */
static void offer_in_relative(struct choices *to, const struct grammar_domain *domain, double weight)
{
    offer(to, domain->verb_place == VERB_FIRST ? YE : VERB_FORM, weight);
}

static void offer_after_noun(struct choices *to, const struct grammar_domain *domain, const struct process *process)
{
    double relative = process->depth == 0 ? domain->relative : process->depth == 1 ? nested_relative : 0;
    offer(to, WHO, relative);
    if (process->depth > 0)
        offer_in_relative(to, domain, 1 - relative);
    else
        offer_next(to, domain, process, 1 - relative);
}

int process_choices(const struct grammar_domain *domain, const struct process *process, struct choice *choice)
{
    struct choices to = {choice, 0};
    bool verb_first = domain->verb_place == VERB_FIRST;
    switch ((enum where)process->where) {
    case AT_START: offer_opening(&to, domain, process); break;
    case AFTER_IT: offer(&to, IS, 1); break;
    case AFTER_IS: offer(&to, LABEL, 1); break;
    case AFTER_LABEL: offer(&to, SEPARATOR, 1); break;
    case AT_NEXT: offer_next(&to, domain, process, 1); break;
    case AFTER_ADVERB: offer_after_adverb(&to, domain, process); break;
    case AFTER_CONJUNCTION: offer(&to, MAIN_PARTICLE, 1); break;
    case AFTER_PREPOSITION: offer(&to, DETERMINER_PLACE, 1); break;
    case IN_NOUN_PHRASE: offer_adjective_or_noun(&to, domain, process); break;
    case AFTER_NOUN: offer_after_noun(&to, domain, process); break;
    case AFTER_WHO: offer(&to, verb_first ? VERB_FORM : DETERMINER_ACCUSATIVE, 1); break;
    case AFTER_RELATIVE_VERB: offer(&to, verb_first ? DETERMINER_ACCUSATIVE : YE, 1); break;
    case AFTER_YE: process->depth > 0 ? offer_in_relative(&to, domain, 1) : offer_next(&to, domain, process, 1); break;
    }
    return to.count;
}

/* ---- drawing, and the probability of a word ---- */

int process_draw(const struct lexicon *lexicon, const struct grammar_domain *domain, const struct process *process,
                 struct random_cursor *cursor)
{
    struct choice choice[CHOICES_MOST];
    int count = process_choices(domain, process, choice), chosen = 0;
    if (count > 1) {
        double left = random_unit(cursor) - choice[0].weight;
        while (left >= 0 && chosen < count - 1) left -= choice[++chosen].weight;
    }
    return draw_word(lexicon, domain, process, choice[chosen].category, cursor);
}

double process_probability(const struct lexicon *lexicon, const struct grammar_domain *domain,
                           const struct process *process, int token)
{
    struct choice choice[CHOICES_MOST];
    int count = process_choices(domain, process, choice);
    const struct word *word = &lexicon->word[token];
    double weight = 0;
    for (int i = 0; i < count; i++)
        if (choice[i].category == word->category) weight += choice[i].weight;
    return weight > 0 ? weight * word_probability(domain, process, word) : 0;
}

/* ---- the state after a word ---- */

static bool in_main(const struct process *process) { return process->clause <= CLAUSE_MAIN_LAST; }

static void open_clause(struct process *process, enum clause_kind kind, int adjective_order)
{
    process->clause = (uint8_t)kind;
    process->adjective_order = (uint8_t)adjective_order;
    process->done = process->order_code = process->depth = 0;
    process->subject = NUMBER_OPEN;
    process->event = EVENT_ANY;
    process->where = AT_NEXT;
}

static void open_phrase(struct process *process, enum constituent constituent)
{
    process->where = IN_NOUN_PHRASE;
    process->adjectives = 0;
    if (process->depth > 0) return;
    process->constituent = (uint8_t)constituent;
    process->done |= (uint8_t)(1 << constituent);
    process->order_code = (uint8_t)(process->order_code << 2 | (constituent + 1));
    if (in_main(process)) process->now.order = (uint8_t)order_class(process->order_code);
}

static void take_number(struct process *process, int constituent, int number)
{
    if (constituent == SUBJECT) process->subject = (uint8_t)number;
    if (!in_main(process)) return;
    if (constituent == SUBJECT) process->now.subject = (uint8_t)number;
    if (constituent == OBJECT) process->now.object = (uint8_t)number;
}

static void take_noun(struct process *process, const struct word *word)
{
    process->where = AFTER_NOUN;
    process->noun_number = word->second;
    process->now.topic = word->first;
    if (process->depth == 0) take_number(process, process->constituent, word->second);
}

static void take_verb(const struct grammar_domain *domain, struct process *process, const struct word *word)
{
    if (process->depth > 0) {
        process->where = AFTER_RELATIVE_VERB;
        return;
    }
    process->where = AT_NEXT;
    process->done |= 1 << VERB;
    process->event = word->first;
    if (in_main(process)) process->now.tense = word->second == FORM_PAST ? PAST : PRESENT;
    if (domain->agrees && word->second != FORM_PAST && process->subject == NUMBER_OPEN) process->subject = word->second;
}

static void take_pronoun(struct process *process, enum constituent constituent, int number)
{
    open_clause(process, CLAUSE_MAIN, SIZE);
    open_phrase(process, constituent);
    take_number(process, constituent, number);
    process->where = AT_NEXT;
}

static void take_particle(struct process *process, const struct word *word)
{
    bool start = process->where == AT_START;
    bool coordinated = process->now.coordinated;
    int kind = word->category == SUB_PARTICLE ? (start ? CLAUSE_SUB_FIRST : CLAUSE_SUB_LAST)
               : start                        ? CLAUSE_MAIN
               : coordinated                  ? CLAUSE_COORDINATED
                                              : CLAUSE_MAIN_LAST;
    open_clause(process, kind, word->first);
}

static void end_sentence(struct process *process)
{
    bool tag = process->where == AFTER_LABEL;
    struct facts_of_sentence last = tag ? process->last : process->now;
    last.known = 1;
    process_init(process);
    process->last = last;
    process->tagged = tag;
}

void process_advance(const struct lexicon *lexicon, const struct grammar_domain *domain, struct process *process,
                     int token)
{
    const struct word *word = &lexicon->word[token];
    if (word->category != SEPARATOR) process->now.words++;
    switch (word->category) {
    case SEPARATOR: end_sentence(process); break;
    case IT: process->where = AFTER_IT; break;
    case IS: process->where = AFTER_IS; break;
    case LABEL: process->where = AFTER_LABEL; break;
    case WHO:
        process->head[process->depth++] = process->noun_number;
        if (process->depth == 2) process->now.nested = 1;
        process->where = AFTER_WHO;
        break;
    case YE:
        process->depth--;
        process->where = AFTER_YE;
        break;
    case PRONOUN_SUBJECT: take_pronoun(process, SUBJECT, word->second); break;
    case PRONOUN_OBJECT: take_pronoun(process, OBJECT, word->second); break;
    case MAIN_PARTICLE:
    case SUB_PARTICLE: take_particle(process, word); break;
    case CONJUNCTION:
        process->now.coordinated = 1;
        process->where = AFTER_CONJUNCTION;
        break;
    case ADVERB: process->where = AFTER_ADVERB; break;
    case PREPOSITION: process->where = AFTER_PREPOSITION; break;
    case DETERMINER_NOMINATIVE: open_phrase(process, SUBJECT); break;
    case DETERMINER_ACCUSATIVE: open_phrase(process, OBJECT); break;
    case DETERMINER_PLACE: open_phrase(process, PLACE); break;
    case ADJECTIVE_SIZE:
    case ADJECTIVE_COLOUR: process->adjectives++; break;
    case NOUN: take_noun(process, word); break;
    default: take_verb(domain, process, word);
    }
}
