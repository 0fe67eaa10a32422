/* Rows: what stages leave in the results file.
 *
 * A row of thirty numbers in twenty variables is some twenty calls of HDF5, and most of what they cost is the same for
 * one number as for a hundred.  So rows that are written together go along lines: places at equal distances along one
 * axis are one selection, and where they stand side by side one write to the file. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "writer_private.h"

enum { LINE_MOST = 1024 }; /* places: their values are gathered in memory */
struct line {
    hsize_t start[DIMENSIONS_MOST]; /* its first place */
    int axis;                       /* along which it goes; of no account for a single place */
    hsize_t stride;                 /* between its places */
    int places;
};

static hid_t blocks_in_memory(struct store *store, const struct slot *slot, int places)
{
    hsize_t values = (hsize_t)places * slot->values;
    if (places == 1) return slot->block;
    return H5Sset_extent_simple(store->blocks, 1, &values, NULL) < 0 ? -1 : store->blocks;
}

static int select_line(const struct slot *slot, const struct line *line)
{
    hsize_t stride[DIMENSIONS_MOST], count[DIMENSIONS_MOST];
    for (int d = 0; d < slot->rank; d++) {
        bool along = line->places > 1 && d == line->axis;
        stride[d] = along ? line->stride : 1;
        count[d] = along ? (hsize_t)line->places : slot->count[d];
    }
    return H5Sselect_hyperslab(slot->space, H5S_SELECT_SET, line->start, stride, count, NULL) < 0 ? -1 : 0;
}

/* values: of the first place, of the second, and so on. */
static int write_line(struct store *store, struct slot *slot, const struct line *line, const void *values,
                      struct error *err)
{
    hid_t memory = blocks_in_memory(store, slot, line->places), space = slot->rank > 0 ? slot->space : H5S_ALL;
    if (memory < 0 || (slot->rank > 0 && select_line(slot, line) != 0) ||
        H5Dwrite(slot->dataset, slot->type, memory, space, store->transfer, values) < 0)
        return hdf_fail(err, store->path, "%s cannot be written", slot->name);
    return 0;
}

static char *room_for(struct store *store, size_t bytes)
{
    store->gathered = memory_grow(store->gathered, &store->gathered_capacity, bytes, 1);
    return store->gathered;
}

/* ---- places of the variables ---- */

/* Index along each dimension of the group for a row-major index; those after it start at 0. */
static void view_start(const struct plan *plan, const struct view *view, hsize_t start[DIMENSIONS_MOST])
{
    const struct group_layout *layout = &plan->group[view->group];
    int64_t rest = view->index;
    for (int d = layout->axis_count; d < DIMENSIONS_MOST; d++) start[d] = 0;
    for (int d = layout->axis_count - 1; d >= 0; d--) {
        int length = group_dimension_length(plan, layout, d);
        start[d] = (hsize_t)(rest % length);
        rest /= length;
    }
}

struct filled { /* a place, and the row that fills it */
    struct view view;
    const struct store_row *row;
};

static int by_place(const void *left, const void *right)
{
    const struct view *a = &((const struct filled *)left)->view, *b = &((const struct filled *)right)->view;
    return a->group != b->group ? (a->group > b->group) - (a->group < b->group)
                                : (a->index > b->index) - (a->index < b->index);
}

/* Their numbers stand at the same offsets of their records. */
static bool are_alike(const struct store_row *a, const struct store_row *b)
{
    return a->assignment->groups == b->assignment->groups && a->assignment->place == b->assignment->place;
}

/* The one axis along which `to` lies beyond `from`, or -1: there is none, or there are several. */
static int axis_between(const hsize_t *from, const hsize_t *to, int axes)
{
    int found = -1;
    for (int d = 0; d < axes; d++) {
        if (from[d] == to[d]) continue;
        if (found >= 0 || to[d] < from[d]) return -1;
        found = d;
    }
    return found;
}

/* The longest line from the first of these places on. */
static void line_of_places(const struct plan *plan, const struct filled *filled, size_t places, struct line *line)
{
    int axes = plan->group[filled->view.group].axis_count;
    hsize_t last[DIMENSIONS_MOST], next[DIMENSIONS_MOST];
    view_start(plan, &filled->view, line->start);
    memcpy(last, line->start, sizeof last);
    for (line->places = 1; (size_t)line->places < places && line->places < LINE_MOST; line->places++) {
        const struct filled *at = filled + line->places;
        if (at->view.group != filled->view.group || !are_alike(at->row, filled->row)) return;
        view_start(plan, &at->view, next);
        int axis = axis_between(last, next, axes);
        if (axis < 0) return;
        if (line->places == 1) {
            line->axis = axis;
            line->stride = next[axis] - last[axis];
        } else if (axis != line->axis || next[axis] - last[axis] != line->stride)
            return;
        memcpy(last, next, sizeof last);
    }
}

/* The column's numbers of each place of a line, one place after the other. */
static const void *gather(struct store *store, int c, const struct filled *filled, int places, int offset)
{
    size_t values = store->slot[c].values;
    double *numbers = (double *)room_for(store, (size_t)places * values * sizeof *numbers);
    for (int i = 0; i < places; i++, numbers += values) {
        const double *record = filled[i].row->record;
        for (size_t v = 0; v < values; v++) numbers[v] = record ? record[(size_t)offset + v] : NAN;
    }
    return store->gathered;
}

static const void *gather_statuses(struct store *store, const struct filled *filled, int places)
{
    int8_t *flags = (int8_t *)room_for(store, (size_t)places);
    for (int i = 0; i < places; i++) flags[i] = (int8_t)filled[i].row->status;
    return flags;
}

static int fill_line(struct store *store, const struct filled *filled, const struct line *line, struct error *err)
{
    const struct assignment *assignment = filled->row->assignment;
    for (int c = 0; c < store->columns; c++) {
        const struct column *column = &store->column[c];
        const void *values;
        if (column->group != filled->view.group) continue;
        if (column->field < 0)
            values = gather_statuses(store, filled, line->places);
        else {
            int offset = column_offset(store->plan, column, assignment->groups, assignment->place);
            if (offset < 0) continue;
            values = gather(store, c, filled, line->places, offset);
        }
        TRY(write_line(store, &store->slot[c], line, values, err));
    }
    return 0;
}

int store_write_records(struct store *store, const struct store_row *row, int rows, struct error *err)
{
    size_t places = 0, used = 0;
    int status = 0;
    struct line line;
    for (int r = 0; r < rows; r++) places += (size_t)row[r].assignment->views;
    struct filled *filled = memory_array(places, sizeof *filled);
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < row[r].assignment->views; v++) filled[used++] = (struct filled){row[r].views[v], &row[r]};
    qsort(filled, places, sizeof *filled, by_place);
    for (size_t at = 0; at < places && status == 0; at += (size_t)line.places) {
        line_of_places(store->plan, filled + at, places - at, &line);
        status = fill_line(store, filled + at, &line, err);
    }
    memory_free(filled);
    return status;
}

int store_write_record(struct store *store, const struct assignment *assignment, const struct view *views,
                       const double *record, enum stage_status status, struct error *err)
{
    struct store_row row = {.assignment = assignment, .views = views, .record = record, .status = status};
    return store_write_records(store, &row, 1, err);
}

/* ---- places that no stage fills ---- */

static int restore_place(struct store *store, int column, int64_t place, void *values, struct error *err)
{
    const struct view view = {.group = store->column[column].group, .index = place};
    struct line line = {.places = 1};
    column_make_empty(&store->column[column], values);
    view_start(store->plan, &view, line.start);
    return write_line(store, &store->slot[column], &line, values, err);
}

static int restore_column(struct store *store, int c, int64_t *restored, struct error *err)
{
    const struct column *column = &store->column[c];
    const struct slot *slot = &store->slot[c];
    int64_t cells = store->plan->group[column->group].cells, first = 0;
    while (first < cells && column_stage(store->plan, column, first) >= 0) first++;
    if (first == cells) return 0;
    size_t width = (size_t)column->extent * H5Tget_size(slot->type);
    char *values = memory_array((size_t)cells, width);
    int status = 0;
    if (H5Dread(slot->dataset, slot->type, H5S_ALL, H5S_ALL, store->transfer, values) < 0)
        status = hdf_fail(err, store->path, "%s cannot be read", slot->name);
    for (int64_t i = first; i < cells && status == 0; i++) {
        char *here = values + (size_t)i * width;
        if (column_stage(store->plan, column, i) >= 0 || column_is_empty(column, here)) continue;
        status = restore_place(store, c, i, here, err);
        ++*restored;
    }
    memory_free(values);
    return status;
}

int store_restore_unfilled(struct store *store, int64_t *restored, struct error *err)
{
    *restored = 0;
    for (int c = 0; c < store->columns; c++) TRY(restore_column(store, c, restored, err));
    return 0;
}

/* ---- tables: one entry for each row of the stage table ---- */

/* entry[rows], each of `bytes`.  Rows that stand in ascending order at equal distances go together. */
static int write_entries(struct store *store, struct slot *slot, const int *row, int rows, const void *entry,
                         size_t bytes, struct error *err)
{
    for (int at = 0; at < rows;) {
        struct line line = {.start = {(hsize_t)row[at]}, .places = 1};
        int stride = at + 1 < rows ? row[at + 1] - row[at] : 0;
        while (stride > 0 && at + line.places < rows && row[at + line.places] - row[at + line.places - 1] == stride)
            line.places++;
        line.stride = (hsize_t)stride;
        TRY(write_line(store, slot, &line, (const char *)entry + (size_t)at * bytes, err));
        at += line.places;
    }
    return 0;
}

/* The caller's record, or one of all NaN where there is none. */
static const double *record_or_missing(const double *record, int length, double **missing)
{
    *missing = NULL;
    if (record) return record;
    *missing = memory_array((size_t)length, sizeof **missing);
    for (int i = 0; i < length; i++) (*missing)[i] = NAN;
    return *missing;
}

static void mark_of_record(uint64_t mark[MARK_WORDS], int row, enum stage_status status, const double *record,
                           int length)
{
    double *missing;
    const double *values = record_or_missing(record, length, &missing);
    mark_fill(mark, row, status, hash_bytes(values, (size_t)length * sizeof *values));
    memory_free(missing);
}

int store_write_mark(struct store *store, int row, enum stage_status status, const double *record, int length,
                     struct error *err)
{
    uint64_t mark[MARK_WORDS];
    mark_of_record(mark, row, status, record, length);
    return write_entries(store, &store->mark, &row, 1, mark, sizeof mark, err);
}

int store_write_provenance(struct store *store, int row, const struct stage_provenance *facts, struct error *err)
{
    return write_entries(store, &store->provenance, &row, 1, facts, sizeof *facts, err);
}

int store_write_marks(struct store *store, const struct store_row *row, int rows, struct error *err)
{
    int *number = memory_array((size_t)rows, sizeof *number);
    uint64_t(*mark)[MARK_WORDS] = memory_array((size_t)rows, sizeof *mark);
    struct stage_provenance *facts = (void *)room_for(store, (size_t)rows * sizeof *facts);
    for (int r = 0; r < rows; r++) {
        number[r] = row[r].assignment->row;
        facts[r] = row[r].facts;
        mark_of_record(mark[r], number[r], row[r].status, row[r].record, row[r].length);
    }
    int status = write_entries(store, &store->provenance, number, rows, facts, sizeof *facts, err);
    if (status == 0) status = write_entries(store, &store->mark, number, rows, mark, sizeof *mark, err);
    memory_free(mark);
    memory_free(number);
    return status;
}

int store_write_attempts(struct store *store, const int *row, const struct stage_attempt *attempt, int attempts,
                         struct error *err)
{
    uint64_t(*words)[ATTEMPT_WORDS] = (void *)room_for(store, (size_t)attempts * sizeof *words);
    for (int i = 0; i < attempts; i++) attempt_fill(words[i], row[i], &attempt[i]);
    return write_entries(store, &store->attempt, row, attempts, words, sizeof *words, err);
}

int store_write_attempt(struct store *store, int row, const struct stage_attempt *attempt, struct error *err)
{
    return store_write_attempts(store, &row, attempt, 1, err);
}

void store_note_attempt(const struct store *store, int row, const struct stage_attempt *attempt)
{
    uint64_t words[ATTEMPT_WORDS];
    attempt_fill(words, row, attempt);
    off_t at = (off_t)store->attempts_at + row * (off_t)sizeof words;
    if (store->attempts_at != HADDR_UNDEF && pwrite(store->descriptor, words, sizeof words, at) < 0) return;
}

/* Into the first place that no run has used yet. */
int store_write_certificate(struct store *store, const struct certificate *certificate, struct error *err)
{
    struct certificate all[CERTIFICATES] = {0}; /* members that an older file lacks stay 0 */
    hsize_t place = 0;
    if (H5Dread(store->certificate.dataset, store->certificate.type, H5S_ALL, H5S_ALL, store->transfer, all) < 0)
        return hdf_fail(err, store->path, "%s cannot be read", PROVENANCE_CERTIFICATE);
    while (place < CERTIFICATES - 1 && all[place].ranks > 0) place++;
    return write_line(store, &store->certificate, &(struct line){.start = {place}, .places = 1}, certificate, err);
}
