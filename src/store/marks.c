/* Marks: made, and read. */
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

int marks_read(const struct hdf *hdf, int rows, enum stage_status *status, struct hash128 *checksum, bool *damaged)
{
    uint64_t(*mark)[MARK_WORDS] = memory_array((size_t)rows, sizeof *mark);
    int result = hdf_read_whole(hdf, STAGES_MARK, H5T_NATIVE_UINT64, (int64_t)rows * MARK_WORDS, mark);
    for (int r = 0; r < rows && result == 0; r++) damaged[r] = !mark_read(mark[r], r, &status[r], &checksum[r]);
    memory_free(mark);
    return result;
}

static void take_status(const struct records *records, enum stage_status *status, int *damaged)
{
    *damaged = 0;
    for (int r = 0; r < records->rows; r++) {
        status[r] = records->status[r];
        *damaged += records->damaged[r];
    }
}

int store_read_marks(struct store_reader *reader, const struct plan *plan, enum stage_status *status, int rows,
                     int *damaged, struct error *err)
{
    struct hdf hdf = {.file = reader->file, .path = reader->path, .err = err};
    struct records records;
    CHECK(!plan || plan->rows == rows, "a plan of %d rows for a table of %d", plan ? plan->rows : 0, rows);
    TRY(records_read(&hdf, plan, rows, &records));
    take_status(&records, status, damaged);
    records_reset(&records);
    return 0;
}
