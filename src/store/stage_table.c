/* The group /stages: what each stage is, in plan order, and its commit mark. */
#include "store_private.h"

/* The bytes of an id in the order in which they are written as text. */
static void id_bytes(struct hash128 id, uint8_t bytes[ID_BYTES])
{
    for (int i = 0; i < ID_BYTES / 2; i++) {
        bytes[i] = (uint8_t)(id.high >> (56 - 8 * i));
        bytes[i + ID_BYTES / 2] = (uint8_t)(id.low >> (56 - 8 * i));
    }
}

/* One stage for each row: the one of the first cell, so that a plan without sharing gives the same table. */
static const struct stage **stage_of_rows(const struct plan *plan)
{
    const struct stage **of_row = memory_array((size_t)plan->rows, sizeof *of_row);
    for (int s = 0; s < plan->stages; s++) {
        const struct stage **place = &of_row[plan->stage[s].row];
        if (!*place || plan->stage[s].cell < (*place)->cell) *place = &plan->stage[s];
    }
    for (int r = 0; r < plan->rows; r++) CHECK(of_row[r], "no stage for row %d", r);
    return of_row;
}

static int put_ids(const struct hdf *hdf, const struct stage *const *stage, int rows)
{
    uint8_t(*states)[ID_BYTES] = memory_array((size_t)rows, sizeof *states);
    uint8_t(*records)[ID_BYTES] = memory_array((size_t)rows, sizeof *records);
    struct dimensions dimensions = {.count = 2, .length = {(hsize_t)rows, ID_BYTES}};
    for (int r = 0; r < rows; r++) {
        id_bytes(stage[r]->state, states[r]);
        id_bytes(stage[r]->record, records[r]);
    }
    hid_t first = hdf_dataset(hdf, "stages/state_id", H5T_NATIVE_UINT8, &dimensions, NULL, states);
    hid_t second = first < 0 ? -1 : hdf_dataset(hdf, "stages/record_id", H5T_NATIVE_UINT8, &dimensions, NULL, records);
    if (first >= 0) H5Dclose(first);
    if (second >= 0) H5Dclose(second);
    memory_free(states);
    memory_free(records);
    return second < 0 ? -1 : 0;
}

/* One column of the table; value_of picks it. */
static int put_integers(const struct hdf *hdf, const char *name, const struct plan *plan,
                        const struct stage *const *stage,
                        int64_t (*value_of)(const struct plan *, const struct stage *))
{
    int64_t *values = memory_array((size_t)plan->rows, sizeof *values);
    for (int r = 0; r < plan->rows; r++) values[r] = value_of(plan, stage[r]);
    int status = hdf_put(hdf, name, H5T_NATIVE_INT64, plan->rows, values);
    memory_free(values);
    return status;
}

static int64_t parent_of(const struct plan *plan, const struct stage *stage)
{
    return stage->parent < 0 ? -1 : plan->stage[stage->parent].row;
}
static int64_t kind_of(const struct plan *plan, const struct stage *stage) { return (void)plan, stage->kind; }
static int64_t place_of(const struct plan *plan, const struct stage *stage) { return (void)plan, stage->place; }
static int64_t start_of(const struct plan *plan, const struct stage *stage) { return (void)plan, stage->start_step; }
static int64_t stop_of(const struct plan *plan, const struct stage *stage) { return (void)plan, stage->stop_step; }
static int64_t cell_of(const struct plan *plan, const struct stage *stage) { return (void)plan, stage->cell; }

static int put_marks(const struct hdf *hdf, int rows)
{
    struct dimensions dimensions = {.count = 2, .length = {(hsize_t)rows, MARK_WORDS}};
    hid_t mark = hdf_dataset(hdf, STAGES_MARK, H5T_NATIVE_UINT64, &dimensions, NULL, NULL);
    if (mark < 0) return -1;
    int status =
        hdf_attribute_text(hdf, mark, "long_name",
                           "commit mark: status, checksum of the record (low, high), check of these and the row; "
                           "all zero: pending");
    H5Dclose(mark);
    return status;
}

int stages_create(const struct hdf *hdf, const struct plan *plan)
{
    static const struct {
        const char *name;
        int64_t (*value_of)(const struct plan *, const struct stage *);
    } column[] = {{"stages/parent", parent_of},    {"stages/kind", kind_of},      {"stages/place", place_of},
                  {"stages/start_step", start_of}, {"stages/stop_step", stop_of}, {"stages/cell", cell_of}};
    const struct stage **stage = stage_of_rows(plan);
    int status = hdf_group(hdf, "stages");
    if (status == 0) status = put_ids(hdf, stage, plan->rows);
    for (size_t c = 0; c < sizeof column / sizeof *column && status == 0; c++)
        status = put_integers(hdf, column[c].name, plan, stage, column[c].value_of);
    memory_free(stage);
    return status == 0 ? put_marks(hdf, plan->rows) : -1;
}
