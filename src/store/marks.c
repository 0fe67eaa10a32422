/* Marks: made, read, and checked against the rows they commit. */
#include <string.h>

#include "store_private.h"

/* The check covers the row number too, so that a mark in the wrong place is damaged. */
static uint64_t mark_check(const uint64_t mark[MARK_WORDS], int row)
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
 * A record is spread over the variables of its groups, and repeated where several cells share a stage.  The first view
 * gives a number, every further one must agree bit for bit; then the whole must have the mark's checksum. */

/* A NaN that no measurement makes: not read yet. */
static const uint64_t unread = 0x7ff80000706c6d70;

struct place { /* one view of one committed stage */
    int stage;
    int64_t index;
};
struct audit {
    const struct plan *plan;
    const enum stage_status *status; /* [rows] */
    const struct hash128 *checksum;  /* [rows] */
    bool *bad;                       /* [stages] */
    uint64_t *records;               /* numbers by their bits */
    size_t *start;                   /* [stages + 1]: of each record, in words; empty where nothing is committed */
    struct place *places[GROUPS_MAX];
    int64_t place_count[GROUPS_MAX];
};

static bool committed(const struct audit *audit, int stage)
{
    return audit->status[audit->plan->stage[stage].row] != STATUS_PENDING;
}

static void count_places(struct audit *audit)
{
    const struct plan *plan = audit->plan;
    for (int s = 0; s < plan->stages; s++) {
        const struct view *view = plan_views(plan, s);
        for (int v = 0; committed(audit, s) && v < plan->stage[s].views; v++) audit->place_count[view[v].group]++;
    }
}

static void list_places(struct audit *audit)
{
    const struct plan *plan = audit->plan;
    count_places(audit);
    for (int g = 0; g < GROUPS_MAX; g++) {
        audit->places[g] = memory_array((size_t)audit->place_count[g], sizeof *audit->places[g]);
        audit->place_count[g] = 0;
    }
    for (int s = 0; s < plan->stages; s++) {
        const struct view *view = plan_views(plan, s);
        for (int v = 0; committed(audit, s) && v < plan->stage[s].views; v++)
            audit->places[view[v].group][audit->place_count[view[v].group]++] = (struct place){s, view[v].index};
    }
}

static void audit_init(struct audit *audit)
{
    const struct plan *plan = audit->plan;
    audit->bad = memory_array((size_t)plan->stages, sizeof *audit->bad);
    audit->start = memory_array((size_t)plan->stages + 1, sizeof *audit->start);
    for (int s = 0; s < plan->stages; s++)
        audit->start[s + 1] = audit->start[s] + (size_t)(committed(audit, s) ? plan_record_length(plan, s) : 0);
    size_t words = audit->start[plan->stages];
    audit->records = memory_array(words, sizeof *audit->records);
    for (size_t i = 0; i < words; i++) audit->records[i] = unread;
    list_places(audit);
}

static void audit_reset(struct audit *audit)
{
    for (int g = 0; g < GROUPS_MAX; g++) memory_free(audit->places[g]);
    memory_free(audit->records);
    memory_free(audit->start);
    memory_free(audit->bad);
}

static void take_numbers(struct audit *audit, const struct column *column, const uint64_t *values)
{
    for (int64_t p = 0; p < audit->place_count[column->group]; p++) {
        const struct place *place = &audit->places[column->group][p];
        const struct stage *stage = &audit->plan->stage[place->stage];
        int offset = column_offset(audit->plan, column, stage->groups, stage->place);
        uint64_t *record = audit->records + audit->start[place->stage] + offset;
        for (int i = 0; offset >= 0 && i < column->extent; i++) {
            uint64_t value = values[place->index * column->extent + i];
            if (record[i] == unread) record[i] = value;
            if (record[i] != value) audit->bad[place->stage] = true;
        }
    }
}

static void compare_status(struct audit *audit, const struct column *column, const int8_t *values)
{
    for (int64_t p = 0; p < audit->place_count[column->group]; p++) {
        const struct place *place = &audit->places[column->group][p];
        if (values[place->index] != (int8_t)audit->status[audit->plan->stage[place->stage].row])
            audit->bad[place->stage] = true;
    }
}

static int audit_column(const struct hdf *hdf, struct audit *audit, const struct column *column)
{
    int64_t count = audit->plan->group[column->group].cells * column->extent;
    bool numbers = column->field >= 0;
    void *values = memory_array((size_t)count, numbers ? sizeof(double) : 1);
    int status = hdf_read_whole(hdf, column->name, numbers ? H5T_NATIVE_DOUBLE : H5T_NATIVE_INT8, count, values);
    if (status == 0 && numbers) take_numbers(audit, column, values);
    if (status == 0 && !numbers) compare_status(audit, column, values);
    memory_free(values);
    return status;
}

static void compare_checksums(struct audit *audit)
{
    for (int s = 0; s < audit->plan->stages; s++) {
        if (!committed(audit, s)) continue;
        size_t bytes = (audit->start[s + 1] - audit->start[s]) * sizeof(double);
        struct hash128 found = hash_bytes(audit->records + audit->start[s], bytes);
        if (!hash_equal(found, audit->checksum[audit->plan->stage[s].row])) audit->bad[s] = true;
    }
}

/* Rows whose record is damaged become pending. */
static int check_records(const struct hdf *hdf, const struct plan *plan, const struct hash128 *checksum,
                         enum stage_status *status, int *damaged)
{
    struct audit audit = {.plan = plan, .status = status, .checksum = checksum};
    int columns, result = 0;
    struct column *column = columns_of(plan, &columns);
    audit_init(&audit);
    for (int c = 0; c < columns && result == 0; c++)
        if (audit.place_count[column[c].group] > 0) result = audit_column(hdf, &audit, &column[c]);
    if (result == 0) compare_checksums(&audit);
    for (int s = 0; s < plan->stages && result == 0; s++) {
        if (!audit.bad[s] || status[plan->stage[s].row] == STATUS_PENDING) continue;
        status[plan->stage[s].row] = STATUS_PENDING;
        *damaged += 1;
    }
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
