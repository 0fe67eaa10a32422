/* The branches of a task alone, of controls, of joint training and of prequential codes: what they make and what it
 * costs; see stage/branch_stage.c, control_stage.c, joint_stage.c and codelength_stage.c for how. */
#include "plan_private.h"

static int last_place(const struct cell *cell) { return cell->sequence->length - 1; }

static const struct task_facts *task_at(const struct cell *cell, const struct world_facts *facts, int place)
{
    return &facts->task[cell->sequence->task[place]];
}

static struct finetune_recipe recipe_of(const struct cell *cell, enum branch branch)
{
    return branch_recipe(branch, &cell->settings, cell->sequence->length);
}

static bool is_prequential(enum branch branch)
{
    return branch == BRANCH_PREQUENTIAL_FIRST || branch == BRANCH_PREQUENTIAL_LAST;
}

/* Place whose task the branch is about. */
static int place_of(const struct cell *cell, enum branch branch)
{
    if (branch == BRANCH_ALONE || branch == BRANCH_PREQUENTIAL_LAST) return last_place(cell);
    return branch == BRANCH_RATE_ZERO ? 1 : 0;
}

/* ---- steps ---- */

static int items_used(const struct cell *cell, const struct world_facts *facts, enum branch branch)
{
    return task_items_used(task_at(cell, facts, place_of(cell, branch)), cell->settings.train_items);
}

int branch_blocks(const struct cell *cell, const struct world_facts *facts, enum branch branch)
{
    int64_t end[BLOCKS_MAX];
    return is_prequential(branch) ? codelength_blocks(&cell->settings, items_used(cell, facts, branch), end) : 1;
}

/* Before every block but the first of a code the model learns from those so far. */
int64_t control_steps(const struct cell *cell, const struct world_facts *facts, enum branch branch)
{
    if (branch == BRANCH_MORE_PRETRAINING) return cell->settings.second.steps;
    int64_t steps = recipe_of(cell, branch).steps;
    return is_prequential(branch) ? (branch_blocks(cell, facts, branch) - 1) * steps : steps;
}

uint64_t control_reads(const struct sweep *sweep, const struct cell *cell)
{
    bool on = branch_wanted(sweep, BRANCH_MORE_PRETRAINING);
    return on ? (uint64_t)(cell->settings.second.steps * cell->steps.tokens_per_step) : 0;
}

/* ---- ids ---- */

/* The stream once more: at amount 0 the state says nothing of it. */
static void add_more_pretraining(struct hasher *hasher, const struct cell *cell, const struct sweep *sweep,
                                 const struct world_facts *facts)
{
    hasher_add_integer(hasher, "steps before", cell->steps.trunk + cell->steps.cooldown);
    hasher_add_integer(hasher, "steps", cell->settings.second.steps);
    hasher_add_real(hasher, "warmup", cell->settings.second.warmup);
    hasher_add_integer(hasher, "batch", cell->settings.pretrain.batch);
    add_optimizer(hasher, &cell->settings.pretrain.optimizer);
    add_reading(hasher, sweep, facts, cell);
    hasher_add_integer(hasher, "seed", (int64_t)cell->seed);
}

static void add_blocks(struct hasher *hasher, const struct cell *cell)
{
    hasher_add_integer(hasher, "first block", cell->settings.codelength.first);
    hasher_add_real(hasher, "growth", cell->settings.codelength.growth);
}

/* A task alone and what takes the place of the second task read items, and get a head, as a second task does. */
void control_add(struct hasher *hasher, const struct cell *cell, const struct sweep *sweep,
                 const struct world_facts *facts, enum branch branch)
{
    struct finetune_recipe recipe = recipe_of(cell, branch);
    int place = place_of(cell, branch);
    if (branch == BRANCH_MORE_PRETRAINING) {
        add_more_pretraining(hasher, cell, sweep, facts);
    } else if (branch == BRANCH_JOINT) {
        for (int p = 0; p <= last_place(cell); p++) add_learning(hasher, cell, &recipe, task_at(cell, facts, p), p);
    } else if (is_prequential(branch)) {
        add_learning(hasher, cell, &recipe, task_at(cell, facts, place), place);
        add_blocks(hasher, cell);
    } else {
        add_learning(hasher, cell, &recipe, task_at(cell, facts, place), 1);
        if (branch == BRANCH_ELSEWHERE) hasher_add_hash(hasher, "elsewhere", task_at(cell, facts, place)->elsewhere);
    }
}

/* ---- costs ---- */

/* Of a sequence that the branch trains on. */
static double mean_tokens(const struct plan *plan, const struct cell *cell, enum branch branch)
{
    const struct task_facts *task = task_at(cell, &plan->facts, place_of(cell, branch));
    double sum = 0;
    if (branch == BRANCH_MORE_PRETRAINING) return cell->shape.context;
    if (branch == BRANCH_ELSEWHERE) return task->elsewhere_mean_tokens;
    if (branch != BRANCH_JOINT) return task->mean_tokens;
    for (int p = 0; p <= last_place(cell); p++) sum += task_at(cell, &plan->facts, p)->mean_tokens;
    return sum / cell->sequence->length; /* they take turns */
}

double control_tokens(const struct plan *plan, const struct cell *cell, enum branch branch)
{
    bool reads_on = branch == BRANCH_MORE_PRETRAINING;
    double batch = (double)(reads_on ? cell->settings.pretrain.batch : recipe_of(cell, branch).batch);
    return batch * (double)control_steps(cell, &plan->facts, branch) * mean_tokens(plan, cell, branch);
}

/* Every item behind the first block is passed once more, forward only, to be coded. */
static double coding_flops(const struct plan *plan, const struct cell *cell, enum branch branch)
{
    double length = mean_tokens(plan, cell, branch);
    int64_t items = items_used(cell, &plan->facts, branch) - cell->settings.codelength.first;
    struct model_shape shape = shape_read(cell);
    return items > 0 ? shape_training_flops(&shape, (double)items * length, length, false) / 3 : 0;
}

double control_flops(const struct plan *plan, const struct cell *cell, enum branch branch)
{
    double tokens = control_tokens(plan, cell, branch), length = mean_tokens(plan, cell, branch);
    bool reads_on = branch == BRANCH_MORE_PRETRAINING;
    struct model_shape shape = reads_on ? cell->shape : shape_read(cell);
    double flops = shape_training_flops(&shape, tokens, length, reads_on);
    return is_prequential(branch) ? flops + coding_flops(plan, cell, branch) : flops;
}

double control_measuring_flops(const struct plan *plan, const struct cell *cell, enum branch branch)
{
    double flops = 0;
    if (is_prequential(branch)) return 0; /* coded while it trained */
    if (branch == BRANCH_ALONE) return scoring_flops(plan, cell, last_place(cell));
    if (branch != BRANCH_JOINT) return scoring_flops(plan, cell, 0) + language_flops(plan, cell);
    for (int p = 0; p <= last_place(cell); p++) flops += scoring_flops(plan, cell, p);
    return flops;
}

int control_classes(const struct plan *plan, const struct cell *cell, enum branch branch)
{
    int classes = 0;
    if (branch == BRANCH_MORE_PRETRAINING) return 0;
    if (branch != BRANCH_JOINT) return task_at(cell, &plan->facts, place_of(cell, branch))->classes;
    for (int p = 0; p <= last_place(cell); p++) classes += task_at(cell, &plan->facts, p)->classes;
    return classes;
}
