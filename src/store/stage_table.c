/* The group /stages: what each stage is, in plan order, which places of the variables it fills, and its commit mark.
 * It is complete in itself: a file is read without its sweep, its data, and the program that wrote it. */
#include <stdio.h>

#include "store_private.h"

/* The bytes of an id in the order in which they are written as text. */
static void id_bytes(struct hash128 id, uint8_t bytes[ID_BYTES])
{
    for (int i = 0; i < ID_BYTES / 2; i++) {
        bytes[i] = (uint8_t)(id.high >> (56 - 8 * i));
        bytes[i + ID_BYTES / 2] = (uint8_t)(id.low >> (56 - 8 * i));
    }
}

struct hash128 id_of_bytes(const uint8_t bytes[ID_BYTES])
{
    struct hash128 id = {0};
    for (int i = 0; i < ID_BYTES / 2; i++) {
        id.high = id.high << 8 | bytes[i];
        id.low = id.low << 8 | bytes[i + ID_BYTES / 2];
    }
    return id;
}

static int put_ids(const struct hdf *hdf, const struct stage *stage, int rows)
{
    uint8_t(*states)[ID_BYTES] = memory_array((size_t)rows, sizeof *states);
    uint8_t(*records)[ID_BYTES] = memory_array((size_t)rows, sizeof *records);
    struct dimensions dimensions = {.count = 2, .length = {(hsize_t)rows, ID_BYTES}};
    for (int r = 0; r < rows; r++) {
        id_bytes(stage[r].state, states[r]);
        id_bytes(stage[r].record, records[r]);
    }
    hid_t first = hdf_dataset(hdf, "stages/state_id", H5T_NATIVE_UINT8, &dimensions, NULL, states);
    hid_t second = first < 0 ? -1 : hdf_dataset(hdf, "stages/record_id", H5T_NATIVE_UINT8, &dimensions, NULL, records);
    if (first >= 0) H5Dclose(first);
    if (second >= 0) H5Dclose(second);
    memory_free(states);
    memory_free(records);
    return second < 0 ? -1 : 0;
}

_Static_assert(sizeof(enum stage_kind) == sizeof(int), "kinds are stored by their memory");
static int put_kind_names(const struct hdf *hdf)
{
    const char *names[STAGE_KINDS];
    for (int kind = 0; kind < STAGE_KINDS; kind++) names[kind] = stage_kind_name((enum stage_kind)kind);
    return hdf_put_texts(hdf, "stages/kind_names", STAGE_KINDS, names);
}

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

/* row_of_GROUP: for each place of the group's variables, row-major, the row of the stage that fills it, or -1. */
static int put_places(const struct hdf *hdf, const struct plan *plan)
{
    for (int g = 0; g < GROUPS_MAX; g++) {
        const struct group_layout *layout = &plan->group[g];
        char name[PLACES_NAME_BYTES];
        places_name(g, name);
        if (layout->used) TRY(hdf_put(hdf, name, H5T_NATIVE_INT32, layout->cells, layout->stage));
    }
    return 0;
}

void places_name(int group, char name[PLACES_NAME_BYTES])
{
    snprintf(name, PLACES_NAME_BYTES, "stages/row_of_%s", group_name(group));
}

/* What tells where each number of a record stands. */
static int put_record_form(const struct hdf *hdf, const struct plan *plan)
{
    const char *names[INSTRUMENT_COUNT];
    int count = 0;
    for (int i = 0; i < INSTRUMENT_COUNT; i++)
        if (instrument_on(plan->sweep->instruments, (enum instrument)i))
            names[count++] = instrument_name((enum instrument)i);
    TRY(hdf_put_texts(hdf, STAGES_INSTRUMENTS, count, names));
    return hdf_put(hdf, STAGES_EXTENTS, H5T_NATIVE_INT, DIMENSION_COUNT, plan->extents.length);
}

int stages_create(const struct hdf *hdf, const struct plan *plan)
{
    const struct stage *tree = plan->tree;
    TRY(hdf_group(hdf, "stages"));
    TRY(put_ids(hdf, tree, plan->rows));
    TRY(hdf_put_member(hdf, "stages/parent", H5T_NATIVE_INT, plan->rows, MEMBER(tree, parent)));
    TRY(hdf_put_member(hdf, "stages/kind", H5T_NATIVE_INT, plan->rows, MEMBER(tree, kind)));
    TRY(hdf_put_member(hdf, "stages/place", H5T_NATIVE_INT, plan->rows, MEMBER(tree, place)));
    TRY(hdf_put_member(hdf, "stages/start_step", H5T_NATIVE_INT64, plan->rows, MEMBER(tree, start_step)));
    TRY(hdf_put_member(hdf, "stages/stop_step", H5T_NATIVE_INT64, plan->rows, MEMBER(tree, stop_step)));
    TRY(hdf_put_member(hdf, "stages/cell", H5T_NATIVE_INT64, plan->rows, MEMBER(tree, cell)));
    TRY(put_kind_names(hdf));
    TRY(put_places(hdf, plan));
    TRY(put_record_form(hdf, plan));
    return put_marks(hdf, plan->rows);
}
