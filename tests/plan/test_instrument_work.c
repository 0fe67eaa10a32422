/* What plan says that instruments cost, against the same counted by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>

#include "plan_sweeps.h"

/* Two blocks; 10 reference domains of 512 tokens; tasks of 12 tokens an item, 400 test items and 1,000 training items.
 */
#define SMALL                                                                                                          \
    SWEEP("model: {context: 32, sizes: {a: {layers: 2, width: 16, heads: 2}}}\nevaluate: {tokens: 512, items: 100}\n"  \
          "pretrain: {warmup: none}\n%s"                                                                               \
          "axes: {tokens: [64Ki], variety: [2], seed: 1, pair: [[tense, subject_number, bigram_shift]]}\n"             \
          "measure: [%s]\n")

struct costs {
    double pretrained, place[3];
};

static struct costs costs_of(const char *settings, const char *instruments)
{
    char *yaml = memory_format(SMALL, settings, instruments);
    struct planned planned = plan_of(yaml, true);
    struct costs costs = {0};
    for (int s = 0; s < planned.plan->stages; s++) {
        const struct stage *stage = &planned.plan->stage[s];
        if (stage->place >= 0) costs.place[stage->place] = stage->measuring_flops;
        if (stage->groups & 1u << GROUP_PRETRAINED) costs.pretrained = stage->measuring_flops;
    }
    planned_reset(&planned);
    memory_free(yaml);
    return costs;
}

static struct costs added_by(const char *settings, const char *instrument)
{
    struct costs with = costs_of(settings, instrument), without = costs_of(settings, "");
    struct costs added = {.pretrained = with.pretrained - without.pretrained};
    for (int p = 0; p < 3; p++) added.place[p] = with.place[p] - without.place[p];
    return added;
}

static bool near(double value, double expected) { return fabs(value - expected) <= 1e-9 * fabs(expected) + 1e-3; }

/* 6 x weights per token for a training step, 2 for a forward pass; attention over the positions beside it. */
static double forward(int layers, double tokens, double length, bool lm_head)
{
    double weights = 12.0 * layers * 16 * 16 + (lm_head ? 300.0 * 16 : 0);
    return tokens * (2 * weights + 4.0 * layers * length * 16);
}

static double language(void) { return forward(2, 10 * 512, 32, true); }
static double scoring(int layers) { return forward(layers, 100 * 12, 12, false); }

static void prompts_cost_the_scoring_of_every_task(void **context)
{
    (void)context;
    struct costs added = added_by("", "prompts");
    assert_true(near(added.pretrained, 4 * scoring(2)));
    for (int p = 0; p < 3; p++) assert_true(near(added.place[p], 4 * scoring(2)));
}

static void ablation_costs_a_readout_at_each_other_layer_and_a_loss_for_each_block(void **context)
{
    (void)context;
    struct costs added = added_by("", "ablation"), below = added_by("finetune.layers: 1\n", "ablation");
    assert_true(added.pretrained == 0);
    for (int p = 0; p < 3; p++) {
        assert_true(near(added.place[p], scoring(0) + scoring(1) + 2 * language()));
        assert_true(near(below.place[p], scoring(0) + scoring(2) + 2 * language()));
    }
    added = added_by("model.share_layers: yes\n", "ablation");
    assert_true(near(added.place[1], scoring(0) + scoring(1) + language()));
}

static void mediators_cost_every_scale_and_draw_and_two_gradients_at_two_states(void **context)
{
    (void)context;
    struct costs added = added_by("mediators: {draws: 3, items: 200}\n", "mediators");
    double gradient = 3 * forward(2, 200 * 12, 12, false);
    assert_true(near(added.pretrained, NOISE_SCALES * 3 * language()));
    for (int p = 0; p < 3; p++)
        assert_true(near(added.place[p], NOISE_SCALES * 3 * (language() + scoring(2)) + p * 4 * gradient));
    added = added_by("mediators: {items: 1M}\n", "mediators"); /* no more than there are */
    gradient = 3 * forward(2, 1000 * 12, 12, false);
    assert_true(near(added.place[1], NOISE_SCALES * (language() + scoring(2)) + 4 * gradient));
}

static void items_cost_every_earlier_task_before_and_after(void **context)
{
    (void)context;
    struct costs added = added_by("", "items");
    assert_true(added.pretrained == 0 && added.place[0] == 0);
    assert_true(near(added.place[1], 2 * scoring(2)));
    assert_true(near(added.place[2], 4 * scoring(2)));
}

static void a_head_that_reads_fewer_blocks_is_cheaper_to_train_and_to_score(void **context)
{
    (void)context;
    struct costs whole = costs_of("", ""), below = costs_of("finetune.layers: 1\n", "");
    assert_true(near(whole.place[0], language() + scoring(2)));
    assert_true(near(below.place[0], language() + scoring(1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prompts_cost_the_scoring_of_every_task),
        cmocka_unit_test(ablation_costs_a_readout_at_each_other_layer_and_a_loss_for_each_block),
        cmocka_unit_test(mediators_cost_every_scale_and_draw_and_two_gradients_at_two_states),
        cmocka_unit_test(items_cost_every_earlier_task_before_and_after),
        cmocka_unit_test(a_head_that_reads_fewer_blocks_is_cheaper_to_train_and_to_score),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
