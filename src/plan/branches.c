/* The stages that instruments add beside a cell's own path: which there are, their ids, and what they cost.  An id is
 * the hash of the parent and of everything that the branch does with it; see stage/branch_stage.c for that. */
#include "plan_private.h"

/* What only brings the numbers of others together: it learns nothing, and costs nothing. */
static bool is_join(enum branch branch) { return branches_table[branch].needs > 0; }

/* Of recovery_plan.c; all others that learn something are of controls.c. */
static bool is_recovery(enum branch branch) { return branches_table[branch].instrument == INSTRUMENT_RECOVERY; }

bool branch_wanted(const struct sweep *sweep, enum branch branch)
{
    if (branch == BRANCH_ELSEWHERE && sweep->world.kind == WORLD_TEXT) return false; /* its tasks have no domains */
    return instrument_on(sweep->instruments, branches_table[branch].instrument);
}

static int parent_on(const struct path *path, enum branch_from from)
{
    switch (from) {
    case FROM_PRETRAINED: return path->pretrained;
    case FROM_FIRST: return path->first;
    case FROM_BEFORE_LAST: return path->before_last;
    case FROM_LAST: break;
    }
    return path->last;
}

static int find_on(const struct path *path, enum branch branch)
{
    for (int m = 0; m < path->length; m++)
        if (path->stage[m].branch == (int)branch) return m;
    CHECK(false, "a path without the branch %s, which another one needs", branches_table[branch].name);
    return -1;
}

/* Not every task of the grammar can be asked elsewhere. */
static bool cell_has(const struct cell *cell, const struct world_facts *facts, enum branch branch)
{
    return branch != BRANCH_ELSEWHERE || facts->task[cell->sequence->task[0]].elsewhere_items > 0;
}

static int64_t branch_steps(const struct cell *cell, const struct world_facts *facts, enum branch branch)
{
    if (is_join(branch)) return 0;
    return is_recovery(branch) ? recovery_steps(cell, branch) : control_steps(cell, facts, branch);
}

static void add_recipe(struct hasher *hasher, const struct cell *cell, const struct sweep *sweep,
                       const struct world_facts *facts, enum branch branch)
{
    if (is_join(branch)) return;
    (is_recovery(branch) ? recovery_add : control_add)(hasher, cell, sweep, facts, branch);
}

static void append_branch(const struct cell *cell, const struct sweep *sweep, const struct world_facts *facts,
                          enum branch branch, struct path *path)
{
    const struct branch_rule *rule = &branches_table[branch];
    int parent = parent_on(path, rule->from);
    struct milestone milestone = {.kind = STAGE_BRANCH,
                                  .branch = (int)branch,
                                  .place = path->stage[parent].place,
                                  .parent = parent,
                                  .needs = rule->needs,
                                  .stop_step = branch_steps(cell, facts, branch)};
    struct hasher hasher;
    hasher_init(&hasher, "branch");
    hasher_add_text(&hasher, "name", rule->name);
    hasher_add_hash(&hasher, "parent", path->stage[parent].state);
    for (int n = 0; n < rule->needs; n++) {
        milestone.need[n] = find_on(path, rule->need[n]);
        hasher_add_hash(&hasher, "need", path->stage[milestone.need[n]].state);
    }
    add_recipe(&hasher, cell, sweep, facts, branch);
    milestone.state = hasher_finish(&hasher);
    path->stage[path->length++] = milestone;
}

void append_branches(const struct cell *cell, const struct sweep *sweep, const struct world_facts *facts,
                     bool from_pretrained, struct path *path)
{
    for (int branch = 0; branch < BRANCHES; branch++) {
        bool early = branches_table[branch].from == FROM_PRETRAINED;
        if (early != from_pretrained || !branch_wanted(sweep, (enum branch)branch)) continue;
        if (cell_has(cell, facts, (enum branch)branch)) append_branch(cell, sweep, facts, (enum branch)branch, path);
    }
}

/* ---- cost ---- */

double branch_flops(const struct plan *plan, const struct cell *cell, const struct milestone *milestone)
{
    enum branch branch = (enum branch)milestone->branch;
    if (is_join(branch)) return 0;
    return is_recovery(branch) ? recovery_flops(plan, cell, branch) : control_flops(plan, cell, branch);
}

double branch_tokens(const struct plan *plan, const struct cell *cell, const struct milestone *milestone)
{
    enum branch branch = (enum branch)milestone->branch;
    if (is_join(branch)) return 0;
    return is_recovery(branch) ? recovery_tokens(plan, cell, branch) : control_tokens(plan, cell, branch);
}

double branch_measuring_flops(const struct plan *plan, const struct cell *cell, const struct milestone *milestone)
{
    enum branch branch = (enum branch)milestone->branch;
    if (is_join(branch)) return 0;
    if (is_recovery(branch)) return recovery_measuring_flops(plan, cell, milestone);
    return control_measuring_flops(plan, cell, branch);
}

int branch_classes(const struct plan *plan, const struct cell *cell, enum branch branch)
{
    return is_join(branch) || is_recovery(branch) ? 0 : control_classes(plan, cell, branch);
}
