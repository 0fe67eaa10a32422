/* The grid merged into a tree.
 *
 * Invariants: stages with one state id are one stage; a stage's parent and needs stand before it; the trunk states of
 * one lineage form a chain by absolute step, whatever cells asked for them. */
#include <stdlib.h>
#include <string.h>

#include "plan_private.h"

struct builder {
    struct plan *plan;
    struct id_table ids;
    size_t capacity, side_capacity;
    struct side { /* about a stage, only while the tree is built */
        struct hash128 lineage;
        int needs, need[2]; /* stages that it reads beside its parent */
    } * side;
};

/* Milestone m of the path of a cell; numbers[m] of those before it. */
static int add_stage(struct builder *builder, const struct path *path, int m, int64_t cell, const int *numbers)
{
    struct plan *plan = builder->plan;
    const struct milestone *milestone = &path->stage[m];
    int parent = milestone->parent < 0 ? -1 : numbers[milestone->parent];
    int number = id_table_put(&builder->ids, milestone->state, plan->stages);
    if (number < plan->stages) return number;
    size_t needed = (size_t)number + 1;
    plan->stage = memory_grow(plan->stage, &builder->capacity, needed, sizeof *plan->stage);
    builder->side = memory_grow(builder->side, &builder->side_capacity, needed, sizeof *builder->side);
    plan->stages = number + 1;
    plan->stage[number] = (struct stage){.state = milestone->state,
                                         .kind = milestone->kind,
                                         .branch = milestone->branch,
                                         .place = milestone->place,
                                         .row = -1,
                                         .parent = parent,
                                         .cell = cell,
                                         .milestone = m,
                                         .stop_step = milestone->stop_step};
    if (milestone->kind == STAGE_COOLDOWN && plan->stage[parent].kind == STAGE_TRUNK)
        plan->stage[number].start_step = plan->stage[parent].stop_step;
    struct side *side = &builder->side[number];
    *side = (struct side){.lineage = milestone->lineage, .needs = milestone->needs};
    for (int n = 0; n < side->needs; n++) side->need[n] = numbers[milestone->need[n]];
    return number;
}

static void fill_views(struct plan *plan, int number, unsigned groups, const int *index,
                       const struct sequence *sequence)
{
    for (int g = 0; g < GROUPS_MAX; g++) {
        if (!(groups & 1u << g)) continue;
        int32_t *there = &plan->group[g].stage[layout_index(plan, &plan->group[g], index, sequence)];
        CHECK(*there == -1 || *there == number, "two stages for one place in group %s", group_name(g));
        *there = number;
    }
    plan->stage[number].groups |= groups;
}

static void add_cell(struct builder *builder, const struct cell *cell, const int *index)
{
    struct plan *plan = builder->plan;
    struct path path;
    int numbers[PATH_MAX_STAGES];
    path_resolve(cell, plan->sweep, &plan->facts, &plan->numerics, &path);
    for (int m = 0; m < path.length; m++) {
        numbers[m] = add_stage(builder, &path, m, cell->index, numbers);
        fill_views(plan, numbers[m], milestone_groups(&path, m, cell->sequence), index, cell->sequence);
    }
    cost_cell_alone(plan, cell, &path); /* here, where its path is known: hashing it is most of what a plan costs */
}

static void add_cells(struct builder *builder)
{
    struct plan *plan = builder->plan;
    int *index = memory_array((size_t)plan->sweep->axis_count, sizeof *index);
    struct cell cell;
    for (int64_t c = 0; c < plan->cells; c++) {
        cell_indices(plan->sweep, c, index);
        if (cell_excluded(plan->sweep, index)) {
            plan->excluded++;
            continue;
        }
        cell_resolve(plan->sweep, &plan->facts, c, &cell);
        add_cell(builder, &cell, index);
    }
    memory_free(index);
}

/* ---- trunks: the states of one lineage strung by step ---- */

struct trunk {
    struct hash128 lineage;
    int64_t step;
    int stage;
};

static int by_lineage_and_step(const void *left, const void *right)
{
    const struct trunk *a = left, *b = right;
    if (a->lineage.high != b->lineage.high) return a->lineage.high < b->lineage.high ? -1 : 1;
    if (a->lineage.low != b->lineage.low) return a->lineage.low < b->lineage.low ? -1 : 1;
    return a->step < b->step ? -1 : a->step > b->step;
}

static void chain_trunks(struct builder *builder)
{
    struct plan *plan = builder->plan;
    struct trunk *trunk = memory_array((size_t)plan->stages, sizeof *trunk);
    size_t count = 0;
    for (int s = 0; s < plan->stages; s++)
        if (plan->stage[s].kind == STAGE_TRUNK)
            trunk[count++] = (struct trunk){builder->side[s].lineage, plan->stage[s].stop_step, s};
    qsort(trunk, count, sizeof *trunk, by_lineage_and_step);
    for (size_t t = 1; t < count; t++) {
        if (!hash_equal(trunk[t - 1].lineage, trunk[t].lineage)) continue;
        plan->stage[trunk[t].stage].parent = trunk[t - 1].stage;
        plan->stage[trunk[t].stage].start_step = trunk[t - 1].step;
    }
    memory_free(trunk);
}

/* ---- plan order: a walk of the tree in depth, children in the order in which cells named them ---- */

static void add_child(int *child, int *sibling, int parent, int s)
{
    sibling[s] = child[parent];
    child[parent] = s;
}

/* Other stages read the states of some branches from the pretrained state: those stand before its other children, in
 * whose subtrees their readers are. */
static bool is_read_aside(const struct stage *stage)
{
    return stage->kind == STAGE_BRANCH && branches_table[stage->branch].from == FROM_PRETRAINED;
}

/* order[new number] = old number.  Linked lists of children: first child and next sibling, in ascending order, what
 * is read aside before the rest. */
static void walk_in_depth(const struct plan *plan, int *order)
{
    int stages = plan->stages, walked = 0, waiting = 0;
    int *child = memory_array((size_t)stages, sizeof *child), *sibling = memory_array((size_t)stages, sizeof *sibling);
    int *stack = memory_array((size_t)stages, sizeof *stack);
    for (int s = 0; s < stages; s++) child[s] = -1;
    for (int s = stages - 1; s >= 0; s--) {
        if (plan->stage[s].parent < 0)
            stack[waiting++] = s;
        else if (!is_read_aside(&plan->stage[s]))
            add_child(child, sibling, plan->stage[s].parent, s);
    }
    for (int s = stages - 1; s >= 0; s--)
        if (is_read_aside(&plan->stage[s])) add_child(child, sibling, plan->stage[s].parent, s);
    while (waiting > 0) {
        int s = stack[--waiting], first = waiting;
        order[walked++] = s;
        for (int c = child[s]; c >= 0; c = sibling[c]) stack[waiting++] = c;
        for (int low = first, high = waiting - 1; low < high; low++, high--) { /* the first child on top */
            int swap = stack[low];
            stack[low] = stack[high];
            stack[high] = swap;
        }
    }
    CHECK(walked == stages, "%d of %d stages hang on the tree", walked, stages);
    memory_free(child);
    memory_free(sibling);
    memory_free(stack);
}

/* Stage order[s] comes to place s and gets its row, which was -1.  Along the cycles of the permutation: a second array
 * of the stages would be the largest thing that planning takes (what the first has grown too far, a third at most,
 * stays). */
static void put_in_order(struct stage *stage, int stages, const int *order)
{
    for (int first = 0; first < stages; first++) {
        if (stage[first].row >= 0) continue;
        struct stage waiting = stage[first];
        int s = first;
        for (; order[s] != first; s = order[s]) {
            stage[s] = stage[order[s]];
            stage[s].row = s;
        }
        stage[s] = waiting;
        stage[s].row = s;
    }
}

static void renumber(struct builder *builder)
{
    struct plan *plan = builder->plan;
    struct stage *stage = plan->stage;
    int *order = memory_array((size_t)plan->stages, sizeof *order),
        *number = memory_array((size_t)plan->stages, sizeof *number);
    plan->need = memory_array((size_t)plan->stages * 2, sizeof *plan->need);
    walk_in_depth(plan, order);
    for (int s = 0; s < plan->stages; s++) number[order[s]] = s;
    put_in_order(stage, plan->stages, order);
    for (int s = 0; s < plan->stages; s++) {
        if (stage[s].parent >= 0) stage[s].parent = number[stage[s].parent];
        const struct side *side = &builder->side[order[s]];
        stage[s].first_need = plan->need_count;
        stage[s].needs = side->needs;
        for (int n = 0; n < side->needs; n++) plan->need[plan->need_count++] = number[side->need[n]];
    }
    for (int g = 0; g < GROUPS_MAX; g++)
        for (int64_t i = 0; i < plan->group[g].cells; i++)
            if (plan->group[g].stage[i] >= 0) plan->group[g].stage[i] = number[plan->group[g].stage[i]];
    memory_free(order);
    memory_free(number);
    plan->tree = stage;
}

static void cost_stage(struct plan *plan, struct stage *stage)
{
    struct cell cell;
    struct milestone milestone = stage_milestone(stage);
    cell_resolve(plan->sweep, &plan->facts, stage->cell, &cell);
    stage->record = record_id(plan, &cell, &milestone, stage->groups);
    stage->training_flops = training_flops(plan, &cell, &milestone, stage->start_step);
    stage->measuring_flops = measuring_flops(plan, &cell, &milestone, stage->groups);
}

void tree_build(struct plan *plan)
{
    struct builder builder = {.plan = plan};
    id_table_init(&builder.ids);
    add_cells(&builder);
    chain_trunks(&builder);
    renumber(&builder);
    plan->rows = plan->stages;
    for (int s = 0; s < plan->stages; s++) cost_stage(plan, &plan->stage[s]);
    layout_views(plan);
    id_table_reset(&builder.ids);
    memory_free(builder.side);
}

/* ---- without sharing: every cell carries out its whole path; rows and views stay those of the tree ---- */

struct lone {
    struct plan *plan;
    struct id_table rows;
    struct stage *stage;
    int stages, *need, need_count;
    struct view *view;
    int64_t view_count;
    size_t stage_capacity, need_capacity, view_capacity;
};

/* Only the cell's own places; the record stays that of the row, so that its checksum is the same with sharing. */
static void lone_views(struct lone *lone, struct stage *stage, unsigned groups, const struct cell *cell,
                       const int *index)
{
    stage->first_view = lone->view_count;
    stage->views = 0;
    for (int g = 0; g < GROUPS_MAX; g++) {
        if (!(groups & 1u << g)) continue;
        lone->view = memory_grow(lone->view, &lone->view_capacity, (size_t)lone->view_count + 1, sizeof *lone->view);
        int64_t place = layout_index(lone->plan, &lone->plan->group[g], index, cell->sequence);
        lone->view[lone->view_count++] = (struct view){.group = g, .index = place};
        stage->views++;
    }
}

static void lone_stage(struct lone *lone, const struct cell *cell, const struct path *path, int m, const int *index)
{
    struct plan *plan = lone->plan;
    const struct milestone *milestone = &path->stage[m];
    int first = lone->stages - m, row = id_table_find(&lone->rows, milestone->state);
    lone->stage = memory_grow(lone->stage, &lone->stage_capacity, (size_t)lone->stages + 1, sizeof *lone->stage);
    struct stage *stage = &lone->stage[lone->stages++];
    *stage = plan->stage[row];
    stage->row = row;
    stage->copy = (int)cell->index + 1;
    stage->cell = cell->index;
    stage->milestone = m;
    stage->parent = milestone->parent < 0 ? -1 : first + milestone->parent;
    if (stage->kind == STAGE_TRUNK) stage->start_step = 0;
    stage->training_flops = training_flops(plan, cell, milestone, stage->start_step);
    stage->first_need = lone->need_count;
    for (int n = 0; n < milestone->needs; n++) {
        lone->need = memory_grow(lone->need, &lone->need_capacity, (size_t)lone->need_count + 1, sizeof *lone->need);
        lone->need[lone->need_count++] = first + milestone->need[n];
    }
    lone_views(lone, stage, milestone_groups(path, m, cell->sequence), cell, index);
}

static void lone_cell(struct lone *lone, int64_t number, const int *index)
{
    struct cell cell;
    struct path path;
    cell_resolve(lone->plan->sweep, &lone->plan->facts, number, &cell);
    path_resolve(&cell, lone->plan->sweep, &lone->plan->facts, &lone->plan->numerics, &path);
    for (int m = 0; m < path.length; m++) lone_stage(lone, &cell, &path, m, index);
}

void tree_unshare(struct plan *plan)
{
    struct lone lone = {.plan = plan};
    int *index = memory_array((size_t)plan->sweep->axis_count, sizeof *index);
    id_table_init(&lone.rows);
    for (int s = 0; s < plan->stages; s++) id_table_put(&lone.rows, plan->stage[s].state, s);
    for (int64_t c = 0; c < plan->cells; c++) {
        cell_indices(plan->sweep, c, index);
        if (!cell_excluded(plan->sweep, index)) lone_cell(&lone, c, index);
    }
    memory_free(plan->need);
    memory_free(plan->view);
    plan->stage = lone.stage;
    plan->stages = lone.stages;
    plan->need = lone.need;
    plan->need_count = lone.need_count;
    plan->view = lone.view;
    plan->view_count = lone.view_count;
    id_table_reset(&lone.rows);
    memory_free(index);
}
