/* The plan as a whole: checked, expanded, merged, priced. */
#include "plan_private.h"

static int most_layers(const struct plan *plan)
{
    int most = 0;
    for (int s = 0; s < plan->rows; s++) {
        struct cell cell;
        if (plan->stage[s].kind != STAGE_INITIAL) continue;
        cell_resolve(plan->sweep, &plan->facts, plan->stage[s].cell, &cell);
        if (cell.shape.layers > most) most = cell.shape.layers;
    }
    return most;
}

static int most_blocks(const struct plan *plan)
{
    int most = 1;
    for (int s = 0; s < plan->rows; s++) {
        struct cell cell;
        if (plan->stage[s].kind != STAGE_BRANCH) continue;
        cell_resolve(plan->sweep, &plan->facts, plan->stage[s].cell, &cell);
        int blocks = branch_blocks(&cell, &plan->facts, (enum branch)plan->stage[s].branch);
        if (blocks > most) most = blocks;
    }
    return most;
}

static void find_extents(struct plan *plan)
{
    int64_t steps = 1; /* of the cells' own trainings: branches leave no learning curves */
    for (int s = 0; s < plan->rows; s++)
        if (plan->stage[s].kind != STAGE_BRANCH && plan->stage[s].stop_step > steps) steps = plan->stage[s].stop_step;
    plan->extents = (struct record_extents){.length = {
                                                [DIMENSION_DOMAIN] = plan->facts.domains + plan->facts.task_domains,
                                                [DIMENSION_LAYER] = most_layers(plan) + 2,
                                                [DIMENSION_POINT] = point_of_step(steps) + 1,
                                                [DIMENSION_RESTORED] = most_layers(plan) + 2,
                                                [DIMENSION_PROMPT] = plan->facts.tasks,
                                                [DIMENSION_NOISE] = NOISE_SCALES,
                                                [DIMENSION_BLOCK] = most_blocks(plan),
                                                [DIMENSION_PROGRESS] = (int)plan->sweep->base.evaluate.looks + 1,
                                                [DIMENSION_PROBED] = plan->facts.tasks,
                                            }};
}

static void mark_wanted(struct plan *plan)
{
    for (int s = 0; s < plan->stages; s++)
        if (plan->stage[s].parent >= 0) plan->stage[plan->stage[s].parent].wanted = true;
    for (int n = 0; n < plan->need_count; n++) plan->stage[plan->need[n]].wanted = true;
}

static void add_claims(struct hasher *hasher, const struct sweep *sweep)
{
    for (int c = 0; c < sweep->claim_count; c++) {
        const struct claim *claim = &sweep->claims[c];
        hasher_add_text(hasher, "claim", claim->name);
        hasher_add_text(hasher, "axis", claim->axis);
        hasher_add_text(hasher, "outcome", claim->outcome);
        hasher_add_text(hasher, "statistic", claim->statistic);
        hasher_add_text(hasher, "direction", claim->direction);
        hasher_add_text(hasher, "reading", claim->reading);
        hasher_add_real(hasher, "alpha", claim->alpha);
        hasher_add_real(hasher, "equivalence", claim->equivalence);
        hasher_add_integer(hasher, "minimum seeds", claim->minimum_seeds);
    }
}

struct hash128 plan_hash(const struct plan *plan)
{
    struct hasher hasher;
    hasher_init(&hasher, "sweep");
    hasher_add_text(&hasher, "name", plan->sweep->name);
    for (int a = 0; a < plan->sweep->axis_count; a++) {
        hasher_add_text(&hasher, "axis", plan->sweep->axes[a].name);
        for (int i = 0; i < plan->sweep->axes[a].length; i++)
            hasher_add_text(&hasher, "label", plan->sweep->axes[a].labels[i]);
    }
    for (int d = 0; d < plan->extents.length[DIMENSION_DOMAIN]; d++)
        hasher_add_text(&hasher, "domain", plan->facts.domain[d].name);
    for (int t = 0; t < plan->facts.tasks; t++) hasher_add_text(&hasher, "task", plan->facts.task[t].name);
    for (int s = 0; s < plan->rows; s++) hasher_add_hash(&hasher, "record", plan->stage[s].record);
    for (int g = 0; g < GROUPS_MAX; g++)
        for (int64_t i = 0; i < plan->group[g].cells; i++) hasher_add_integer(&hasher, "view", plan->group[g].stage[i]);
    add_claims(&hasher, plan->sweep);
    return hasher_finish(&hasher);
}

static struct plan *plan_frame(const struct sweep *sweep, const struct world_facts *facts,
                               const struct numerics *numerics)
{
    struct plan *plan = memory_allocate(sizeof *plan);
    plan->sweep = sweep;
    plan->facts = *facts;
    plan->numerics = *numerics;
    plan->cells = sweep_cells(sweep);
    layout_groups(plan);
    return plan;
}

struct plan *plan_outline(const struct sweep *sweep, const struct world_facts *facts, const struct numerics *numerics,
                          const struct record_extents *extents, int rows)
{
    struct plan *plan = plan_frame(sweep, facts, numerics);
    plan->extents = *extents;
    plan->rows = rows;
    return plan;
}

int plan_create(const struct sweep *sweep, const struct world_facts *facts, const struct numerics *numerics,
                bool sharing, struct plan **plan, struct error *err)
{
    TRY(check_cells(sweep, facts, err));
    struct plan *made = plan_frame(sweep, facts, numerics);
    layout_allocate(made);
    tree_build(made);
    find_extents(made);
    cost_totals(made);
    constants_fill(made);
    made->sweep_hash = plan_hash(made);
    if (!sharing) tree_unshare(made);
    mark_wanted(made);
    for (int s = 0; s < made->stages; s++) made->steps_executed += made->stage[s].stop_step - made->stage[s].start_step;
    *plan = made;
    return 0;
}

void plan_destroy(struct plan **plan)
{
    if (!*plan) return;
    for (int g = 0; g < GROUPS_MAX; g++) memory_free((*plan)->group[g].stage);
    for (int c = 0; c < (*plan)->constant_count; c++) memory_free((*plan)->constants[c].values);
    memory_free((*plan)->constants);
    if ((*plan)->tree != (*plan)->stage) memory_free((*plan)->tree);
    memory_free((*plan)->stage);
    memory_free((*plan)->need);
    memory_free((*plan)->view);
    memory_free(*plan);
    *plan = NULL;
}
