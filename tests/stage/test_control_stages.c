/* Controls, joint training and prequential codes against the same trainings spelled out by hand, for all kinds of heads
 * and both objectives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "by_hand.h"

#define WORLD                                                                                                          \
    "name: t\nworld: {kind: grammar, domains: 4, task_domains: 2}\ntasks: [tense, top_constituents, domain]\n"         \
    "model: {context: 32, sizes: {a: {layers: 1, width: 8, heads: 2}}}\n"                                              \
    "pretrain: {batch: 4, warmup: 256, learning_rate: 1e-2}\nevaluate: {tokens: 128, items: 64}\n"                     \
    "finetune: {batch: 4, steps: 6, learning_rate: 1e-2, train_items: 80, second: {steps: 9, warmup: 0.34}}\n"         \
    "codelength: {first: 10, steps: 3}\n"
#define ALL_KINDS                                                                                                      \
    "axes: {tokens: [0, 2Ki], variety: [2], seed: 1, pair: [[tense, top_constituents]], "                              \
    "model.objective: [causal, masked], finetune.head: [per_task, shared, lm]}\n"

static struct tree_run all; /* of every kind: carried out once */

static int run_all(void **context)
{
    (void)context;
    tree_run(WORLD ALL_KINDS "measure: [transfer, controls, codelength]\n", &all);
    return 0;
}

static int reset_all(void **context)
{
    (void)context;
    tree_run_reset(&all);
    return 0;
}

static bool is_branch(const struct stage *stage, enum branch branch)
{
    return stage->kind == STAGE_BRANCH && stage->branch == (int)branch;
}

static const struct state *parent_of(const struct tree_run *run, int s)
{
    return run->result[run->plan->stage[s].parent].state;
}

/* ---- what is trained ---- */

/* The one task that a control trains on. */
static struct hand_part part_of(const struct cell *cell, enum branch branch)
{
    struct hand_part part = {.task = cell->sequence->task[branch == BRANCH_RATE_ZERO ? 1 : 0], .place = 1};
    if (branch == BRANCH_RELABELLED) part.head = "control:relabelled";
    if (branch == BRANCH_NOISE_LABELS) part.head = "control:noise_labels";
    if (branch == BRANCH_ELSEWHERE) part.head = "control:elsewhere";
    if (branch == BRANCH_RELABELLED) part.labels = HAND_ROTATED;
    if (branch == BRANCH_NOISE_LABELS) part.labels = HAND_NOISE;
    part.elsewhere = branch == BRANCH_ELSEWHERE;
    return part;
}

static bool made_by(const struct tree_run *run, int s, const struct hand_part *part, int parts,
                    const struct finetune_recipe *recipe)
{
    struct cell cell = hand_cell(run, s);
    struct state *state = hand_start(run, &cell, parent_of(run, s), part, parts);
    hand_train(run, &cell,
               &(struct hand_training){.part = part, .parts = parts, .recipe = *recipe, .to = recipe->steps}, state);
    bool same = same_weights(state, run->result[s].state);
    state_destroy(&state);
    return same;
}

static void every_control_that_is_a_task_is_what_plain_loops_make_of_it(void **context)
{
    (void)context;
    int seen = 0;
    for (int s = 0; s < all.plan->stages; s++) {
        enum branch branch = (enum branch)all.plan->stage[s].branch;
        assert_string_equal(all.failure[s], "");
        if (all.plan->stage[s].kind != STAGE_BRANCH || branch < BRANCH_RELABELLED || branch > BRANCH_RATE_ZERO)
            continue;
        if (branch == BRANCH_MORE_PRETRAINING) continue;
        struct cell cell = hand_cell(&all, s);
        struct hand_part part = part_of(&cell, branch), wrong = part;
        struct finetune_recipe recipe = cell.settings.second, first = cell.settings.first;
        if (branch == BRANCH_RATE_ZERO) recipe.optimizer.learning_rate = 0;
        assert_int_equal(all.plan->stage[s].stop_step, 9);
        assert_true(made_by(&all, s, &part, 1, &recipe));
        seen++;
        /* planted: true labels, its own domains, the recipe of the first task */
        wrong.labels = HAND_TRUE;
        wrong.elsewhere = false;
        if (branch != BRANCH_RATE_ZERO) assert_false(made_by(&all, s, &wrong, 1, &recipe));
        assert_false(made_by(&all, s, &part, 1, &first));
    }
    assert_int_equal(seen, 2 * 2 * 3 * 4); /* amounts, objectives, heads, controls */
}

static void
more_pretraining_reads_the_stream_on_and_warms_up_and_cools_down_in_the_steps_of_the_second_task(void **context)
{
    (void)context;
    int seen = 0;
    for (int s = 0; s < all.plan->stages; s++) {
        if (!is_branch(&all.plan->stage[s], BRANCH_MORE_PRETRAINING)) continue;
        struct cell cell = hand_cell(&all, s);
        int64_t before = cell.steps.trunk + cell.steps.cooldown;
        for (int late = 0; late < 2; late++) { /* planted: from one step later on */
            struct state *state = hand_start(&all, &cell, parent_of(&all, s), NULL, 0);
            hand_pretrain(&all, &cell, before + late, 9, 0.34, state);
            assert_true(same_weights(state, all.result[s].state) == (late == 0));
            state_destroy(&state);
        }
        assert_int_equal(before, cell.amount.value > 0 ? 16 : 0);
        seen++;
    }
    assert_int_equal(seen, 2 * 2 * 3);
}

static void joint_training_is_what_plain_loops_over_the_tasks_in_turn_make_of_it(void **context)
{
    (void)context;
    int seen = 0;
    for (int s = 0; s < all.plan->stages; s++) {
        if (!is_branch(&all.plan->stage[s], BRANCH_JOINT)) continue;
        struct cell cell = hand_cell(&all, s);
        struct hand_part part[2] = {{.task = cell.sequence->task[0], .place = 0},
                                    {.task = cell.sequence->task[1], .place = 1}};
        struct hand_part exchanged[2] = {part[1], part[0]};
        struct finetune_recipe recipe = cell.settings.first;
        recipe.steps = 6 + 9;
        assert_true(made_by(&all, s, part, 2, &recipe));
        assert_false(made_by(&all, s, exchanged, 2, &recipe)); /* planted: the other one begins */
        seen++;
    }
    assert_int_equal(seen, 2 * 2 * 3);
}

/* ---- what is measured ---- */

static struct score scored(const struct tree_run *run, int s, int task)
{
    struct cell cell = hand_cell(run, s);
    const struct state *state = run->result[s].state;
    uint16_t label_token[CLASSES_MAX];
    struct meter *meter = meter_create(&cell.shape);
    struct readout readout = hand_readout(run, &cell, state, task, NULL, label_token);
    struct score score = measure_task(meter, run->world, state, task, &readout, (int)cell.settings.evaluate.items);
    meter_destroy(&meter);
    return score;
}

static double mean_lm_loss(const struct tree_run *run, const struct cell *cell, const struct state *state)
{
    struct meter *meter = meter_create(&cell->shape);
    double sum = 0;
    for (int d = 0; d < 6; d++) sum += measure_lm_loss(meter, run->world, state, d, 128);
    meter_destroy(&meter);
    return sum / 6;
}

static int pretrained_of(const struct tree_run *run, int s)
{
    while (!(run->plan->stage[s].groups & 1u << GROUP_PRETRAINED)) s = run->plan->stage[s].parent;
    return s;
}

static void assert_measured(const struct tree_run *run, int s)
{
    struct cell cell = hand_cell(run, s);
    int task = cell.sequence->task[0], parent = run->plan->stage[s].parent;
    struct score score = scored(run, s, task);
    double then = tree_field(run, parent, FIELD_ACCURACY)[0], chance = 1.0 / run->plan->facts.task[task].classes;
    double forgetting = *tree_field(run, s, FIELD_CONTROL_FORGETTING);
    double risen = mean_lm_loss(run, &cell, run->result[s].state) -
                   mean_lm_loss(run, &cell, run->result[pretrained_of(run, s)].state);
    assert_true(*tree_field(run, s, FIELD_CONTROL_ACCURACY) == score.accuracy);
    assert_true(*tree_field(run, s, FIELD_CONTROL_LOSS) == score.loss);
    assert_float_equal(*tree_field(run, s, FIELD_CONTROL_LM_RISE), risen, 1e-12);
    if (then > chance + 3 * sqrt(chance * (1 - chance) / (double)cell.settings.evaluate.items))
        assert_float_equal(forgetting, (then - score.accuracy) / (then - chance), 1e-12);
    else
        assert_true(isnan(forgetting));
}

static void every_control_leaves_the_scores_of_the_first_task_after_it(void **context)
{
    (void)context;
    int seen = 0;
    for (int s = 0; s < all.plan->stages; s++) {
        const struct stage *stage = &all.plan->stage[s];
        if (stage->kind != STAGE_BRANCH || stage->branch < BRANCH_RELABELLED || stage->branch > BRANCH_RATE_ZERO)
            continue;
        assert_measured(&all, s);
        seen++;
    }
    assert_int_equal(seen, 2 * 2 * 3 * 5);
}

/* Enough steps on few items that the first task counts as learnt: words of a sentence, which can be counted. */
#define LEARNT                                                                                                         \
    "name: t\nworld: {kind: grammar, domains: 4, task_domains: 2}\ntasks: [topic, tense]\n"                            \
    "model: {context: 32, sizes: {a: {layers: 1, width: 16, heads: 2}}}\n"                                             \
    "pretrain: {batch: 4, warmup: 256}\nevaluate: {tokens: 128, items: 200}\n"                                         \
    "finetune: {batch: 32, steps: 120, learning_rate: 1e-2, pool: mean}\n"                                             \
    "axes: {tokens: [0], variety: [4], seed: 1, pair: [[topic, tense]]}\n"

static void the_second_task_at_rate_0_forgets_exactly_nothing_and_other_controls_change_the_loss(void **context)
{
    (void)context;
    struct tree_run run;
    int zero = 0, moved = 0;
    tree_run(LEARNT "measure: [controls]\n", &run);
    for (int s = 0; s < run.plan->stages; s++) {
        const struct stage *stage = &run.plan->stage[s];
        if (stage->kind != STAGE_BRANCH) continue;
        int parent = stage->parent;
        const double *before = tree_field(&run, parent, FIELD_ACCURACY);
        assert_true(before[0] > 1.0 / 6 + 3 * sqrt(5.0 / 36 / 200)); /* learnt: nothing is missing */
        assert_measured(&run, s);
        double forgetting = *tree_field(&run, s, FIELD_CONTROL_FORGETTING);
        if (stage->branch != BRANCH_RATE_ZERO) {
            moved += *tree_field(&run, s, FIELD_CONTROL_LOSS) != tree_field(&run, parent, FIELD_LOSS)[0];
            continue;
        }
        zero++;
        assert_true(forgetting == 0);
        assert_true(*tree_field(&run, s, FIELD_CONTROL_ACCURACY) == before[0]);
        assert_true(*tree_field(&run, s, FIELD_CONTROL_LOSS) == tree_field(&run, parent, FIELD_LOSS)[0]);
        assert_true(*tree_field(&run, s, FIELD_CONTROL_LM_RISE) == *tree_field(&run, parent, FIELD_LM_RISE));
    }
    assert_int_equal(zero, 1);
    assert_int_equal(moved, 4);
    tree_run_reset(&run);
}

static void the_task_that_names_reserved_domains_has_no_control_elsewhere(void **context)
{
    (void)context;
    struct tree_run run;
    tree_run(WORLD "axes: {tokens: [0], variety: [2], seed: 1, pair: [[domain, tense], [tense, domain]]}\n"
                   "measure: [controls]\n",
             &run);
    const struct group_layout *layout = &run.plan->group[GROUP_BRANCH + BRANCH_ELSEWHERE];
    assert_true(layout->used && layout->cells == 3); /* by task: tense, top_constituents, domain */
    assert_true(layout->stage[0] >= 0 && layout->stage[1] == -1 && layout->stage[2] == -1);
    assert_true(run.plan->group[GROUP_BRANCH + BRANCH_RELABELLED].stage[2] >= 0);
    tree_run_reset(&run);
}

/* ---- joint training beside the sequence ---- */

static int only(const struct tree_run *run, enum branch branch)
{
    int found = -1;
    for (int s = 0; s < run->plan->stages; s++)
        if (is_branch(&run->plan->stage[s], branch)) {
            assert_int_equal(found, -1);
            found = s;
        }
    assert_true(found >= 0);
    return found;
}

static void intransigence_and_the_gap_compare_a_sequence_with_all_its_tasks_together(void **context)
{
    (void)context;
    struct tree_run run;
    tree_run("name: t\nworld: {kind: grammar, domains: 4, task_domains: 2}\ntasks: [topic, sentence_length, tense]\n"
             "model: {context: 32, sizes: {a: {layers: 1, width: 16, heads: 2}}}\nmeasure: [transfer]\n"
             "pretrain: {batch: 4, warmup: 256}\nevaluate: {tokens: 128, items: 200}\n"
             "finetune: {batch: 32, steps: 80, learning_rate: 1e-2, pool: mean, second: {steps: 60}}\n"
             "axes: {tokens: [0], variety: [4], seed: 1, pair: [[topic, sentence_length, tense]]}\n",
             &run);
    int joint = only(&run, BRANCH_JOINT), transfer = only(&run, BRANCH_TRANSFER),
        last = run.plan->stage[transfer].parent;
    const double *after = tree_field(&run, last, FIELD_ACCURACY);
    double together[3];
    for (int task = 0; task < 3; task++) together[task] = scored(&run, joint, task).accuracy;
    assert_int_equal(run.plan->stage[joint].stop_step, 80 + 60 + 60);
    assert_int_equal(run.result[joint].state->heads, 3);
    assert_true(*tree_field(&run, joint, FIELD_JOINT_ACCURACY_FIRST) == together[0]);
    assert_true(*tree_field(&run, joint, FIELD_JOINT_ACCURACY_LAST) == together[2]);
    assert_true(*tree_field(&run, joint, FIELD_JOINT_LOSS_FIRST) == scored(&run, joint, 0).loss);
    assert_true(*tree_field(&run, joint, FIELD_JOINT_LOSS_LAST) == scored(&run, joint, 2).loss);
    assert_float_equal(*tree_field(&run, transfer, FIELD_INTRANSIGENCE), together[2] - after[2], 1e-12);
    assert_float_equal(*tree_field(&run, transfer, FIELD_JOINT_GAP),
                       (together[0] - after[0] + together[1] - after[1]) / 2, 1e-12);
    assert_true(together[0] != after[0] || together[1] != after[1] || together[2] != after[2]);
    tree_run_reset(&run);
}

/* ---- codes ---- */

/* -log2 p of the labels of items from .. to - 1, one item at a time. */
static double bits_by_hand(const struct tree_run *run, const struct cell *cell, const struct state *state, int task,
                           const uint32_t *order, int from, int to)
{
    uint16_t token[64], label_token[CLASSES_MAX];
    struct readout readout = hand_readout(run, cell, state, task, NULL, label_token);
    struct model *model = model_create(&cell->shape, 64, 1, false);
    double bits = 0;
    for (int i = from; i < to; i++) {
        float log_p[CLASSES_MAX];
        int label = world_item(run->world, task, SPLIT_TRAIN, (int)order[i]).label;
        int start[2] = {0, hand_item(run, cell, task, SPLIT_TRAIN, (int)order[i], token)};
        model_labels(model, state, &(struct batch){1, start[1], start, token, NULL}, &readout, &label, log_p, NULL, 0);
        bits -= log2(exp((double)log_p[label]));
    }
    model_destroy(&model);
    return bits;
}

static void assert_coded(const struct tree_run *run, int s, int at)
{
    static const int end[] = {10, 20, 40, 80};
    struct cell cell = hand_cell(run, s);
    int task = cell.sequence->task[at];
    struct hand_part part = {.task = task, .place = at};
    struct hand_training training = {
        .part = &part, .parts = 1, .recipe = at == 0 ? cell.settings.first : cell.settings.second};
    training.recipe.steps = 3;
    double uniform = log2(run->plan->facts.task[task].classes), sum = 10 * uniform;
    const double *cumulative = tree_field(run, s, FIELD_CODELENGTH_CUMULATIVE);
    const double *items = tree_field(run, s, FIELD_CODELENGTH_BLOCK_ITEMS);
    struct state *state = hand_start(run, &cell, parent_of(run, s), &part, 1);
    uint32_t *order = hand_order(run, &cell, task, false);
    assert_float_equal(cumulative[0], sum, 1e-9);
    for (int block = 1; block < 4; block++) {
        training.chapter = block;
        training.items = end[block - 1];
        training.from = 3 * (block - 1);
        training.to = 3 * block;
        hand_train(run, &cell, &training, state);
        double bits = bits_by_hand(run, &cell, state, task, order, end[block - 1], end[block]);
        double late = bits_by_hand(run, &cell, run->result[s].state, task, order, end[block - 1], end[block]);
        assert_float_equal(cumulative[block] - cumulative[block - 1], bits, 1e-5 * bits);
        /* planted: coded by the model that has learnt from the block itself */
        if (block < 3) assert_true(fabs(late - bits) > 1e-3 * bits);
        sum += bits;
        assert_true(items[block] == end[block]);
    }
    assert_true(same_weights(state, run->result[s].state));
    assert_float_equal(*tree_field(run, s, FIELD_CODELENGTH), sum, 1e-5 * sum);
    assert_float_equal(*tree_field(run, s, FIELD_CODELENGTH_PER_ITEM), sum / 80, 1e-5 * sum / 80);
    assert_float_equal(*tree_field(run, s, FIELD_CODELENGTH_COMPRESSION), 80 * uniform / sum, 1e-5);
    memory_free(order);
    state_destroy(&state);
}

static void a_code_is_the_sum_over_blocks_of_what_the_model_so_far_gives_their_labels(void **context)
{
    (void)context;
    int seen = 0;
    assert_int_equal(all.plan->extents.length[DIMENSION_BLOCK], 4);
    for (int s = 0; s < all.plan->stages; s++) {
        const struct stage *stage = &all.plan->stage[s];
        if (!is_branch(stage, BRANCH_PREQUENTIAL_FIRST) && !is_branch(stage, BRANCH_PREQUENTIAL_LAST)) continue;
        assert_int_equal(stage->stop_step, 3 * 3);
        assert_int_equal(stage->place, stage->branch == BRANCH_PREQUENTIAL_FIRST ? -1 : 0);
        assert_coded(&all, s, stage->branch == BRANCH_PREQUENTIAL_FIRST ? 0 : 1);
        seen++;
    }
    assert_int_equal(seen, 2 * 2 * 3 * 2);
}

static void a_code_of_a_task_that_can_be_learnt_is_shorter_than_that_of_uniform_labels(void **context)
{
    (void)context;
    struct tree_run run;
    tree_run(LEARNT
             "codelength: {first: 32, growth: 4, steps: 60}\nfinetune.train_items: 2048\nmeasure: [codelength]\n",
             &run);
    double compression = *tree_field(&run, only(&run, BRANCH_PREQUENTIAL_FIRST), FIELD_CODELENGTH_COMPRESSION);
    assert_true(compression > 1.2 && isfinite(compression));
    tree_run_reset(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_control_that_is_a_task_is_what_plain_loops_make_of_it),
        cmocka_unit_test(
            more_pretraining_reads_the_stream_on_and_warms_up_and_cools_down_in_the_steps_of_the_second_task),
        cmocka_unit_test(joint_training_is_what_plain_loops_over_the_tasks_in_turn_make_of_it),
        cmocka_unit_test(every_control_leaves_the_scores_of_the_first_task_after_it),
        cmocka_unit_test(the_second_task_at_rate_0_forgets_exactly_nothing_and_other_controls_change_the_loss),
        cmocka_unit_test(the_task_that_names_reserved_domains_has_no_control_elsewhere),
        cmocka_unit_test(intransigence_and_the_gap_compare_a_sequence_with_all_its_tasks_together),
        cmocka_unit_test(a_code_is_the_sum_over_blocks_of_what_the_model_so_far_gives_their_labels),
        cmocka_unit_test(a_code_of_a_task_that_can_be_learnt_is_shorter_than_that_of_uniform_labels),
    };
    return cmocka_run_group_tests(tests, run_all, reset_all);
}
