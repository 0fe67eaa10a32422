/* What stages cost, and what sharing saves: work three ways. */
#include "plan_private.h"

/* What the file of a state takes beside its numbers, in bytes: a frame, and tables for each tensor, of which a block
 * has twelve.  As measured, moments included, with 1 to 24 blocks. */
static int64_t frame_bytes(const struct model_shape *shape)
{
    enum { FRAME = 16 << 10, OF_BLOCK = 12 * 448 };
    return FRAME + (int64_t)shape->layers * OF_BLOCK;
}

static const struct finetune_recipe *recipe_of(const struct cell *cell, int place)
{
    return place == 0 ? &cell->settings.first : &cell->settings.second;
}

/* The part of the model that a head reads. */
struct model_shape shape_read(const struct cell *cell)
{
    struct model_shape shape = cell->shape;
    if (cell->settings.read_layers > 0) shape.layers = (int)cell->settings.read_layers;
    return shape;
}

double finetune_flops(const struct plan *plan, const struct cell *cell, int place)
{
    const struct finetune_recipe *recipe = recipe_of(cell, place);
    const struct task_facts *task = &plan->facts.task[cell->sequence->task[place]];
    double tokens = (double)(recipe->steps * recipe->batch) * task->mean_tokens;
    struct model_shape shape = shape_read(cell);
    return shape_training_flops(&shape, tokens, task->mean_tokens, false);
}

double training_flops(const struct plan *plan, const struct cell *cell, const struct milestone *milestone,
                      int64_t start_step)
{
    switch (milestone->kind) {
    case STAGE_INITIAL: return 0;
    case STAGE_FINETUNE: return finetune_flops(plan, cell, milestone->place);
    case STAGE_BRANCH: return branch_flops(plan, cell, milestone);
    case STAGE_KINDS:
    case STAGE_TRUNK:
    case STAGE_COOLDOWN: break;
    }
    double tokens = (double)((milestone->stop_step - start_step) * cell->steps.tokens_per_step);
    return shape_training_flops(&cell->shape, tokens, cell->shape.context, true);
}

/* A forward pass is a third of a training step. */
double task_flops(const struct cell *cell, const struct model_shape *shape, const struct task_facts *task)
{
    int64_t asked = cell->settings.evaluate.items;
    double items = asked > task->test_items ? task->test_items : (double)asked;
    return shape_training_flops(shape, items * task->mean_tokens, task->mean_tokens, false) / 3;
}

double scoring_flops(const struct plan *plan, const struct cell *cell, int place)
{
    struct model_shape shape = shape_read(cell);
    return task_flops(cell, &shape, &plan->facts.task[cell->sequence->task[place]]);
}

double language_flops(const struct plan *plan, const struct cell *cell)
{
    int domains = plan->facts.domains + plan->facts.task_domains;
    double tokens = (double)cell->settings.evaluate.tokens * domains;
    return shape_training_flops(&cell->shape, tokens, cell->shape.context, true) / 3;
}

double measuring_flops(const struct plan *plan, const struct cell *cell, const struct milestone *milestone,
                       unsigned groups)
{
    if (groups == 0) return 0;
    if (milestone->kind == STAGE_BRANCH) return branch_measuring_flops(plan, cell, milestone);
    double flops = language_flops(plan, cell) + looks_flops(plan, cell, milestone);
    for (int place = 0; place <= milestone->place; place++) flops += scoring_flops(plan, cell, place);
    return flops + instrument_flops(plan, cell, milestone, groups) + layers_flops(plan, cell, milestone, groups);
}

double plan_tokens_per_step(const struct plan *plan, int stage)
{
    const struct stage *at = &plan->stage[stage];
    int64_t steps = at->stop_step - at->start_step;
    struct cell cell;
    cell_resolve(plan->sweep, &plan->facts, at->cell, &cell);
    if (at->kind == STAGE_BRANCH) {
        struct milestone milestone = stage_milestone(at);
        return steps > 0 ? branch_tokens(plan, &cell, &milestone) / (double)steps : 0;
    }
    if (at->kind != STAGE_FINETUNE) return (double)cell.steps.tokens_per_step;
    const struct finetune_recipe *recipe = recipe_of(&cell, at->place);
    return (double)recipe->batch * plan->facts.task[cell.sequence->task[at->place]].mean_tokens;
}

int64_t stage_state_bytes(const struct plan *plan, const struct cell *cell, const struct milestone *milestone)
{
    int heads = milestone->place + 1, classes = 0;
    if (milestone->kind == STAGE_BRANCH) classes = branch_classes(plan, cell, (enum branch)milestone->branch);
    for (int place = 0; place < heads; place++) classes += plan->facts.task[cell->sequence->task[place]].classes;
    if (cell->settings.head == HEAD_LM || classes == 0) return shape_state_bytes(&cell->shape, 0, 0);
    return shape_state_bytes(&cell->shape, heads, cell->settings.head == HEAD_SHARED ? CLASSES_MAX : classes);
}

/* At once in a worker: the state that is trained, with its moments; its parent (a trunk's carries moments too); the
 * pretrained state a later place compares with; and, when the stage leaves a checkpoint on its way, the file that is
 * composed in memory, or what instruments hold while they measure.  The buffers of training and of measuring stay from
 * stage to stage. */
static void raise_memory(struct plan *plan, const struct stage *stage, const struct cell *cell,
                         const struct milestone *milestone)
{
    int64_t state = stage_state_bytes(plan, cell, milestone);
    int64_t own = milestone->kind == STAGE_INITIAL ? state : 3 * state;
    int64_t parent = 0;
    if (stage->parent >= 0) parent = plan->stage[stage->parent].kind == STAGE_TRUNK ? 3 * state : state;
    int64_t file = own + frame_bytes(&cell->shape), measured = instrument_bytes(plan, cell, milestone, stage->groups);
    int64_t held = own + (file > measured ? file : measured) + parent + stage->needs * state;
    int tokens, sequences;
    shape_training_batch(&cell->shape, &cell->settings, &tokens, &sequences);
    int64_t work = shape_work_bytes(&cell->shape, tokens, sequences, true);
    shape_measuring_batch(&cell->shape, &tokens, &sequences);
    work += shape_work_bytes(&cell->shape, tokens, sequences, false) + layers_bytes(plan, cell);
    if (held + work <= plan->state_bytes_max + plan->work_bytes_max) return;
    plan->state_bytes_max = held;
    plan->work_bytes_max = work;
}

/* A checkpoint is the state, a trunk's with its moments, in a file whose own tables take about so much. */
static void count_checkpoint(struct plan *plan, const struct stage *stage, const struct model_shape *shape,
                             int64_t state_bytes, bool is_read)
{
    int64_t bytes = state_bytes * (stage->kind == STAGE_TRUNK ? 3 : 1) + frame_bytes(shape);
    plan->checkpoint_bytes_all += bytes;
    if (!is_read) return;
    plan->checkpoint_bytes_most += bytes;
    if (stage->kind == STAGE_TRUNK || stage->groups & 1u << GROUP_PRETRAINED) plan->checkpoint_bytes_kept += bytes;
}

static void add_stage_totals(struct plan *plan, int s, const bool *is_read)
{
    const struct stage *stage = &plan->stage[s];
    struct cell cell;
    struct milestone milestone = stage_milestone(stage);
    cell_resolve(plan->sweep, &plan->facts, stage->cell, &cell);
    raise_memory(plan, stage, &cell, &milestone);
    plan->flops_tree += stage->training_flops + stage->measuring_flops;
    plan->steps_tree += stage->stop_step - stage->start_step;
    count_checkpoint(plan, stage, &cell.shape, stage_state_bytes(plan, &cell, &milestone), is_read[s]);
    /* one pretraining per amount: every pretrained state pays its whole amount, no trunk is shared */
    if (stage->kind == STAGE_FINETUNE || stage->kind == STAGE_INITIAL || stage->kind == STAGE_BRANCH)
        plan->flops_one_pretraining_each += stage->training_flops + stage->measuring_flops;
    else if (stage->groups & 1u << GROUP_PRETRAINED)
        plan->flops_one_pretraining_each += training_flops(plan, &cell, &milestone, 0) + stage->measuring_flops;
}

void cost_cell_alone(struct plan *plan, const struct cell *cell, const struct path *path)
{
    for (int m = 0; m < path->length; m++) {
        int64_t start = path->stage[m].kind == STAGE_COOLDOWN ? cell->steps.trunk : 0;
        unsigned groups = milestone_groups(path, m, cell->sequence);
        plan->flops_per_cell_alone += training_flops(plan, cell, &path->stage[m], start);
        plan->flops_per_cell_alone += measuring_flops(plan, cell, &path->stage[m], groups);
    }
}

void cost_totals(struct plan *plan)
{
    bool *is_read = memory_array((size_t)plan->stages, sizeof *is_read);
    for (int s = 0; s < plan->stages; s++)
        if (plan->stage[s].parent >= 0) is_read[plan->stage[s].parent] = true;
    for (int n = 0; n < plan->need_count; n++) is_read[plan->need[n]] = true;
    for (int s = 0; s < plan->stages; s++) add_stage_totals(plan, s, is_read);
    memory_free(is_read);
}

int plan_variables(const struct plan *plan)
{
    int count = 0;
    for (int g = 0; g < GROUPS_MAX; g++) {
        if (!plan->group[g].used) continue;
        count++; /* its status */
        for (int id = 0; id < FIELD_COUNT; id++)
            count += field_variables(g, (enum field_id)id, plan->sweep->instruments);
    }
    return count;
}

/* Values of 8 bytes, a byte of status and a row number of 4 per place, a row of the stage table and of its provenance
 * per stage; and what HDF5 keeps of each variable. */
int64_t plan_results_bytes(const struct plan *plan)
{
    enum { STAGE_ROW = 640, VARIABLE = 1900, FIXED = 56 << 10 };
    int64_t bytes = FIXED + (int64_t)plan->rows * STAGE_ROW + plan_variables(plan) * (int64_t)VARIABLE;
    for (int g = 0; g < GROUPS_MAX; g++) {
        if (!plan->group[g].used) continue;
        int place = g >= GROUP_PLACE && g < GROUP_OUTCOME ? g - GROUP_PLACE : -1;
        int length = record_offset(1u << g, plan->sweep->instruments, &plan->extents, place, FIELD_COUNT);
        bytes += plan->group[g].cells * (8 * (int64_t)length + 5);
    }
    return bytes;
}
