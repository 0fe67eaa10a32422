/* The language of the grammar world: its probabilities are a distribution, and what is drawn follows them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "../../src/world/grammar_private.h"

enum { CONTEXT = 32, WINDOWS = 400, DOMAINS = 64, RESERVED = 4 };

static struct world *create(int domains, int reserved, uint64_t seed)
{
    struct world_spec spec = {.kind = WORLD_GRAMMAR, .domains = domains, .task_domains = reserved, .seed = seed};
    struct world *world = NULL;
    struct error err;
    if (world_create(&spec, NULL, 0, CONTEXT, &world, &err) != 0) fail_msg("%s", err.text);
    return world;
}

struct prefix { /* one automaton walked along a window */
    struct lexicon lexicon;
    struct grammar_domain domain;
    struct process process;
};

static double whole(const struct prefix *prefix, double *entropy)
{
    double sum = 0;
    *entropy = 0;
    for (int token = 0; token < prefix->lexicon.size; token++) {
        double p = process_probability(&prefix->lexicon, &prefix->domain, &prefix->process, token);
        assert_true(p >= 0);
        sum += p;
        if (p > 0) *entropy -= p * log(p);
    }
    return sum;
}

/* The mean over windows of (-log p of the drawn word) - (entropy of its distribution) is 0 within its standard error.
 */
static void drawn_words_follow_a_distribution(bool reserved, int number)
{
    struct prefix prefix;
    lexicon_init(&prefix.lexicon);
    grammar_domain_init(&prefix.domain, 7, reserved, number);
    double sum = 0, squares = 0;
    for (int window = 0; window < WINDOWS; window++) {
        struct random_cursor cursor = random_at(random_stream("test", 1, prefix.domain.name), (uint64_t)window);
        double excess = 0;
        process_init(&prefix.process);
        for (int t = 0; t < CONTEXT; t++) {
            double entropy, total = whole(&prefix, &entropy);
            assert_float_equal(total, 1, 1e-12);
            int token = process_draw(&prefix.lexicon, &prefix.domain, &prefix.process, &cursor);
            double p = process_probability(&prefix.lexicon, &prefix.domain, &prefix.process, token);
            assert_true(p > 0);
            excess += -log(p) - entropy;
            process_advance(&prefix.lexicon, &prefix.domain, &prefix.process, token);
        }
        sum += excess;
        squares += excess * excess;
    }
    double mean = sum / WINDOWS, error = sqrt((squares / WINDOWS - mean * mean) / WINDOWS);
    if (fabs(mean) > 4 * error) fail_msg("%s: %g nats off, standard error %g", prefix.domain.name, mean, error);
}

static void probabilities_sum_to_one_and_drawn_words_follow_them(void **context)
{
    (void)context;
    for (int number = 0; number < 10; number++) drawn_words_follow_a_distribution(false, number);
    for (int number = 0; number < 2; number++) drawn_words_follow_a_distribution(true, number);
}

static double loss_under(const struct world *world, int from, int under)
{
    uint16_t token[CONTEXT + 1];
    double log_p[CONTEXT + 1], sum = 0;
    for (int window = 0; window < WINDOWS; window++) {
        world_reference(world, from, window, CONTEXT, token);
        world->ops->prefix_log_probability(world->self, under, token, CONTEXT, log_p);
        assert_float_equal(log_p[0], 0, 0);
        sum -= log_p[CONTEXT] / CONTEXT / WINDOWS;
    }
    return sum;
}

static void the_wrong_domain_predicts_worse(void **context)
{
    (void)context;
    struct world *world = create(6, 2, 3);
    for (int from = 0; from < 8; from++) {
        double right = loss_under(world, from, from);
        assert_true(right > 1.5 && right < 3.5); /* far below log(vocabulary) = 5.8, far above nothing to learn */
        for (int under = 0; under < 8; under++)
            if (under != from) assert_true(loss_under(world, from, under) > right + 0.05);
    }
    world_destroy(&world);
}

static void a_window_no_domain_can_produce_has_probability_zero(void **context)
{
    (void)context;
    struct world *world = create(1, 1, 3);
    uint16_t token[CONTEXT + 1];
    double log_p[CONTEXT + 1];
    world_reference(world, 0, 0, CONTEXT, token);
    token[5] = MASK;
    world->ops->prefix_log_probability(world->self, 0, token, CONTEXT, log_p);
    assert_true(isfinite(log_p[4]) && isinf(log_p[5]) && isinf(log_p[CONTEXT]));
    world_destroy(&world);
}

static void a_domain_is_the_same_however_many_there_are(void **context)
{
    (void)context;
    struct memory_count before = memory_count();
    struct world *small = create(3, 1, 5), *large = create(DOMAINS, RESERVED, 5);
    const struct world_facts *few = world_facts(small), *many = world_facts(large);
    assert_string_equal(many->domain[63].name, "domain_63");
    assert_true(many->vocabulary >= 300 && many->vocabulary <= 400);
    for (int i = 0; i < 3; i++) assert_true(hash_equal(few->domain[i].training, many->domain[i].training));
    assert_true(few->domain[3].reserved && many->domain[DOMAINS].reserved);
    assert_true(hash_equal(few->domain[3].training, many->domain[DOMAINS].training));
    for (int i = 0; i < DOMAINS + RESERVED; i++)
        for (int j = 0; j < i; j++) {
            assert_false(hash_equal(many->domain[i].training, many->domain[j].training));
            assert_string_not_equal(many->domain[i].name, many->domain[j].name);
        }
    world_destroy(&small);
    world_destroy(&large);
    assert_int_equal(memory_count().blocks, before.blocks);
}

static void training_samples_depend_on_seed_and_number_alone(void **context)
{
    (void)context;
    struct world *world = create(2, 1, 5);
    uint16_t a[CONTEXT + 1], b[CONTEXT + 1];
    size_t allocations = memory_count().allocations;
    world->ops->sample(world->self, 1, 9, 1000, CONTEXT, a);
    world->ops->sample(world->self, 1, 9, 1000, CONTEXT, b);
    assert_memory_equal(a, b, sizeof a);
    world->ops->sample(world->self, 1, 9, 1000, 8, b); /* a shorter context reads the beginning */
    assert_memory_equal(a, b, 9 * sizeof a[0]);
    world->ops->sample(world->self, 1, 9, 1001, CONTEXT, b);
    assert_memory_not_equal(a, b, sizeof a);
    world->ops->sample(world->self, 1, 10, 1000, CONTEXT, b);
    assert_memory_not_equal(a, b, sizeof a);
    world->ops->sample(world->self, 0, 9, 1000, CONTEXT, b);
    assert_memory_not_equal(a, b, sizeof a);
    assert_int_equal(memory_count().allocations, allocations);
    assert_int_equal(a[0], world_facts(world)->separator);
    world_destroy(&world);
}

/* Read back by hand: in "particle ... . it is WORD" a word of the block "tense" is the tense of the first main verb of
 * a one-clause sentence. */
static bool tag_is_true(const struct lexicon *lexicon, const uint16_t *token, int tag)
{
    int tense = -1, depth = 0, start = tag - 1;
    while (start > 0 && token[start - 1] != SEPARATOR) start--;
    for (int i = start; i < tag - 1; i++) {
        const struct word *word = &lexicon->word[token[i]];
        if (word->category == SUB_PARTICLE || word->category == CONJUNCTION) return true; /* not looked at here */
        depth += (word->category == WHO) - (word->category == YE);
        if (word->category == VERB_FORM && depth == 0) tense = word->second == FORM_PAST ? PAST : PRESENT;
    }
    return lexicon->word[token[tag + 2]].lemma == tense;
}

static void tense_tags_are_true_of_the_sentence_before_them(void **context)
{
    (void)context;
    struct world *world = create(4, 1, 5);
    struct lexicon lexicon;
    uint16_t token[129];
    int found = 0;
    lexicon_init(&lexicon);
    for (int sample = 0; sample < 4000; sample++) {
        world->ops->sample(world->self, sample % 4, 1, (uint64_t)sample, 128, token);
        for (int i = 2; i < 126; i++) {
            if (token[i] != IT || lexicon.word[token[i + 2]].category != LABEL) continue;
            if (lexicon.word[token[i + 2]].first != LABELS_TENSE) continue;
            assert_true(tag_is_true(&lexicon, token, i));
            found++;
        }
    }
    assert_true(found > 200);
    world_destroy(&world);
}

static void every_word_is_spelled_once(void **context)
{
    (void)context;
    struct lexicon lexicon;
    lexicon_init(&lexicon);
    for (int i = 0; i < lexicon.size; i++)
        for (int j = 0; j < i; j++) assert_string_not_equal(lexicon.text[i], lexicon.text[j]);
    assert_string_equal(lexicon.text[label_word(&lexicon, LABELS_TENSE, PAST)], "past");
    assert_string_equal(lexicon.text[label_word(&lexicon, LABELS_COORDINATION, 1)], "inverted");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probabilities_sum_to_one_and_drawn_words_follow_them),
        cmocka_unit_test(the_wrong_domain_predicts_worse),
        cmocka_unit_test(a_window_no_domain_can_produce_has_probability_zero),
        cmocka_unit_test(a_domain_is_the_same_however_many_there_are),
        cmocka_unit_test(training_samples_depend_on_seed_and_number_alone),
        cmocka_unit_test(tense_tags_are_true_of_the_sentence_before_them),
        cmocka_unit_test(every_word_is_spelled_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
