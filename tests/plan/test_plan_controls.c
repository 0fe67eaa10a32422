/* Branches of controls, joint training and codes: which there are, what their ids depend on, what they cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "plan_sweeps.h"

#define SIZE "model: {context: 32, sizes: {a: {layers: 2, width: 16, heads: 2}}}\n"
#define STEPS "finetune: {steps: 10, batch: 4, second: {steps: 20}}\ncodelength: {first: 100, steps: 7}\n"
#define MEASURE "measure: [transfer, controls, codelength]\n"
#define AXES "axes: {tokens: [0, 64Ki], variety: [1, 8], pair: all, seed: 1}\n"

/* Where tasks have items elsewhere, but for the last one. */
static struct planned planned_with(const char *yaml)
{
    struct world_facts facts = *facts_of_tests();
    static struct task_facts task[4];
    struct planned planned;
    struct error err = {0};
    memcpy(task, facts.task, sizeof task);
    for (int t = 0; t < 3; t++) {
        task[t].elsewhere_items = 1000;
        task[t].elsewhere_mean_tokens = 18;
        task[t].elsewhere = (struct hash128){5, (uint64_t)t};
    }
    facts.task = task;
    if (plan_try(yaml, &facts, &planned, &err) != 0) fail_msg("%s", err.text);
    return planned;
}

static int count_of(const struct plan *plan, enum branch branch)
{
    int count = 0;
    for (int s = 0; s < plan->stages; s++)
        count += plan->stage[s].kind == STAGE_BRANCH && plan->stage[s].branch == (int)branch;
    return count;
}

static const struct stage *first_of(const struct plan *plan, enum branch branch)
{
    for (int s = 0; s < plan->stages; s++)
        if (plan->stage[s].kind == STAGE_BRANCH && plan->stage[s].branch == (int)branch) return &plan->stage[s];
    fail_msg("no branch %s", branches_table[branch].name);
    return NULL;
}

static void controls_are_shared_by_all_sequences_with_one_first_task(void **context)
{
    (void)context;
    struct planned planned = planned_with(SWEEP(SIZE STEPS AXES MEASURE));
    const struct plan *plan = planned.plan;
    int pretrained = 1 + 2; /* amount 0 is one for both varieties */
    assert_int_equal(count_of(plan, BRANCH_RELABELLED), pretrained * 4);
    assert_int_equal(count_of(plan, BRANCH_NOISE_LABELS), pretrained * 4);
    assert_int_equal(count_of(plan, BRANCH_ELSEWHERE), pretrained * 3); /* one task has no items there */
    assert_int_equal(count_of(plan, BRANCH_RATE_ZERO), pretrained * 12);
    assert_int_equal(count_of(plan, BRANCH_JOINT), pretrained * 12);
    assert_int_equal(count_of(plan, BRANCH_PREQUENTIAL_FIRST), pretrained * 4);
    assert_int_equal(count_of(plan, BRANCH_PREQUENTIAL_LAST), pretrained * 12);
    assert_int_equal(count_of(plan, BRANCH_MORE_PRETRAINING), 4 * 4); /* what is read differs at amount 0 as well */
    for (int s = 0; s < plan->stages; s++)
        for (int n = 0; n < plan->stage[s].needs; n++) assert_true(plan_needs(plan, s)[n] < s);
    planned_reset(&planned);
}

static void branches_have_the_steps_of_their_recipes_and_start_where_they_should(void **context)
{
    (void)context;
    struct planned planned = planned_with(SWEEP(SIZE STEPS AXES MEASURE));
    const struct plan *plan = planned.plan;
    static const struct {
        enum branch branch;
        int steps, place;
    } expected[] = {{BRANCH_JOINT, 30, -1},          {BRANCH_RELABELLED, 20, 0},         {BRANCH_ELSEWHERE, 20, 0},
                    {BRANCH_NOISE_LABELS, 20, 0},    {BRANCH_MORE_PRETRAINING, 20, 0},   {BRANCH_RATE_ZERO, 20, 0},
                    {BRANCH_TRANSFER, 0, 1},         {BRANCH_PREQUENTIAL_FIRST, 28, -1}, /* 100 200 400 800 1000 */
                    {BRANCH_PREQUENTIAL_LAST, 28, 0}};
    for (int i = 0; i < 9; i++) {
        const struct stage *stage = first_of(plan, expected[i].branch);
        assert_int_equal(stage->stop_step, expected[i].steps);
        assert_int_equal(stage->place, expected[i].place);
        assert_int_equal(plan->stage[stage->parent].place, expected[i].place);
    }
    assert_int_equal(plan->extents.length[DIMENSION_BLOCK], 5);
    assert_int_equal(plan->extents.length[DIMENSION_POINT],
                     point_of_step(64) + 1); /* of pretraining: no branch counts */
    planned_reset(&planned);
}

static void costs_are_those_of_the_tokens_that_are_trained_on(void **context)
{
    (void)context;
    struct planned planned = planned_with(SWEEP(SIZE STEPS AXES MEASURE));
    const struct plan *plan = planned.plan;
    struct cell cell;
    cell_resolve(planned.sweep, &plan->facts, 0, &cell);
    const struct model_shape *shape = &cell.shape;
    double item = shape_training_flops(shape, 12, 12, false), elsewhere = shape_training_flops(shape, 18, 18, false);
    double window = shape_training_flops(shape, 32, 32, true);
    double scores = 400 * item / 3, language = 10 * 128 * window / 3; /* 4Ki tokens are 128 windows */
    const double expected[BRANCHES][2] = {
        [BRANCH_JOINT] = {30 * 4 * item, 2 * scores},
        [BRANCH_RELABELLED] = {20 * 4 * item, scores + language},
        [BRANCH_ELSEWHERE] = {20 * 4 * elsewhere, scores + language},
        [BRANCH_NOISE_LABELS] = {20 * 4 * item, scores + language},
        [BRANCH_MORE_PRETRAINING] = {20 * 32 * window, scores + language},
        [BRANCH_RATE_ZERO] = {20 * 4 * item, scores + language},
        [BRANCH_PREQUENTIAL_FIRST] = {28 * 4 * item + 900 * item / 3, 0},
        [BRANCH_PREQUENTIAL_LAST] = {28 * 4 * item + 900 * item / 3, 0},
    };
    for (int branch = BRANCH_JOINT; branch <= BRANCH_PREQUENTIAL_LAST; branch++) {
        const struct stage *stage = first_of(plan, (enum branch)branch);
        assert_float_equal(stage->training_flops / expected[branch][0], 1, 1e-9);
        if (expected[branch][1] > 0) assert_float_equal(stage->measuring_flops / expected[branch][1], 1, 1e-9);
        if (expected[branch][1] == 0) assert_true(stage->measuring_flops == 0);
    }
    int reads_on = (int)(first_of(plan, BRANCH_MORE_PRETRAINING) - plan->stage);
    assert_float_equal(plan_tokens_per_step(plan, reads_on), 32 * 32, 1e-9);
    assert_float_equal(plan_tokens_per_step(plan, (int)(first_of(plan, BRANCH_RELABELLED) - plan->stage)), 4 * 12,
                       1e-9);
    planned_reset(&planned);
}

/* ---- identity ---- */

#define ONE(change)                                                                                                    \
    SWEEP(SIZE STEPS change "axes: {tokens: [64Ki], variety: [8], pair: [[tense, bigram_shift]], seed: 1}\n" MEASURE)

/* Bit b: the change gave branch b another id. */
static unsigned changed_by(const char *yaml)
{
    struct planned before = planned_with(ONE("")), after = planned_with(yaml);
    unsigned changed = 0;
    for (int branch = 0; branch <= BRANCH_PREQUENTIAL_LAST; branch++)
        if (!hash_equal(first_of(before.plan, (enum branch)branch)->state,
                        first_of(after.plan, (enum branch)branch)->state))
            changed |= 1u << branch;
    planned_reset(&before);
    planned_reset(&after);
    return changed;
}

#define B(name) (1u << BRANCH_##name)
#define OF_SECOND (B(RELABELLED) | B(ELSEWHERE) | B(NOISE_LABELS) | B(RATE_ZERO) | B(ALONE))
#define CODES (B(PREQUENTIAL_FIRST) | B(PREQUENTIAL_LAST))
#define EVERY ((1u << (BRANCH_PREQUENTIAL_LAST + 1)) - 1) /* of those that are measured here */

static void a_second_recipe_changes_what_takes_the_place_of_the_second_task(void **context)
{
    (void)context;
    assert_int_equal(changed_by(ONE("evaluate.items: 50\n")), 0);
    unsigned of_rate = changed_by(ONE("finetune.second.learning_rate: 1e-4\n"));
    /* rate 0 is 0 whatever the rate; joint training and more pretraining have other rates */
    assert_int_equal(of_rate, (OF_SECOND & ~B(RATE_ZERO)) | B(TRANSFER) | B(PREQUENTIAL_LAST));
    unsigned of_warmup = changed_by(ONE("finetune.second.warmup: 0.3\n"));
    assert_int_equal(of_warmup, OF_SECOND | B(TRANSFER) | B(PREQUENTIAL_LAST) | B(MORE_PRETRAINING));
    assert_int_equal(changed_by(ONE("pretrain.learning_rate: 1e-3\n")), EVERY);
    assert_int_equal(changed_by(ONE("finetune.learning_rate: 1e-4\nfinetune.second.learning_rate: 5e-4\n")),
                     EVERY & ~B(ALONE)); /* all that starts from the first task, or learns it */
}

static void a_code_depends_on_its_blocks(void **context)
{
    (void)context;
    struct planned a = planned_with(ONE("codelength.growth: 3\n")), b = planned_with(ONE(""));
    assert_int_equal(changed_by(ONE("codelength.growth: 3\n")), CODES);
    assert_int_equal(first_of(a.plan, BRANCH_PREQUENTIAL_FIRST)->stop_step, 3 * 7); /* 100 300 900 1000 */
    assert_int_equal(first_of(b.plan, BRANCH_PREQUENTIAL_FIRST)->stop_step, 4 * 7);
    planned_reset(&a);
    planned_reset(&b);
}

/* ---- refused ---- */

static void assert_refused(const char *yaml, const struct world_facts *facts, const char *expected)
{
    struct planned planned;
    struct error err = {0};
    assert_int_equal(plan_try(yaml, facts, &planned, &err), -1);
    assert_int_equal(err.kind, ERROR_INPUT);
    if (!strstr(err.text, expected)) fail_msg("\"%s\" is not in:\n%s", expected, err.text);
}

static void a_code_without_a_second_block_or_with_too_many_is_refused(void **context)
{
    (void)context;
    assert_refused(SWEEP(SIZE "codelength: {first: 1000}\naxes: {seed: 1, tokens: [0]}\nmeasure: [codelength]\n"),
                   facts_of_tests(),
                   "t.yaml:5:21: codelength.first: task \"tense\" has 1000 training items that are used, none behind a "
                   "first block of 1000; it can be at most 999");
    assert_refused(SWEEP(SIZE "finetune: {train_items: 32}\naxes: {seed: 1, tokens: [0]}\nmeasure: [codelength]\n"),
                   facts_of_tests(), "it can be at most 31");
    assert_refused(SWEEP(SIZE "codelength: {growth: 1.01}\naxes: {seed: 1, tokens: [0]}\nmeasure: [codelength]\n"),
                   facts_of_tests(), "fall into more than 64 blocks; raise it, or codelength.first");
    struct planned planned = /* who does not ask for a code is not asked for items */
        plan_of(SWEEP(SIZE "codelength: {first: 1000}\naxes: {seed: 1, tokens: [0]}\n"), true);
    planned_reset(&planned);
}

#define READING SWEEP(SIZE STEPS "axes: {tokens: [64Ki], variety: [1], seed: 1}\n")

static void more_pretraining_needs_the_data_it_reads(void **context)
{
    (void)context;
    struct world_facts facts = *facts_of_tests();
    struct domain_facts domain[10];
    memcpy(domain, facts.domain, sizeof domain);
    for (int d = 0; d < 10; d++) domain[d].tokens = 80000; /* 64Ki and 14464 more; 20 steps are 20480 */
    facts.domain = domain;
    struct planned planned;
    struct error err = {0};
    if (plan_try(READING "measure: [transfer]\n", &facts, &planned, &err) != 0) fail_msg("%s", err.text);
    planned_reset(&planned);
    assert_refused(READING "measure: [controls]\n", &facts,
                   "with the 20480 in all that is read on after it by recovery or more_pretraining, reads 86016");
}

static void a_text_world_has_no_control_elsewhere(void **context)
{
    (void)context;
    struct planned planned = planned_with(ONE(""));
    struct sweep *sweep = planned.sweep;
    assert_true(planned.plan->group[GROUP_BRANCH + BRANCH_ELSEWHERE].used && sweep->world.elsewhere);
    plan_destroy(&planned.plan);
    sweep->world.kind = WORLD_TEXT;
    const struct numerics numerics = {.class_name = "test", .version = 1};
    struct error err = {0};
    if (plan_create(sweep, facts_of_tests(), &numerics, true, &planned.plan, &err) != 0) fail_msg("%s", err.text);
    assert_false(planned.plan->group[GROUP_BRANCH + BRANCH_ELSEWHERE].used);
    assert_int_equal(count_of(planned.plan, BRANCH_ELSEWHERE), 0);
    assert_int_equal(count_of(planned.plan, BRANCH_RELABELLED), 1);
    planned_reset(&planned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(controls_are_shared_by_all_sequences_with_one_first_task),
        cmocka_unit_test(branches_have_the_steps_of_their_recipes_and_start_where_they_should),
        cmocka_unit_test(costs_are_those_of_the_tokens_that_are_trained_on),
        cmocka_unit_test(a_second_recipe_changes_what_takes_the_place_of_the_second_task),
        cmocka_unit_test(a_code_depends_on_its_blocks),
        cmocka_unit_test(a_code_without_a_second_block_or_with_too_many_is_refused),
        cmocka_unit_test(more_pretraining_needs_the_data_it_reads),
        cmocka_unit_test(a_text_world_has_no_control_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
