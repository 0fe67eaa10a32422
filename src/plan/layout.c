/* Variables carry only the axes they depend on: an axis belongs to a group when one of its members can change what the
 * stages of that group compute. */
#include "plan_private.h"

static int group_of_scope(enum setting_scope scope)
{
    switch (scope) {
    case SCOPE_PRETRAIN: return GROUP_PRETRAINED;
    case SCOPE_FIRST: return GROUP_PLACE;
    case SCOPE_SECOND: return GROUP_PLACE + 1;
    case SCOPE_INITIAL:
    case SCOPE_EVALUATE: break; /* an evaluation setting changes every record */
    }
    return GROUP_INITIAL;
}

/* The earliest group whose numbers a member can change; groups are in the order of the path. */
static int earliest_group(const struct sweep *sweep, const struct axis_member *member)
{
    int earliest = GROUPS_MAX;
    switch (member->kind) {
    case AXIS_SEED: return GROUP_INITIAL;
    case AXIS_TOKENS:
    case AXIS_VARIETY: return GROUP_PRETRAINED;
    case AXIS_PAIR: return GROUP_PLACE;
    case AXIS_SETTING: return group_of_scope(settings_table[member->row].scope);
    case AXIS_SIZE: break;
    }
    for (int s = 0; s < sweep->size_count; s++)
        for (int i = 0; i < sweep->sizes[s].count; i++) {
            int group = group_of_scope(settings_table[sweep->sizes[s].rows[i]].scope);
            if (group < earliest) earliest = group;
        }
    return earliest == GROUPS_MAX ? GROUP_INITIAL : earliest;
}

/* The last group on the cell's own way whose settings the numbers of a group depend on. */
static int latest_group(int group)
{
    if (group < GROUP_BRANCH) return group;
    return branches_table[group - GROUP_BRANCH].second ? GROUP_PLACE + 1 : GROUP_PLACE;
}

static bool axis_belongs(const struct sweep *sweep, const struct axis *axis, int group)
{
    for (int m = 0; m < axis->member_count; m++)
        if (earliest_group(sweep, &axis->members[m]) <= latest_group(group)) return true;
    return false;
}

/* The sequences as a group knows them.  What was learnt first does not depend on what comes after it: by task, not by
 * sequence; and so with branches that know one task only. */
static int pair_dimension(int axis, int group)
{
    if (group == GROUP_PLACE) return TASK_OF_FIRST;
    if (group < GROUP_BRANCH || branches_table[group - GROUP_BRANCH].per == PER_SEQUENCE) return axis;
    return branches_table[group - GROUP_BRANCH].per == PER_FIRST_TASK ? TASK_OF_FIRST : TASK_OF_LAST;
}

static bool is_plain_pair(const struct axis *axis)
{
    return axis->member_count == 1 && axis->members[0].kind == AXIS_PAIR;
}

int group_dimension_length(const struct plan *plan, const struct group_layout *layout, int dimension)
{
    int axis = layout->axis[dimension];
    return axis < 0 ? plan->sweep->task_count : plan->sweep->axes[axis].length;
}

static void layout_group(struct plan *plan, int group)
{
    const struct sweep *sweep = plan->sweep;
    struct group_layout *layout = &plan->group[group];
    layout->used = true;
    layout->cells = 1;
    for (int a = 0; a < sweep->axis_count; a++) {
        if (!axis_belongs(sweep, &sweep->axes[a], group)) continue;
        CHECK(layout->axis_count < 16, "more than 16 axes");
        layout->axis[layout->axis_count++] = is_plain_pair(&sweep->axes[a]) ? pair_dimension(a, group) : a;
        layout->cells *= group_dimension_length(plan, layout, layout->axis_count - 1);
    }
}

void layout_allocate(struct plan *plan)
{
    for (int g = 0; g < GROUPS_MAX; g++) {
        struct group_layout *layout = &plan->group[g];
        if (!layout->used) continue;
        layout->stage = memory_array((size_t)layout->cells, sizeof *layout->stage);
        for (int64_t i = 0; i < layout->cells; i++) layout->stage[i] = -1;
    }
}

void layout_groups(struct plan *plan)
{
    int longest = 0;
    for (int s = 0; s < plan->sweep->sequence_count; s++)
        if (plan->sweep->sequences[s].length > longest) longest = plan->sweep->sequences[s].length;
    layout_group(plan, GROUP_INITIAL);
    layout_group(plan, GROUP_PRETRAINED);
    for (int place = 0; place < longest; place++) layout_group(plan, GROUP_PLACE + place);
    layout_group(plan, GROUP_OUTCOME);
    for (int branch = 0; branch < BRANCHES; branch++)
        if (branch_wanted(plan->sweep, (enum branch)branch)) layout_group(plan, GROUP_BRANCH + branch);
}

int64_t layout_index(const struct plan *plan, const struct group_layout *layout, const int *cell_index,
                     const struct sequence *sequence)
{
    int64_t index = 0;
    for (int d = 0; d < layout->axis_count; d++) {
        int axis = layout->axis[d];
        int at = axis == TASK_OF_FIRST  ? sequence->task[0]
                 : axis == TASK_OF_LAST ? sequence->task[sequence->length - 1]
                                        : cell_index[axis];
        index = index * group_dimension_length(plan, layout, d) + at;
    }
    return index;
}

unsigned milestone_groups(const struct path *path, int m, const struct sequence *sequence)
{
    unsigned groups = 0;
    if (m == 0) groups |= 1u << GROUP_INITIAL;
    if (m == path->pretrained) groups |= 1u << GROUP_PRETRAINED;
    if (path->stage[m].kind == STAGE_FINETUNE) groups |= 1u << (GROUP_PLACE + path->stage[m].place);
    if (path->stage[m].kind == STAGE_BRANCH) groups |= 1u << (GROUP_BRANCH + path->stage[m].branch);
    if (m == path->last && sequence->length > 1) groups |= 1u << GROUP_OUTCOME;
    return groups;
}

static void each_view(struct plan *plan, void (*visit)(struct plan *, struct stage *, struct view))
{
    for (int g = 0; g < GROUPS_MAX; g++)
        for (int64_t i = 0; i < plan->group[g].cells; i++)
            if (plan->group[g].stage[i] >= 0)
                visit(plan, &plan->stage[plan->group[g].stage[i]], (struct view){.group = g, .index = i});
}

static void count_view(struct plan *plan, struct stage *stage, struct view view)
{
    (void)view;
    stage->views++;
    plan->view_count++;
}

static void place_view(struct plan *plan, struct stage *stage, struct view view)
{
    plan->view[stage->first_view + stage->views++] = view;
}

void layout_views(struct plan *plan)
{
    each_view(plan, count_view);
    plan->view = memory_array((size_t)plan->view_count, sizeof *plan->view);
    int64_t next = 0;
    for (int s = 0; s < plan->stages; s++) {
        plan->stage[s].first_view = next;
        next += plan->stage[s].views;
        plan->stage[s].views = 0;
    }
    each_view(plan, place_view);
}
