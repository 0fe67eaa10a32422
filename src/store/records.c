/* Records, put together again from the variables, and checked against the marks that commit them.
 *
 * A record is spread over the variables of its groups, and repeated where several cells share a stage.  The first place
 * gives a number, every further one must agree bit for bit; then the whole must have the mark's checksum.  Places that
 * no stage fills are in no record, and must be as the skeleton was written. */
#include "store_private.h"

/* A NaN that no measurement makes: not read yet. */
static const uint64_t unread = 0x7ff80000706c6d70;

static int record_length(const struct plan *plan, int row)
{
    return record_offset(plan->tree[row].groups, plan->sweep->instruments, &plan->extents, plan->tree[row].place,
                         FIELD_COUNT);
}

static void make_room(struct records *records, const struct plan *plan)
{
    for (int r = 0; r < records->rows; r++) {
        bool committed = records->status[r] != STATUS_PENDING;
        records->start[r + 1] = records->start[r] + (size_t)(committed ? record_length(plan, r) : 0);
    }
    size_t words = records->start[records->rows];
    records->number = memory_array(words, sizeof *records->number);
    for (size_t i = 0; i < words; i++) records->number[i] = unread;
}

static void take_numbers(struct records *records, const struct plan *plan, const struct column *column,
                         const uint64_t *values, int row)
{
    const struct stage *stage = &plan->tree[row];
    int offset = column_offset(plan, column, stage->groups, stage->place);
    if (offset < 0) return;
    uint64_t *record = records->number + records->start[row] + offset;
    for (int i = 0; i < column->extent; i++) {
        if (record[i] == unread) record[i] = values[i];
        if (record[i] != values[i]) records->damaged[row] = true;
    }
}

static int read_column(const struct hdf *hdf, struct records *records, const struct plan *plan,
                       const struct column *column)
{
    const struct group_layout *layout = &plan->group[column->group];
    int64_t count = layout->cells * column->extent;
    bool numbers = column->field >= 0;
    size_t width = numbers ? sizeof(double) : 1;
    char *values = memory_array((size_t)count, width);
    int result = hdf_read_whole(hdf, column->name, numbers ? H5T_NATIVE_DOUBLE : H5T_NATIVE_INT8, count, values);
    for (int64_t i = 0; i < layout->cells && result == 0; i++) {
        int row = column_stage(plan, column, i);
        char *here = values + (size_t)(i * column->extent) * width;
        if (row < 0) records->strays += !column_is_empty(column, here);
        if (row < 0 || records->status[row] == STATUS_PENDING) continue;
        if (numbers)
            take_numbers(records, plan, column, (const uint64_t *)values + i * column->extent, row);
        else if (values[i] != (char)records->status[row])
            records->damaged[row] = true;
    }
    memory_free(values);
    return result;
}

/* Rows whose record is damaged become pending. */
static void judge_rows(struct records *records, const struct hash128 *checksum)
{
    for (int r = 0; r < records->rows; r++) {
        if (records->status[r] == STATUS_PENDING) continue;
        int length;
        const double *record = records_of(records, r, &length);
        if (!hash_equal(hash_bytes(record, (size_t)length * sizeof *record), checksum[r])) records->damaged[r] = true;
        if (records->damaged[r]) records->status[r] = STATUS_PENDING;
    }
}

static int read_records(const struct hdf *hdf, const struct plan *plan, const struct hash128 *checksum,
                        struct records *records)
{
    int columns, result = 0;
    struct column *column = columns_of(plan, &columns);
    make_room(records, plan);
    for (int c = 0; c < columns && result == 0; c++) result = read_column(hdf, records, plan, &column[c]);
    if (result == 0) judge_rows(records, checksum);
    memory_free(column);
    return result;
}

int records_read(const struct hdf *hdf, const struct plan *plan, int rows, struct records *records)
{
    struct records found = {.rows = rows};
    struct hash128 *checksum = memory_array((size_t)rows, sizeof *checksum);
    found.status = memory_array((size_t)rows, sizeof *found.status);
    found.damaged = memory_array((size_t)rows, sizeof *found.damaged);
    found.start = memory_array((size_t)rows + 1, sizeof *found.start);
    int result = marks_read(hdf, rows, found.status, checksum, found.damaged);
    if (result == 0 && plan) result = read_records(hdf, plan, checksum, &found);
    memory_free(checksum);
    if (result == 0)
        *records = found;
    else
        records_reset(&found);
    return result;
}

void records_reset(struct records *records)
{
    memory_free(records->status);
    memory_free(records->damaged);
    memory_free(records->start);
    memory_free(records->number);
    *records = (struct records){0};
}

const double *records_of(const struct records *records, int row, int *length)
{
    *length = (int)(records->start[row + 1] - records->start[row]);
    return (const double *)records->number + records->start[row];
}
