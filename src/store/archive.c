/* A results file read by its own account.  The stage table says which rows there are and which places they fill, and
 * that is enough to put every record together again: neither the sweep nor its data need be there any more. */
#include <stdio.h>
#include <string.h>

#include "palimpsest/store_archive.h"
#include "store_private.h"

struct told { /* as much of a plan as a results file tells */
    struct plan plan;
    struct sweep sweep;
};

static int damaged_table(const struct hdf *hdf, const char *what)
{
    return error_set(hdf->err, ERROR_OUTSIDE, "%s: the stage table is damaged: %s", hdf->path, what);
}

/* ---- the form of records ---- */

static int find_instrument(const char *name)
{
    for (int i = 0; i < INSTRUMENT_COUNT; i++)
        if (strcmp(instrument_name((enum instrument)i), name) == 0) return i;
    return -1;
}

static int read_instruments(const struct hdf *hdf, unsigned *instruments)
{
    char **names;
    int count, status = 0;
    TRY(hdf_read_texts(hdf, STAGES_INSTRUMENTS, &names, &count));
    for (int i = 0; i < count; i++) {
        int found = find_instrument(names[i]);
        if (found < 0 && status == 0)
            status = error_set(hdf->err, ERROR_INPUT, "%s: was measured with \"%s\", which this program does not know",
                               hdf->path, names[i]);
        else if (found >= 0)
            *instruments |= 1u << found;
        memory_free(names[i]);
    }
    memory_free(names);
    return status;
}

static int read_extents(const struct hdf *hdf, struct record_extents *extents)
{
    static const int most[DIMENSION_COUNT] = {
        [DIMENSION_DOMAIN] = 2 * DOMAINS_MAX, [DIMENSION_LAYER] = LAYERS_MAX + 2,
        [DIMENSION_POINT] = POINTS_MAX,       [DIMENSION_RESTORED] = LAYERS_MAX + 2,
        [DIMENSION_PROMPT] = SWEEP_TASKS_MAX, [DIMENSION_NOISE] = NOISE_SCALES,
        [DIMENSION_BLOCK] = BLOCKS_MAX,       [DIMENSION_PROGRESS] = LOOKS_MAX + 1,
        [DIMENSION_PROBED] = SWEEP_TASKS_MAX};
    struct record_extents found;
    int64_t known; /* an earlier version knew fewer, and no field had the others */
    TRY(hdf_count(hdf, STAGES_EXTENTS, &known));
    for (int d = 0; d < DIMENSION_COUNT; d++) found.length[d] = 1;
    if (known < 1 || known > DIMENSION_COUNT) return damaged_table(hdf, "dimensions of records that are not known");
    TRY(hdf_read_whole(hdf, STAGES_EXTENTS, H5T_NATIVE_INT, known, found.length));
    for (int d = 0; d < DIMENSION_COUNT; d++)
        if (found.length[d] < 1 || found.length[d] > most[d])
            return damaged_table(hdf, "the lengths of its records are impossible");
    *extents = found;
    return 0;
}

/* ---- rows ---- */

static int read_ids(const struct hdf *hdf, const char *name, int rows, size_t offset, struct stage *tree)
{
    uint8_t(*bytes)[ID_BYTES] = memory_array((size_t)rows, sizeof *bytes);
    int status = hdf_read_whole(hdf, name, H5T_NATIVE_UINT8, (int64_t)rows * ID_BYTES, bytes);
    for (int r = 0; r < rows && status == 0; r++) {
        struct hash128 id = id_of_bytes(bytes[r]);
        memcpy((char *)&tree[r] + offset, &id, sizeof id);
    }
    memory_free(bytes);
    return status;
}

static int read_member(const struct hdf *hdf, const char *name, hid_t type, int rows, size_t offset, struct stage *tree)
{
    size_t width = H5Tget_size(type);
    char *values = memory_array((size_t)rows, width);
    int status = hdf_read_whole(hdf, name, type, rows, values);
    for (int r = 0; r < rows && status == 0; r++) memcpy((char *)&tree[r] + offset, values + (size_t)r * width, width);
    memory_free(values);
    return status;
}

static int check_rows(const struct hdf *hdf, const struct plan *plan)
{
    for (int r = 0; r < plan->rows; r++) {
        const struct stage *stage = &plan->tree[r];
        if (stage->kind < STAGE_INITIAL || stage->kind >= STAGE_KINDS) return damaged_table(hdf, "a kind of stage");
        if (stage->place < -1 || stage->place >= PLACES_MAX) return damaged_table(hdf, "a place in a sequence");
        if (stage->parent < -1 || stage->parent >= r) return damaged_table(hdf, "a parent");
    }
    return 0;
}

static int read_rows(const struct hdf *hdf, struct plan *plan)
{
    int64_t words;
    TRY(hdf_count(hdf, STAGES_MARK, &words));
    int rows = plan->rows = plan->stages = (int)(words / MARK_WORDS);
    struct stage *tree = plan->tree = plan->stage = memory_array((size_t)rows, sizeof *tree);
    for (int r = 0; r < rows; r++) tree[r].row = r;
    TRY(read_ids(hdf, "stages/state_id", rows, offsetof(struct stage, state), tree));
    TRY(read_ids(hdf, "stages/record_id", rows, offsetof(struct stage, record), tree));
    TRY(read_member(hdf, "stages/parent", H5T_NATIVE_INT, rows, offsetof(struct stage, parent), tree));
    TRY(read_member(hdf, "stages/kind", H5T_NATIVE_INT, rows, offsetof(struct stage, kind), tree));
    TRY(read_member(hdf, "stages/place", H5T_NATIVE_INT, rows, offsetof(struct stage, place), tree));
    TRY(read_member(hdf, "stages/start_step", H5T_NATIVE_INT64, rows, offsetof(struct stage, start_step), tree));
    TRY(read_member(hdf, "stages/stop_step", H5T_NATIVE_INT64, rows, offsetof(struct stage, stop_step), tree));
    TRY(read_member(hdf, "stages/cell", H5T_NATIVE_INT64, rows, offsetof(struct stage, cell), tree));
    return check_rows(hdf, plan);
}

static int read_places(const struct hdf *hdf, struct plan *plan, int group)
{
    struct group_layout *layout = &plan->group[group];
    char name[PLACES_NAME_BYTES];
    places_name(group, name);
    TRY(hdf_exists(hdf, name, &layout->used));
    if (!layout->used) return 0;
    TRY(hdf_count(hdf, name, &layout->cells));
    layout->stage = memory_array((size_t)layout->cells, sizeof *layout->stage);
    TRY(hdf_read_whole(hdf, name, H5T_NATIVE_INT32, layout->cells, layout->stage));
    for (int64_t i = 0; i < layout->cells; i++) {
        if (layout->stage[i] < -1 || layout->stage[i] >= plan->rows) return damaged_table(hdf, name);
        if (layout->stage[i] >= 0) plan->tree[layout->stage[i]].groups |= 1u << group;
    }
    return 0;
}

static int read_told(const struct hdf *hdf, struct told *told)
{
    struct plan *plan = &told->plan;
    plan->sweep = &told->sweep;
    TRY(read_instruments(hdf, &told->sweep.instruments));
    TRY(read_extents(hdf, &plan->extents));
    TRY(read_rows(hdf, plan));
    for (int g = 0; g < GROUPS_MAX; g++) TRY(read_places(hdf, plan, g));
    return 0;
}

/* ---- the whole ---- */

static int read_provenance(const struct hdf *hdf, struct archive *archive)
{
    hid_t type = provenance_type();
    int rows = archive->plan->rows;
    archive->provenance = memory_array((size_t)rows, sizeof *archive->provenance);
    int status = hdf_read_whole(hdf, PROVENANCE_STAGE, type, rows, archive->provenance);
    H5Tclose(type);
    return status;
}

static int read_archive(struct store_reader *reader, struct archive *archive, struct error *err)
{
    struct hdf hdf = {.file = reader->file, .path = reader->path, .err = err};
    struct told *told = memory_allocate(sizeof *told);
    struct records records = {0};
    archive->plan = &told->plan;
    TRY(store_read_origin(reader, &archive->origin, err));
    TRY(read_told(&hdf, told));
    TRY(records_read(&hdf, archive->plan, archive->plan->rows, &records));
    archive->status = records.status;
    archive->damaged = records.damaged;
    archive->start = records.start;
    archive->numbers = (double *)records.number;
    archive->strays = records.strays;
    for (int r = 0; r < records.rows; r++) archive->damaged_rows += records.damaged[r];
    return read_provenance(&hdf, archive);
}

int archive_read(const char *path, struct archive **archive, struct error *err)
{
    struct store_reader *reader = NULL;
    TRY(store_check(path, err));
    TRY(store_reader_open(path, &reader, err));
    struct archive *read = memory_allocate(sizeof *read);
    read->path = memory_text(path);
    int status = read_archive(reader, read, err);
    store_reader_close(&reader);
    if (status == 0)
        *archive = read;
    else
        archive_destroy(&read);
    return status;
}

void archive_destroy(struct archive **archive)
{
    struct archive *old = *archive;
    if (!old) return;
    if (old->plan) {
        struct told *told = (struct told *)(uintptr_t)old->plan; /* the plan is its first member */
        for (int g = 0; g < GROUPS_MAX; g++) memory_free(told->plan.group[g].stage);
        memory_free(told->plan.tree);
        memory_free(told);
    }
    store_origin_reset(&old->origin);
    memory_free(old->status);
    memory_free(old->damaged);
    memory_free(old->start);
    memory_free(old->numbers);
    memory_free(old->provenance);
    memory_free(old->path);
    memory_free(old);
    *archive = NULL;
}

const double *archive_record(const struct archive *archive, int row, int *length)
{
    *length = (int)(archive->start[row + 1] - archive->start[row]);
    return archive->numbers + archive->start[row];
}

/* ---- names ---- */

static size_t print_index(const struct plan *plan, const struct group_layout *layout, int64_t place, char *text,
                          size_t size)
{
    int index[sizeof layout->axis / sizeof *layout->axis];
    size_t used = 0;
    for (int d = layout->axis_count - 1; d >= 0; d--) {
        int length = group_dimension_length(plan, layout, d);
        index[d] = (int)(place % length);
        place /= length;
    }
    for (int d = 0; d < layout->axis_count && used < size; d++)
        used += (size_t)snprintf(text + used, size - used, "%s%d", d > 0 ? ", " : "", index[d]);
    return used;
}

void record_place(const struct plan *plan, int row, int at, char *text, size_t size)
{
    const struct stage *stage = &plan->tree[row];
    int columns, offset = -1;
    struct column *column = columns_of(plan, &columns), *found = NULL;
    for (int c = 0; c < columns && !found; c++) {
        if (column[c].field < 0 || !(stage->groups & 1u << column[c].group)) continue;
        offset = column_offset(plan, &column[c], stage->groups, stage->place);
        if (offset >= 0 && at >= offset && at < offset + column[c].extent) found = &column[c];
    }
    CHECK(found, "number %d of row %d stands in no variable", at, row);
    const struct group_layout *layout = &plan->group[found->group];
    int64_t place = 0;
    while (place < layout->cells && layout->stage[place] != row) place++;
    size_t used = (size_t)snprintf(text, size, "%s[", found->name);
    if (used < size) used += print_index(plan, layout, place, text + used, size - used);
    if (used < size && found->extent > 1) used += (size_t)snprintf(text + used, size - used, ", %d", at - offset);
    if (used < size) snprintf(text + used, size - used, "]");
    memory_free(column);
}
