/* Marks: made, read, and checked against the rows they commit. */
#include <string.h>

#include "store_private.h"

uint64_t mark_check(const uint64_t mark[MARK_WORDS], int row)
{
    uint64_t words[MARK_WORDS] = {mark[0], mark[1], mark[2], (uint64_t)row};
    return hash_bytes(words, sizeof words).low;
}

void mark_fill(uint64_t mark[MARK_WORDS], int row, enum stage_status status, struct hash128 checksum)
{
    mark[0] = status;
    mark[1] = checksum.low;
    mark[2] = checksum.high;
    mark[3] = mark_check(mark, row);
}

bool mark_read(const uint64_t mark[MARK_WORDS], int row, enum stage_status *status, struct hash128 *checksum)
{
    *status = STATUS_PENDING;
    if (mark[0] == 0 && mark[1] == 0 && mark[2] == 0 && mark[3] == 0) return true;
    if (mark[0] >= STATUS_COUNT || mark[3] != mark_check(mark, row)) return false;
    *status = (enum stage_status)mark[0];
    *checksum = (struct hash128){.low = mark[1], .high = mark[2]};
    return true;
}

/* ---- records, put together again from the variables ----
 *
 * A record is spread over the variables of its groups, and repeated where several cells share a stage.  The first place
 * gives a number, every further one must agree bit for bit; then the whole must have the mark's checksum. */

/* A NaN that no measurement makes: not read yet. */
static const uint64_t unread = 0x7ff80000706c6d70;

struct audit {
    const struct plan *plan;
    const struct hash128 *checksum; /* [rows] */
    enum stage_status *status;      /* [rows] */
    bool *bad;                      /* [rows] */
    uint64_t *records;              /* numbers by their bits */
    size_t *start;                  /* [rows + 1]: of each record, in words; empty where nothing is committed */
};

static int record_length(const struct plan *plan, int row)
{
    return record_offset(plan->tree[row].groups, plan->sweep->instruments, &plan->extents, plan->tree[row].place,
                         FIELD_COUNT);
}

static void audit_init(struct audit *audit)
{
    const struct plan *plan = audit->plan;
    audit->bad = memory_array((size_t)plan->rows, sizeof *audit->bad);
    audit->start = memory_array((size_t)plan->rows + 1, sizeof *audit->start);
    for (int r = 0; r < plan->rows; r++) {
        bool committed = audit->status[r] != STATUS_PENDING;
        audit->start[r + 1] = audit->start[r] + (size_t)(committed ? record_length(plan, r) : 0);
    }
    size_t words = audit->start[plan->rows];
    audit->records = memory_array(words, sizeof *audit->records);
    for (size_t i = 0; i < words; i++) audit->records[i] = unread;
}

static void audit_reset(struct audit *audit)
{
    memory_free(audit->records);
    memory_free(audit->start);
    memory_free(audit->bad);
}

static void take_numbers(struct audit *audit, const struct column *column, const uint64_t *values, int row)
{
    const struct stage *stage = &audit->plan->tree[row];
    int offset = column_offset(audit->plan, column, stage->groups, stage->place);
    uint64_t *record = audit->records + audit->start[row] + offset;
    for (int i = 0; offset >= 0 && i < column->extent; i++) {
        if (record[i] == unread) record[i] = values[i];
        if (record[i] != values[i]) audit->bad[row] = true;
    }
}

static int audit_column(const struct hdf *hdf, struct audit *audit, const struct column *column)
{
    const struct group_layout *layout = &audit->plan->group[column->group];
    int64_t count = layout->cells * column->extent;
    bool numbers = column->field >= 0;
    size_t width = numbers ? sizeof(double) : 1;
    char *values = memory_array((size_t)count, width);
    int result = hdf_read_whole(hdf, column->name, numbers ? H5T_NATIVE_DOUBLE : H5T_NATIVE_INT8, count, values);
    for (int64_t i = 0; i < layout->cells && result == 0; i++) {
        int row = layout->stage[i];
        if (row < 0 || audit->status[row] == STATUS_PENDING) continue;
        if (numbers)
            take_numbers(audit, column, (const uint64_t *)values + i * column->extent, row);
        else if (values[i] != (char)audit->status[row])
            audit->bad[row] = true;
    }
    memory_free(values);
    return result;
}

/* Rows whose record is damaged become pending. */
static void judge_rows(struct audit *audit, int *damaged)
{
    for (int r = 0; r < audit->plan->rows; r++) {
        if (audit->status[r] == STATUS_PENDING) continue;
        size_t bytes = (audit->start[r + 1] - audit->start[r]) * sizeof(double);
        struct hash128 found = hash_bytes(audit->records + audit->start[r], bytes);
        if (!audit->bad[r] && hash_equal(found, audit->checksum[r])) continue;
        audit->status[r] = STATUS_PENDING;
        *damaged += 1;
    }
}

static int check_records(const struct hdf *hdf, const struct plan *plan, const struct hash128 *checksum,
                         enum stage_status *status, int *damaged)
{
    struct audit audit = {.plan = plan, .status = status, .checksum = checksum};
    int columns, result = 0;
    struct column *column = columns_of(plan, &columns);
    audit_init(&audit);
    for (int c = 0; c < columns && result == 0; c++) result = audit_column(hdf, &audit, &column[c]);
    if (result == 0) judge_rows(&audit, damaged);
    audit_reset(&audit);
    memory_free(column);
    return result;
}

static int read_marks(const struct hdf *hdf, int rows, enum stage_status *status, struct hash128 *checksum,
                      int *damaged)
{
    uint64_t(*mark)[MARK_WORDS] = memory_array((size_t)rows, sizeof *mark);
    int result = hdf_read_whole(hdf, STAGES_MARK, H5T_NATIVE_UINT64, (int64_t)rows * MARK_WORDS, mark);
    for (int r = 0; r < rows && result == 0; r++)
        if (!mark_read(mark[r], r, &status[r], &checksum[r])) *damaged += 1;
    memory_free(mark);
    return result;
}

int store_read_marks(struct store_reader *reader, const struct plan *plan, enum stage_status *status, int rows,
                     int *damaged, struct error *err)
{
    struct hdf hdf = {.file = reader->file, .path = reader->path, .err = err};
    struct hash128 *checksum = memory_array((size_t)rows, sizeof *checksum);
    enum stage_status *found = memory_array((size_t)rows, sizeof *found);
    int bad = 0;
    CHECK(!plan || plan->rows == rows, "a plan of %d rows for a table of %d", plan ? plan->rows : 0, rows);
    int result = read_marks(&hdf, rows, found, checksum, &bad);
    if (result == 0 && plan) result = check_records(&hdf, plan, checksum, found, &bad);
    if (result == 0) {
        memcpy(status, found, (size_t)rows * sizeof *status);
        *damaged = bad;
    }
    memory_free(found);
    memory_free(checksum);
    return result;
}
