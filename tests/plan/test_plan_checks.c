/* What only the resolved grid with its data shows to be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "plan_sweeps.h"

static void assert_refused(const char *yaml, const struct world_facts *facts, const char *expected)
{
    struct planned planned;
    struct error err = {0};
    size_t blocks = memory_count().blocks;
    assert_int_equal(plan_try(yaml, facts, &planned, &err), -1);
    assert_int_equal(err.kind, ERROR_INPUT);
    if (!strstr(err.text, expected)) fail_msg("\"%s\" is not in:\n%s", expected, err.text);
    assert_int_equal(memory_count().blocks, blocks);
}

static void an_amount_shorter_than_its_warm_up_is_refused(void **context)
{
    (void)context;
    assert_refused(SWEEP("pretrain: {warmup: 64Ki}\naxes: {tokens: [0, 64Ki, 1Mi], seed: 1}\n"), facts_of_tests(),
                   "axes.tokens: the amount 64Ki is too short for size");
}

static void data_too_short_for_the_amount_is_refused(void **context)
{
    (void)context;
    struct world_facts facts = *facts_of_tests();
    struct domain_facts domain[10];
    memcpy(domain, facts.domain, sizeof domain);
    for (int d = 0; d < 10; d++) domain[d].tokens = 100000;
    facts.domain = domain;
    assert_refused(SWEEP("axes: {tokens: [1Mi], variety: [1], seed: 1}\n"), &facts, "\" has 100000; lower the amount");
    struct planned planned;
    struct error err = {0};
    const char *repeated = SWEEP("pretrain: {unique: 64Ki}\naxes: {tokens: [1Mi], variety: [1], seed: 1}\n");
    if (plan_try(repeated, &facts, &planned, &err) != 0) fail_msg("%s", err.text);
    planned_reset(&planned);
}

/* 1Mi of 1,200,000 tokens at most: enough for pretraining, not for the 150 steps of 32 x 64 tokens after it. */
static void data_too_short_for_the_reading_of_recovery_is_refused(void **context)
{
    (void)context;
    struct world_facts facts = *facts_of_tests();
    struct domain_facts domain[10];
    struct planned planned;
    struct error err = {0};
    memcpy(domain, facts.domain, sizeof domain);
    for (int d = 0; d < 10; d++) domain[d].tokens = 1200000;
    facts.domain = domain;
    const char *without = SWEEP("axes: {tokens: [1Mi], variety: [1], seed: 1}\nmeasure: [frontier]\n");
    if (plan_try(without, &facts, &planned, &err) != 0) fail_msg("%s", err.text);
    planned_reset(&planned);
    const char *with = SWEEP("axes: {tokens: [1Mi], variety: [1], seed: 1}\nmeasure: [recovery]\n");
    assert_refused(with, &facts,
                   "the amount 1Mi at variety 1, with the 307200 in all that is read on after it by recovery or "
                   "more_pretraining, reads 1355776 tokens of each domain");
    assert_refused(with, &facts,
                   "has 1200000; lower the amount, recovery.steps or finetune.second.steps, raise the variety, or set "
                   "pretrain.unique to at "
                   "most 1200000");
}

static void items_that_do_not_fit_the_context_are_refused(void **context)
{
    (void)context;
    assert_refused(SWEEP("model: {context: 16, sizes: {a: {context: 32}, b: {layers: 1}}}\n"
                         "axes: {size: all, tokens: [1Mi], seed: 1}\n"),
                   facts_of_tests(),
                   "model.context: 16 tokens are too few for task \"tense\", whose longest item has 24");
}

static void fewer_training_items_than_asked_are_refused(void **context)
{
    (void)context;
    assert_refused(SWEEP("finetune: {train_items: 5000}\naxes: {tokens: [1Mi], seed: 1}\n"), facts_of_tests(),
                   "has 1000 training items, not 5000");
}

static void each_complaint_is_made_once(void **context)
{
    (void)context;
    struct planned planned;
    struct error err = {0};
    assert_int_equal(plan_try(SWEEP("pretrain: {warmup: 64Ki}\naxes: {tokens: [64Ki], seed: 5}\n"), facts_of_tests(),
                              &planned, &err),
                     -1);
    assert_null(strchr(err.text, '\n'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_amount_shorter_than_its_warm_up_is_refused),
        cmocka_unit_test(data_too_short_for_the_amount_is_refused),
        cmocka_unit_test(data_too_short_for_the_reading_of_recovery_is_refused),
        cmocka_unit_test(items_that_do_not_fit_the_context_are_refused),
        cmocka_unit_test(fewer_training_items_than_asked_are_refused),
        cmocka_unit_test(each_complaint_is_made_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
