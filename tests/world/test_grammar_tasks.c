/* The tasks of the grammar world: balance, splits, labels, and what counting words can do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/world/grammar_private.h"

static struct world *world; /* with all tasks, in the order of enum grammar_task */

static int create_all(void **context)
{
    (void)context;
    struct world_spec spec = {.kind = WORLD_GRAMMAR, .domains = 4, .task_domains = 2, .seed = 11};
    char tasks[TASK_COUNT][NAME_MAX_BYTES] = {{0}};
    for (int i = 0; i < TASK_COUNT; i++) strncpy(tasks[i], world_grammar_task(i), NAME_MAX_BYTES - 1);
    return world_create(&spec, (const char(*)[NAME_MAX_BYTES])tasks, TASK_COUNT, ITEM_MOST, &world, NULL);
}

static int destroy_all(void **context)
{
    (void)context;
    world_destroy(&world);
    return memory_count().blocks == 0 ? 0 : -1;
}

static int split_items(int task, enum split split)
{
    const struct task_facts *facts = &world_facts(world)->task[task];
    return split == SPLIT_TRAIN  ? facts->train_items
           : split == SPLIT_TEST ? facts->test_items
                                 : facts->development_items;
}

static void labels_are_balanced_in_every_split_and_in_its_first_part(void **context)
{
    (void)context;
    for (int task = 0; task < TASK_COUNT; task++)
        for (int split = SPLIT_TRAIN; split <= SPLIT_TEST; split++) {
            int count[CLASSES_MAX] = {0}, classes = world_facts(world)->task[task].classes;
            int items = split_items(task, (enum split)split);
            assert_true(items >= (split == SPLIT_TRAIN ? 8000 : split == SPLIT_TEST ? 2000 : 1000));
            for (int i = 0; i < items; i++) {
                count[world_item(world, task, (enum split)split, i).label]++;
                if ((i + 1) % classes == 0)
                    for (int c = 0; c < classes; c++) assert_int_equal(count[c], (i + 1) / classes);
            }
        }
}

struct sentence_id {
    uint64_t hash;
    int task;
};

static int by_hash(const void *a, const void *b)
{
    const struct sentence_id *x = a, *y = b;
    return (x->hash > y->hash) - (x->hash < y->hash);
}

static void no_sentence_is_in_two_splits_or_in_two_tasks(void **context)
{
    (void)context;
    int count = 0;
    struct sentence_id *all = memory_array((size_t)TASK_COUNT * ALL_ITEMS, sizeof *all);
    for (int task = 0; task < TASK_COUNT; task++)
        for (int split = SPLIT_TRAIN; split <= SPLIT_TEST; split++)
            for (int i = 0; i < split_items(task, (enum split)split); i++) {
                struct item item = world_item(world, task, (enum split)split, i);
                struct hash128 hash = hash_bytes(item.token, (size_t)item.length * sizeof item.token[0]);
                all[count++] = (struct sentence_id){hash.high, task};
            }
    qsort(all, (size_t)count, sizeof *all, by_hash);
    for (int i = 1; i < count; i++) assert_true(all[i].hash != all[i - 1].hash);
    memory_free(all);
}

/* What the automaton says of an item it accepts; label -1: nothing that this task asks for. */
static int label_read_back(int task, const struct facts_of_sentence *facts)
{
    switch (task) {
    case TASK_SENTENCE_LENGTH: return length_class(facts->words);
    case TASK_TREE_DEPTH: return facts->nested;
    case TASK_TOP_CONSTITUENTS: return facts->order;
    case TASK_TENSE: return facts->tense;
    case TASK_SUBJECT_NUMBER: return facts->subject;
    case TASK_OBJECT_NUMBER: return facts->object;
    case TASK_TOPIC: return facts->topic;
    default: return -1;
    }
}

static bool accepted(const struct grammar *grammar, struct item item, struct facts_of_sentence *facts)
{
    struct process process;
    const struct grammar_domain *domain = &grammar->domain[grammar->domains];
    process_init(&process);
    for (int t = 1; t < item.length; t++) {
        if (process_choices(domain, &process, (struct choice[CHOICES_MOST]){{0}}) == 0) return false;
        /* own lemmas differ between reserved domains, so a word is tried as its category's shared one */
        struct word word = grammar->lexicon.word[item.token[t]];
        int token = word.category == NOUN        ? noun_word(&grammar->lexicon, word.first, 0, word.second)
                    : word.category == VERB_FORM ? verb_word(&grammar->lexicon, word.first, 0, word.second)
                                                 : item.token[t];
        if (process_probability(&grammar->lexicon, domain, &process, token) == 0) return false;
        process_advance(&grammar->lexicon, domain, &process, token);
    }
    *facts = process.last;
    return true;
}

static bool broken_on_purpose(int task, int label)
{
    bool breaks = task == TASK_BIGRAM_SHIFT || task == TASK_ODD_WORD_OUT || task == TASK_COORDINATION_INVERSION;
    return breaks && label == 1;
}

static void items_are_sentences_of_the_language_unless_broken_on_purpose_and_labels_are_true(void **context)
{
    (void)context;
    struct facts_of_sentence facts = {0};
    for (int task = 0; task < TASK_COUNT; task++)
        for (int i = 0; i < split_items(task, SPLIT_TEST); i++) {
            struct item item = world_item(world, task, SPLIT_TEST, i);
            bool broken = broken_on_purpose(task, item.label);
            assert_int_equal(item.token[0], SEPARATOR);
            assert_int_equal(item.token[item.length - 1], SEPARATOR);
            if (accepted(world->self, item, &facts) == broken) {
                char *text = world_text(world, item.token, item.length);
                fail_msg("%s, label %d: %s", world_grammar_task(task), item.label, text);
            }
            int label = label_read_back(task, &facts);
            if (label >= 0) assert_int_equal(label, item.label);
        }
}

static void items_fit_and_the_facts_say_so(void **context)
{
    (void)context;
    for (int task = 0; task < TASK_COUNT; task++) {
        const struct task_facts *facts = &world_facts(world)->task[task];
        assert_string_equal(facts->name, world_grammar_task(task));
        assert_non_null(world_grammar_rule(task));
        assert_true(facts->most_tokens <= ITEM_MOST && facts->mean_tokens <= facts->most_tokens);
        assert_true(facts->majority >= 1.0 / facts->classes && facts->majority < 1.0 / facts->classes + 0.01);
    }
    assert_null(world_grammar_task(TASK_COUNT));
    assert_null(world_grammar_task(-1));
}

/* These need structure, and are the ones to use by default; the rest can be counted to some degree. */
static bool by_default(int task)
{
    return task != TASK_SENTENCE_LENGTH && task != TASK_WORD_CONTENT && task != TASK_TOPIC && task != TASK_DOMAIN;
}

static void default_tasks_cannot_be_solved_by_counting_words(void **context)
{
    (void)context;
    for (int task = 0; task < TASK_COUNT; task++) {
        struct task_baselines found;
        double chance = 1.0 / world_facts(world)->task[task].classes;
        world_baselines(world, task, &found);
        print_message("%-24s majority %.3f unigram %.3f bigram %.3f best %.3f\n", world_grammar_task(task),
                      found.majority, found.unigram, found.bigram, found.best);
        assert_int_equal(found.shared_with_train, 0);
        if (by_default(task)) {
            assert_true(found.unigram <= chance + 0.1 && found.bigram <= chance + 0.1);
            assert_true(found.best >= 0.95);
        } else {
            assert_true(found.unigram > chance + 0.2);
            assert_true(found.best >= found.unigram - 0.03);
        }
    }
}

/* A test that needs both lengths: how well does the length of an item alone tell its label? */
static void depth_and_number_do_not_follow_from_length(void **context)
{
    (void)context;
    for (int task = 0; task < TASK_COUNT; task++) {
        int count[ITEM_MOST + 1][CLASSES_MAX] = {{0}}, right = 0, items = split_items(task, SPLIT_TEST);
        if (!by_default(task)) continue;
        for (int i = 0; i < split_items(task, SPLIT_TRAIN); i++) {
            struct item item = world_item(world, task, SPLIT_TRAIN, i);
            count[item.length][item.label]++;
        }
        for (int i = 0; i < items; i++) {
            struct item item = world_item(world, task, SPLIT_TEST, i);
            int guess = 0;
            for (int c = 1; c < CLASSES_MAX; c++)
                if (count[item.length][c] > count[item.length][guess]) guess = c;
            right += guess == item.label;
        }
        assert_true((double)right / items < 1.0 / world_facts(world)->task[task].classes + 0.05);
    }
}

static void prompts_and_label_words_are_words_of_the_tag(void **context)
{
    (void)context;
    uint16_t token[4];
    int length;
    world_prompt(world, TASK_TENSE, token, 4, &length);
    assert_int_equal(length, 2);
    assert_true(token[0] == IT && token[1] == IS);
    assert_string_equal(world_label_name(world, TASK_SUBJECT_NUMBER, 1), "plural");
    for (int task = 0; task < TASK_COUNT; task++)
        for (int a = 0; a < world_facts(world)->task[task].classes; a++)
            for (int b = 0; b < a; b++)
                assert_int_not_equal(world_label_token(world, task, a), world_label_token(world, task, b));
}

static void a_task_is_the_same_whatever_else_is_asked_for(void **context)
{
    (void)context;
    struct world_spec spec = {.kind = WORLD_GRAMMAR, .domains = 9, .task_domains = 2, .seed = 11};
    struct world *one = NULL;
    char task[1][NAME_MAX_BYTES] = {"tense"};
    assert_int_equal(world_create(&spec, (const char(*)[NAME_MAX_BYTES])task, 1, 64, &one, NULL), 0);
    const struct task_facts *alone = &world_facts(one)->task[0], *among = &world_facts(world)->task[TASK_TENSE];
    assert_true(hash_equal(alone->training, among->training) && hash_equal(alone->test, among->test));
    world_destroy(&one);
}

static void refuse(const char *name, int reserved, int length, const char *reason)
{
    struct world_spec spec = {.kind = WORLD_GRAMMAR, .domains = 2, .task_domains = reserved, .seed = 1};
    struct world *none = NULL;
    struct error err;
    struct memory_count before = memory_count();
    char task[1][NAME_MAX_BYTES] = {{0}};
    strncpy(task[0], name, NAME_MAX_BYTES - 1);
    assert_int_equal(world_create(&spec, (const char(*)[NAME_MAX_BYTES])task, 1, length, &none, &err), -1);
    assert_int_equal(err.kind, ERROR_INPUT);
    if (!strstr(err.text, reason)) fail_msg("%s", err.text);
    assert_null(none);
    assert_int_equal(memory_count().blocks, before.blocks);
}

/* ---- items from other domains ---- */

static struct world *with_elsewhere(void)
{
    struct world_spec spec = {.kind = WORLD_GRAMMAR, .domains = 4, .task_domains = 2, .seed = 11, .elsewhere = true};
    char tasks[TASK_COUNT][NAME_MAX_BYTES] = {{0}};
    struct world *more = NULL;
    for (int i = 0; i < TASK_COUNT; i++) strncpy(tasks[i], world_grammar_task(i), NAME_MAX_BYTES - 1);
    assert_int_equal(world_create(&spec, (const char(*)[NAME_MAX_BYTES])tasks, TASK_COUNT, ITEM_MOST, &more, NULL), 0);
    return more;
}

static void items_elsewhere_leave_the_others_as_they_are_and_are_balanced(void **context)
{
    (void)context;
    struct world *more = with_elsewhere();
    for (int task = 0; task < TASK_COUNT; task++) {
        const struct task_facts *facts = &world_facts(world)->task[task], *now = &world_facts(more)->task[task];
        int count[CLASSES_MAX] = {0};
        assert_true(hash_equal(facts->training, now->training) && hash_equal(facts->test, now->test));
        assert_int_equal(facts->elsewhere_items, 0);
        assert_int_equal(now->elsewhere_items, task == TASK_DOMAIN ? 0 : ELSEWHERE_ITEMS);
        for (int i = 0; i < now->elsewhere_items; i++) {
            count[world_item(more, task, SPLIT_ELSEWHERE, i).label]++;
            if ((i + 1) % now->classes == 0)
                for (int c = 0; c < now->classes; c++) assert_int_equal(count[c], (i + 1) / now->classes);
        }
        if (now->elsewhere_items > 0)
            assert_true(now->elsewhere_mean_tokens > 3 && now->elsewhere_mean_tokens <= now->most_tokens);
    }
    world_destroy(&more);
}

static void no_sentence_elsewhere_is_one_of_the_other_splits_or_of_another_task(void **context)
{
    (void)context;
    struct world *more = with_elsewhere();
    int count = 0;
    struct sentence_id *id = memory_array((size_t)TASK_COUNT * (ALL_ITEMS + ELSEWHERE_ITEMS), sizeof *id);
    for (int task = 0; task < TASK_COUNT; task++)
        for (int split = SPLIT_TRAIN; split <= SPLIT_ELSEWHERE; split++) {
            int items = split == SPLIT_ELSEWHERE ? world_facts(more)->task[task].elsewhere_items
                                                 : split_items(task, (enum split)split);
            for (int i = 0; i < items; i++) {
                struct item item = world_item(more, task, (enum split)split, i);
                struct hash128 hash = hash_bytes(item.token, (size_t)item.length * sizeof item.token[0]);
                id[count++] = (struct sentence_id){hash.high, task};
            }
        }
    assert_int_equal(count, TASK_COUNT * ALL_ITEMS + (TASK_COUNT - 1) * ELSEWHERE_ITEMS);
    qsort(id, (size_t)count, sizeof *id, by_hash);
    for (int i = 1; i < count; i++) assert_true(id[i].hash != id[i - 1].hash);
    memory_free(id);
    world_destroy(&more);
}

/* Own lemmas tell the domains of a sentence that keeps them: the share of items with a word that no domain of a kind
 * (reserved or not) can say. */
static double foreign_to(const struct grammar *grammar, bool reserved, enum split split)
{
    int from = reserved ? grammar->domains : 0, to = reserved ? grammar->domains + grammar->reserved : grammar->domains;
    int foreign = 0, items = 2000;
    for (int i = 0; i < items; i++) {
        const struct grammar_tasks *task = &grammar->task[TASK_SENTENCE_LENGTH];
        const struct grammar_item *item = split == SPLIT_ELSEWHERE ? &task->elsewhere[i] : &task->item[i];
        bool possible = false;
        for (int d = from; d < to && !possible; d++) {
            struct process process;
            process_init(&process);
            possible = true;
            for (int t = 1; t < item->length && possible; t++) {
                possible = process_probability(&grammar->lexicon, &grammar->domain[d], &process, item->token[t]) > 0;
                if (possible) process_advance(&grammar->lexicon, &grammar->domain[d], &process, item->token[t]);
            }
        }
        foreign += !possible;
    }
    return (double)foreign / items;
}

static void items_elsewhere_come_from_the_domains_that_pretraining_may_read(void **context)
{
    (void)context;
    struct world *more = with_elsewhere();
    const struct grammar *grammar = more->self;
    assert_true(foreign_to(grammar, true, SPLIT_TRAIN) == 0);
    assert_true(foreign_to(grammar, false, SPLIT_ELSEWHERE) == 0);
    assert_true(foreign_to(grammar, true, SPLIT_ELSEWHERE) > 0.3); /* so reserved domains would be noticed */
    assert_true(foreign_to(grammar, false, SPLIT_TRAIN) > 0.1);
    world_destroy(&more);
}

static void items_elsewhere_are_sentences_with_true_labels(void **context)
{
    (void)context;
    struct world *more = with_elsewhere();
    struct facts_of_sentence facts = {0};
    for (int task = 0; task < TASK_COUNT; task++)
        for (int i = 0; i < world_facts(more)->task[task].elsewhere_items; i++) {
            struct item item = world_item(more, task, SPLIT_ELSEWHERE, i);
            assert_true(accepted(more->self, item, &facts) != broken_on_purpose(task, item.label));
            int label = label_read_back(task, &facts);
            if (label >= 0) assert_int_equal(label, item.label);
        }
    world_destroy(&more);
}

static void unknown_tasks_short_contexts_and_missing_domains_are_refused(void **context)
{
    (void)context;
    refuse("tensed", 1, 32, "\"tensed\"");
    refuse("tense", 1, 31, "31 is too short");
    refuse("domain", 1, 32, "2 to 16");
    refuse("tense", 0, 32, "reserved");
}

/* config knows the names from one list, the world its rules from another. */
static void tasks_of_a_sweep_file_are_the_tasks_with_rules(void **context)
{
    (void)context;
#define TASK_NAME(name) #name,
    static const char *const names[] = {GRAMMAR_TASKS(TASK_NAME)};
#undef TASK_NAME
    enum { COUNT = sizeof names / sizeof *names };
    for (int i = 0; i < COUNT; i++) {
        assert_string_equal(world_grammar_task(i), names[i]);
        assert_true(strlen(world_grammar_rule(i)) > 20);
    }
    assert_null(world_grammar_task(COUNT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_balanced_in_every_split_and_in_its_first_part),
        cmocka_unit_test(no_sentence_is_in_two_splits_or_in_two_tasks),
        cmocka_unit_test(items_are_sentences_of_the_language_unless_broken_on_purpose_and_labels_are_true),
        cmocka_unit_test(items_fit_and_the_facts_say_so),
        cmocka_unit_test(tasks_of_a_sweep_file_are_the_tasks_with_rules),
        cmocka_unit_test(default_tasks_cannot_be_solved_by_counting_words),
        cmocka_unit_test(depth_and_number_do_not_follow_from_length),
        cmocka_unit_test(prompts_and_label_words_are_words_of_the_tag),
        cmocka_unit_test(a_task_is_the_same_whatever_else_is_asked_for),
        cmocka_unit_test(items_elsewhere_leave_the_others_as_they_are_and_are_balanced),
        cmocka_unit_test(no_sentence_elsewhere_is_one_of_the_other_splits_or_of_another_task),
        cmocka_unit_test(items_elsewhere_come_from_the_domains_that_pretraining_may_read),
        cmocka_unit_test(items_elsewhere_are_sentences_with_true_labels),
        cmocka_unit_test(unknown_tasks_short_contexts_and_missing_domains_are_refused),
    };
    return cmocka_run_group_tests(tests, create_all, destroy_all);
}
