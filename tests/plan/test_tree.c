/* The tree: each stage once, parents first, every place of the results filled by the right stage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "plan_sweeps.h"

#define SIZES "model: {context: 32, sizes: {a: {layers: 1, width: 8, heads: 2}, b: {layers: 2, width: 16, heads: 2}}}\n"
#define GRID                                                                                                           \
    SWEEP(SIZES "finetune: {steps: 10}\naxes: {size: [a, b], tokens: [0, 64Ki, 256Ki], variety: [1, 8], pair: all, "   \
                "seed: 3}\n")

static void counts_are_those_of_the_minimal_tree(void **context)
{
    (void)context;
    struct planned planned = plan_of(GRID, true);
    int kinds[STAGE_KINDS] = {0}, places[2] = {0};
    for (int s = 0; s < planned.plan->stages; s++) {
        kinds[planned.plan->stage[s].kind]++;
        if (planned.plan->stage[s].place >= 0) places[planned.plan->stage[s].place]++;
    }
    assert_int_equal(kinds[STAGE_INITIAL], 2 * 3);       /* size, seed */
    assert_int_equal(kinds[STAGE_TRUNK], 2 * 3 * 2 * 2); /* and variety, amounts above 0 */
    assert_int_equal(kinds[STAGE_COOLDOWN], 2 * 3 * 2 * 2);
    int pretrained = 6 + 24; /* amount 0 is one state for all varieties */
    assert_int_equal(places[0], pretrained * 4);
    assert_int_equal(places[1], pretrained * 4 * 3);
    /* steps of 32 x 32 tokens: each lineage runs its longest trunk once, and every cooldown; 0.2 of 64 and of 256 steps
     */
    assert_int_equal(planned.plan->steps_tree, 12 * (205 + 13 + 51) + (long)pretrained * 16 * 10);
    assert_int_equal(planned.plan->cells, 2 * 3 * 2 * 12 * 3);
    planned_reset(&planned);
}

static void no_state_is_there_twice_and_parents_come_first(void **context)
{
    (void)context;
    struct planned planned = plan_of(GRID, true);
    const struct plan *plan = planned.plan;
    for (int s = 0; s < plan->stages; s++) {
        assert_int_equal(find_state(plan, plan->stage[s].state), s);
        assert_true(plan->stage[s].parent < s);
        assert_true((plan->stage[s].parent < 0) == (plan->stage[s].kind == STAGE_INITIAL));
        for (int n = 0; n < plan->stage[s].needs; n++) assert_true(plan_needs(plan, s)[n] < s);
        assert_int_equal(plan->stage[s].needs, plan->stage[s].place >= 1);
    }
    planned_reset(&planned);
}

static void trunks_of_a_lineage_follow_each_other_without_gaps(void **context)
{
    (void)context;
    struct planned planned =
        plan_of(SWEEP(SIZES "axes: {size: [a], tokens: [256Ki, 64Ki, 128Ki], pretrain.cooldown: [0, "
                            "0.2], seed: 1}\n"),
                true);
    const struct plan *plan = planned.plan;
    int trunks = 0;
    for (int s = 0; s < plan->stages; s++) {
        const struct stage *stage = &plan->stage[s];
        if (stage->kind != STAGE_TRUNK) continue;
        const struct stage *parent = &plan->stage[stage->parent];
        trunks++;
        assert_int_equal(stage->start_step, parent->kind == STAGE_TRUNK ? parent->stop_step : 0);
        assert_true(stage->stop_step > stage->start_step);
    }
    assert_int_equal(trunks, 6); /* 51, 64, 102, 128, 205, 256 steps: both cooldowns share one trunk */
    planned_reset(&planned);
}

/* Walks all cells: each stage on a cell's path has a view exactly where the variables' dimensions say. */
static void check_views(const struct planned *planned)
{
    const struct plan *plan = planned->plan;
    int64_t filled = 0;
    for (int g = 0; g < GROUPS_MAX; g++)
        for (int64_t i = 0; i < plan->group[g].cells; i++) filled += plan->group[g].stage[i] >= 0;
    assert_int_equal(filled, plan->view_count);
    for (int s = 0; s < plan->stages; s++)
        for (int v = 0; v < plan->stage[s].views; v++) {
            struct view view = plan_views(plan, s)[v];
            assert_int_equal(plan->group[view.group].stage[view.index], s);
            assert_true(plan->stage[s].groups & 1u << view.group);
        }
}

static void every_place_in_the_results_has_one_stage_and_knows_it(void **context)
{
    (void)context;
    struct planned planned = plan_of(GRID, true);
    const struct plan *plan = planned.plan;
    check_views(&planned);
    assert_int_equal(plan->group[GROUP_INITIAL].cells, 2 * 3);
    assert_int_equal(plan->group[GROUP_PRETRAINED].cells, 2 * 3 * 2 * 3);
    assert_int_equal(plan->group[GROUP_PLACE].cells, 2 * 3 * 2 * 4 * 3);
    assert_int_equal(plan->group[GROUP_PLACE].axis[3], -1);
    assert_int_equal(plan->group[GROUP_PLACE + 1].cells, plan->cells);
    assert_int_equal(plan->group[GROUP_OUTCOME].cells, plan->cells);
    for (int g = 0; g < GROUPS_MAX; g++)
        for (int64_t i = 0; i < plan->group[g].cells; i++) assert_true(plan->group[g].stage[i] >= 0);
    planned_reset(&planned);
}

static void excluded_cells_leave_their_places_empty(void **context)
{
    (void)context;
    struct planned planned =
        plan_of(SWEEP(SIZES "axes: {size: [a, b], tokens: [0, 64Ki], seed: 2}\nexclude: [{size: b, "
                            "tokens: 64Ki}]\n"),
                true);
    const struct plan *plan = planned.plan;
    check_views(&planned);
    assert_int_equal(plan->excluded, plan->cells / 4);
    int empty = 0;
    for (int64_t i = 0; i < plan->group[GROUP_PRETRAINED].cells; i++)
        empty += plan->group[GROUP_PRETRAINED].stage[i] < 0;
    assert_int_equal(empty, 2); /* size b at 64Ki, both seeds */
    planned_reset(&planned);
}

static void equal_amounts_written_differently_are_one_state(void **context)
{
    (void)context;
    /* the second amount, once as a multiple and once as the tokens it comes to */
    struct planned relative = plan_of(SWEEP(SIZES "axes: {size: [a], tokens: [200x, 400x], seed: 1}\n"), true);
    char tokens[64];
    const struct plan *plan = relative.plan;
    snprintf(tokens, sizeof tokens, "%.0f", plan->constants[2].values[1]);
    char *yaml = memory_format(SWEEP(SIZES "axes: {size: [a], tokens: [%s, 400x], seed: 1}\n"), tokens);
    struct error err;
    struct planned both;
    assert_int_equal(plan_try(yaml, facts_of_tests(), &both, &err), 0);
    int pretrained = 0;
    for (int s = 0; s < both.plan->stages; s++) {
        if (!(both.plan->stage[s].groups & 1u << GROUP_PRETRAINED)) continue;
        pretrained++;
        assert_int_equal(both.plan->stage[s].views, 2);
    }
    assert_int_equal(pretrained, 1);
    memory_free(yaml);
    planned_reset(&both);
    planned_reset(&relative);
}

static void longer_sequences_share_their_beginnings(void **context)
{
    (void)context;
    struct planned planned =
        plan_of(SWEEP(SIZES "axes: {size: [a], tokens: [0], seed: 1, pair: [[tense, bigram_shift], "
                            "[tense, bigram_shift, subject_number], [tense, object_number]]}\n"),
                true);
    const struct plan *plan = planned.plan;
    int places[3] = {0};
    check_views(&planned);
    for (int s = 0; s < plan->stages; s++)
        if (plan->stage[s].place >= 0) places[plan->stage[s].place]++;
    assert_int_equal(places[0], 1);
    assert_int_equal(places[1], 2);
    assert_int_equal(places[2], 1);
    assert_int_equal(plan->group[GROUP_PLACE + 2].stage[0], -1); /* a pair has no third place */
    planned_reset(&planned);
}

static void without_sharing_every_cell_runs_its_path_and_rows_stay(void **context)
{
    (void)context;
    struct planned tree = plan_of(GRID, true), alone = plan_of(GRID, false);
    assert_int_equal(alone.plan->rows, tree.plan->rows);
    int64_t stages = 0;
    for (int64_t c = 0; c < alone.plan->cells; c++) {
        struct cell cell;
        struct path path;
        cell_resolve(alone.sweep, &alone.plan->facts, c, &cell);
        path_resolve(&cell, alone.sweep, &alone.plan->facts, &alone.plan->numerics, &path);
        stages += path.length;
    }
    assert_int_equal(alone.plan->stages, stages);
    for (int s = 0; s < alone.plan->stages; s++) {
        const struct stage *stage = &alone.plan->stage[s];
        assert_true(hash_equal(stage->state, tree.plan->stage[stage->row].state));
        assert_true(hash_equal(stage->record, tree.plan->stage[stage->row].record));
        if (stage->kind == STAGE_TRUNK) assert_int_equal(stage->start_step, 0);
        if (stage->parent >= 0) assert_int_equal(alone.plan->stage[stage->parent].copy, stage->copy);
        for (int v = 0; v < stage->views; v++) {
            struct view view = plan_views(alone.plan, s)[v];
            assert_int_equal(tree.plan->group[view.group].stage[view.index], stage->row);
        }
    }
    assert_true(hash_equal(alone.plan->sweep_hash, tree.plan->sweep_hash));
    assert_true(alone.plan->steps_executed > tree.plan->steps_executed);
    assert_int_equal(tree.plan->steps_executed, tree.plan->steps_tree);
    planned_reset(&tree);
    planned_reset(&alone);
}

static void an_assignment_names_the_ids_a_worker_needs(void **context)
{
    (void)context;
    struct planned planned = plan_of(GRID, true);
    const struct plan *plan = planned.plan;
    for (int s = 0; s < plan->stages; s++) {
        struct assignment assignment;
        plan_assign(plan, s, &assignment);
        assert_true(hash_equal(assignment.state, plan->stage[s].state));
        if (plan->stage[s].parent >= 0)
            assert_true(hash_equal(assignment.parent, plan->stage[plan->stage[s].parent].state));
        for (int n = 0; n < assignment.needs; n++)
            assert_true(hash_equal(assignment.need[n], plan->stage[plan_needs(plan, s)[n]].state));
        assert_int_equal(assignment.views, plan->stage[s].views);
    }
    planned_reset(&planned);
}

static void plans_give_back_all_their_memory(void **context)
{
    (void)context;
    size_t blocks = memory_count().blocks;
    struct planned tree = plan_of(GRID, true), alone = plan_of(GRID, false);
    planned_reset(&tree);
    planned_reset(&alone);
    assert_int_equal(memory_count().blocks, blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_those_of_the_minimal_tree),
        cmocka_unit_test(no_state_is_there_twice_and_parents_come_first),
        cmocka_unit_test(trunks_of_a_lineage_follow_each_other_without_gaps),
        cmocka_unit_test(every_place_in_the_results_has_one_stage_and_knows_it),
        cmocka_unit_test(excluded_cells_leave_their_places_empty),
        cmocka_unit_test(equal_amounts_written_differently_are_one_state),
        cmocka_unit_test(longer_sequences_share_their_beginnings),
        cmocka_unit_test(without_sharing_every_cell_runs_its_path_and_rows_stay),
        cmocka_unit_test(an_assignment_names_the_ids_a_worker_needs),
        cmocka_unit_test(plans_give_back_all_their_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
