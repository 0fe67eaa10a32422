/* The variables of the root that stages fill.  Which there are, along which dimensions, and where each stands in a
 * stage's record follows from the plan and the table of fields alone. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "store_private.h"

void dimensions_add(struct dimensions *dimensions, const char *name, int64_t length)
{
    CHECK(dimensions->count < DIMENSIONS_MOST, "more than %d dimensions", DIMENSIONS_MOST);
    dimensions->name[dimensions->count] = name;
    dimensions->length[dimensions->count++] = (hsize_t)length;
}

void axes_dimensions(const struct plan *plan, int axis_count, const int *axis, struct dimensions *dimensions)
{
    const struct sweep *sweep = plan->sweep;
    dimensions->count = 0;
    for (int i = 0; i < axis_count; i++) {
        if (axis[i] < 0) /* TASK_OF_FIRST or TASK_OF_LAST */
            dimensions_add(dimensions, "task", sweep->task_count);
        else
            dimensions_add(dimensions, sweep->axes[axis[i]].name, sweep->axes[axis[i]].length);
    }
}

void column_dimensions(const struct plan *plan, const struct column *column, struct dimensions *dimensions)
{
    const struct group_layout *layout = &plan->group[column->group];
    axes_dimensions(plan, layout->axis_count, layout->axis, dimensions);
    if (column->field < 0) return;
    const struct field *field = &fields_table[column->field];
    for (int d = 0; d < field->dimensions; d++)
        dimensions_add(dimensions, dimension_name(field->dimension[d]), plan->extents.length[field->dimension[d]]);
}

int column_offset(const struct plan *plan, const struct column *column, unsigned groups, int place)
{
    int offset = record_offset(groups, plan->sweep->instruments, &plan->extents, place, column->field);
    return offset < 0 ? -1 : offset + column->part * column->extent;
}

int column_stage(const struct plan *plan, const struct column *column, int64_t place)
{
    int row = plan->group[column->group].stage[place];
    if (row < 0 || column->field < 0) return row;
    return column_offset(plan, column, plan->tree[row].groups, plan->tree[row].place) < 0 ? -1 : row;
}

/* One value of the column as the skeleton was written. */
static size_t empty_value(const struct column *column, const void **value)
{
    static const int8_t excluded = STATUS_EXCLUDED;
    static const double missing = NAN;
    *value = column->field < 0 ? (const void *)&excluded : &missing;
    return column->field < 0 ? sizeof excluded : sizeof missing;
}

bool column_is_empty(const struct column *column, const void *values)
{
    const void *empty;
    size_t width = empty_value(column, &empty);
    for (int i = 0; i < column->extent; i++)
        if (memcmp((const char *)values + (size_t)i * width, empty, width) != 0) return false;
    return true;
}

void column_make_empty(const struct column *column, void *values)
{
    const void *empty;
    size_t width = empty_value(column, &empty);
    for (int i = 0; i < column->extent; i++) memcpy((char *)values + (size_t)i * width, empty, width);
}

static int add_field(const struct plan *plan, int group, const struct field *field, struct column *column)
{
    int parts = field_variables(group, field->id, plan->sweep->instruments),
        extent = field_width(field->id, &plan->extents);
    for (int part = 0; part < parts; part++) {
        column[part] = (struct column){.group = group, .field = field->id, .part = part, .extent = extent};
        field_variable(group, field->id, part, column[part].name, sizeof column[part].name);
    }
    return parts;
}

struct column *columns_of(const struct plan *plan, int *count)
{
    struct column *column = memory_array((size_t)plan_variables(plan), sizeof *column);
    *count = 0;
    for (int group = 0; group < GROUPS_MAX; group++) {
        if (!plan->group[group].used) continue;
        struct column *status = &column[(*count)++];
        *status = (struct column){.group = group, .field = -1, .extent = 1};
        snprintf(status->name, sizeof status->name, "status_%s", group_name(group));
        for (int id = 0; id < FIELD_COUNT; id++) *count += add_field(plan, group, &fields_table[id], column + *count);
    }
    return column;
}
