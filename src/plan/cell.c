/* One grid point resolved: defaults, what the file sets for all, what the size sets, what the axes set; in this order.
 */
#include <string.h>

#include "plan_private.h"

int64_t sweep_cells(const struct sweep *sweep)
{
    int64_t cells = 1;
    for (int a = 0; a < sweep->axis_count; a++) cells *= sweep->axes[a].length;
    return cells;
}

void cell_indices(const struct sweep *sweep, int64_t cell, int *index)
{
    for (int a = sweep->axis_count - 1; a >= 0; a--) {
        index[a] = (int)(cell % sweep->axes[a].length);
        cell /= sweep->axes[a].length;
    }
}

static bool rule_holds(const struct sweep *sweep, const struct exclusion *rule, const int *index)
{
    for (int a = 0; a < sweep->axis_count; a++)
        if (rule->chosen[a] && !rule->chosen[a][index[a]]) return false;
    return true;
}

bool cell_excluded(const struct sweep *sweep, const int *index)
{
    for (int e = 0; e < sweep->exclusion_count; e++)
        if (rule_holds(sweep, &sweep->exclusions[e], index)) return true;
    return false;
}

static void apply_member(const struct sweep *sweep, const struct axis_member *member, int at, struct cell *cell,
                         bool *set)
{
    switch (member->kind) {
    case AXIS_SIZE: cell->size = (int)member->values.integer[at]; break;
    case AXIS_TOKENS: cell->amount = member->values.amount[at]; break;
    case AXIS_VARIETY: cell->variety = (int)member->values.integer[at]; break;
    case AXIS_PAIR: cell->sequence = &sweep->sequences[member->values.integer[at]]; break;
    case AXIS_SEED: cell->seed = (uint64_t)member->values.integer[at]; break;
    case AXIS_SETTING:
        setting_assign(member->row, member->values.setting[at], &cell->settings);
        set[member->row] = true;
        break;
    }
}

static void apply_axes(const struct sweep *sweep, const int *index, struct cell *cell, bool *set)
{
    for (int a = 0; a < sweep->axis_count; a++)
        for (int m = 0; m < sweep->axes[a].member_count; m++)
            apply_member(sweep, &sweep->axes[a].members[m], index[a], cell, set);
}

static void apply_size(const struct size_entry *size, struct settings *settings, bool *set)
{
    for (int i = 0; i < size->count; i++) {
        setting_assign(size->rows[i], size->values[i], settings);
        set[size->rows[i]] = true;
    }
}

void cell_resolve(const struct sweep *sweep, const struct world_facts *facts, int64_t number, struct cell *cell)
{
    enum { ROWS_MAX = 256 };
    int index[AXES_MAX];
    bool set[ROWS_MAX];
    CHECK(sweep->axis_count <= AXES_MAX && settings_count <= ROWS_MAX, "%d axes, %d settings", sweep->axis_count,
          settings_count);
    memcpy(set, sweep->set, (size_t)settings_count * sizeof *set);
    cell_indices(sweep, number, index);
    *cell = (struct cell){.index = number, .settings = sweep->base};
    apply_axes(sweep, index, cell, set); /* tells the size; a row is never both on an axis and in a size (config) */
    apply_size(&sweep->sizes[cell->size], &cell->settings, set);
    settings_inherit_second(&cell->settings, set);
    cell->shape = shape_of(&cell->settings, facts->vocabulary);
    cell->steps = schedule_steps_of(&cell->settings, &cell->shape, cell->amount);
}

static int64_t longest_on_axes(const struct sweep *sweep, int row)
{
    int64_t longest = 0;
    for (int a = 0; a < sweep->axis_count; a++)
        for (int m = 0; m < sweep->axes[a].member_count; m++) {
            const struct axis_member *member = &sweep->axes[a].members[m];
            for (int i = 0; member->kind == AXIS_SETTING && member->row == row && i < sweep->axes[a].length; i++)
                if (member->values.setting[i].integer > longest) longest = member->values.setting[i].integer;
        }
    return longest;
}

static int64_t context_of_size(const struct sweep *sweep, int size, int row)
{
    for (int i = 0; i < sweep->sizes[size].count; i++)
        if (sweep->sizes[size].rows[i] == row) return sweep->sizes[size].values[i].integer;
    return sweep->base.model.context;
}

int sweep_longest_context(const struct sweep *sweep)
{
    int row = setting_find("model.context");
    int64_t longest = longest_on_axes(sweep, row);
    if (longest > 0) return (int)longest;
    for (int s = 0; s < sweep->size_count; s++)
        if (context_of_size(sweep, s, row) > longest) longest = context_of_size(sweep, s, row);
    return (int)longest;
}
