/* What one domain prefers.  Everything is drawn from the stream of (world seed, kind, number). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "grammar_private.h"

static double between(struct random_cursor *cursor, double low, double high)
{
    return low + (high - low) * random_unit(cursor);
}

/* OWN_USED different lemmas of first .. first + count - 1, ascending. */
static void draw_own(struct random_cursor *cursor, int first, int count, uint8_t *own)
{
    int a = (int)random_below(cursor, (uint32_t)count), b = (int)random_below(cursor, (uint32_t)count - 1);
    if (b >= a) b++;
    own[0] = (uint8_t)(first + (a < b ? a : b));
    own[1] = (uint8_t)(first + (a < b ? b : a));
}

static void draw_topics(struct random_cursor *cursor, double *topic)
{
    double sum = 0;
    for (int i = 0; i < TOPICS; i++) sum += topic[i] = exp(0.7 * random_normal(cursor));
    for (int i = 0; i < TOPICS; i++) topic[i] /= sum;
}

static bool may_follow(enum verb_place place, int done, int constituent)
{
    bool first = done == 0, verb = done & 1 << VERB, subject = done & 1 << SUBJECT;
    if (constituent == CLAUSE_END) return verb && subject;
    if (done & 1 << constituent) return false;
    switch (place) {
    case VERB_SECOND: return constituent == VERB ? !first : first || verb;
    case VERB_FINAL: return constituent == VERB ? subject : !verb;
    default: return constituent == VERB ? first : verb;
    }
}

/* weight[c]: liking for constituent c, of those that may follow.  After an opening pronoun the verb comes next,
 * in verb-first domains too; a clause may only end when it has subject and verb. */
static void fill_next(struct grammar_domain *domain, const double *weight)
{
    for (int done = 0; done < 16; done++) {
        double sum = 0;
        for (int c = 0; c <= CLAUSE_END; c++) {
            bool may = may_follow(domain->verb_place, done, c);
            if (domain->verb_place != VERB_FINAL && done && !(done & 1 << VERB)) may = c == VERB;
            sum += domain->next[done][c] = may ? weight[c] : 0;
        }
        for (int c = 0; c <= CLAUSE_END; c++)
            if (sum > 0) domain->next[done][c] /= sum;
    }
}

static void draw_order(struct random_cursor *cursor, struct grammar_domain *domain)
{
    double place = random_unit(cursor);
    bool varied = domain->reserved < 0;
    domain->verb_place = !varied || place < 0.5 ? VERB_SECOND : place < 0.75 ? VERB_FINAL : VERB_FIRST;
    double agreement = random_unit(cursor);
    domain->agrees = !varied || agreement < 0.75;
    double weight[CLAUSE_END + 1];
    weight[SUBJECT] = between(cursor, 0.8, 1.6);
    weight[OBJECT] = between(cursor, 0.8, 1.6);
    weight[PLACE] = between(cursor, 0.1, 0.3);
    weight[VERB] = between(cursor, 0.8, 1.6);
    weight[CLAUSE_END] = between(cursor, 0.5, 1.2);
    fill_next(domain, weight);
}

static void draw_rates(struct random_cursor *cursor, struct grammar_domain *domain)
{
    domain->plural = between(cursor, 0.4, 0.6);
    domain->past = between(cursor, 0.4, 0.6);
    domain->first_determiner = between(cursor, 0.2, 0.8);
    domain->adverb = between(cursor, 0.05, 0.15);
    domain->adjective_one = between(cursor, 0.15, 0.3);
    domain->adjective_two = between(cursor, 0.2, 0.35);
    domain->relative = between(cursor, 0.03, 0.08);
    domain->tag = between(cursor, 0.06, 0.12);
    domain->pronoun_subject = between(cursor, 0.25, 0.35);
    domain->pronoun_object = between(cursor, 0.2, 0.25);
    domain->sub_first = between(cursor, 0.1, 0.15);
    domain->sub_last = between(cursor, 0.15, 0.25);
    domain->coordinate = between(cursor, 0.2, 0.35);
    domain->stay_topic = between(cursor, 0.6, 0.8);
    domain->opener = between(cursor, 0.92, 0.98);
}

void grammar_domain_init(struct grammar_domain *domain, uint64_t world_seed, bool reserved, int number)
{
    memset(domain, 0, sizeof *domain);
    snprintf(domain->name, sizeof domain->name, reserved ? "reserved_%02d" : "domain_%02d", number);
    snprintf(domain->key, sizeof domain->key, "%llu/%s", (unsigned long long)world_seed, domain->name);
    domain->reserved = reserved ? number : -1;
    struct random_cursor cursor = random_at(random_stream("grammar domain", world_seed, domain->name), 0);
    draw_order(&cursor, domain);
    draw_topics(&cursor, domain->topic);
    for (int i = 0; i < TOPICS; i++) draw_own(&cursor, NOUNS_SHARED, NOUNS_OWN, domain->noun_own[i]);
    for (int i = 0; i < EVENTS; i++) draw_own(&cursor, VERBS_SHARED, VERBS_OWN, domain->verb_own[i]);
    draw_rates(&cursor, domain);
}
