/* Filling the results file from many ranks: independent writes into space the skeleton has laid out, never metadata.
 *
 * Everything a write needs (open dataset, data spaces, types) is kept from the opening on: a row of thirty numbers in
 * twenty variables is then some twenty writes of about two microseconds each. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

#include "store_private.h"

struct slot { /* an open dataset, and the block that one write fills in it */
    const char *name;
    hid_t dataset, space, block, type;
    int rank;
    hsize_t count[DIMENSIONS_MOST]; /* of the block */
};
struct store {
    const struct plan *plan;
    char *path;
    MPI_Comm comm;
    int descriptor; /* to sync through */
    hid_t file, transfer;
    int columns;
    struct column *column;
    struct slot *slot; /* [columns] */
    struct slot mark, provenance, attempt, certificate;
    haddr_t attempts_at; /* in the file */
    hid_t provenance_type, certificate_type;
};

/* ---- agreement: nobody leaves a collective step alone ---- */

static int agree(MPI_Comm comm, int status, struct error *err)
{
    struct error text = {.kind = ERROR_NONE};
    int rank, failed, first;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &first);
    failed = status == 0 ? first : rank;
    int most = first;
    MPI_Allreduce(&failed, &first, 1, MPI_INT, MPI_MIN, comm);
    if (first == most) return 0;
    if (rank == first && err) text = *err;
    MPI_Bcast(&text, sizeof text, MPI_BYTE, first, comm);
    if (err) *err = text;
    return -1;
}

/* ---- slots ---- */

static void slot_close(struct slot *slot)
{
    if (slot->dataset > 0) H5Dclose(slot->dataset);
    if (slot->space > 0) H5Sclose(slot->space);
    if (slot->block > 0) H5Sclose(slot->block);
    slot->dataset = slot->space = slot->block = 0;
}

static bool slot_fits(const struct slot *slot, const struct dimensions *dimensions)
{
    hsize_t length[H5S_MAX_RANK];
    int rank = H5Sget_simple_extent_dims(slot->space, length, NULL);
    hid_t stored = H5Dget_type(slot->dataset);
    bool fits = rank == dimensions->count && H5Tequal(stored, slot->type) > 0;
    H5Tclose(stored);
    for (int i = 0; i < rank && fits; i++) fits = length[i] == dimensions->length[i];
    return fits && H5Dget_offset(slot->dataset) != HADDR_UNDEF;
}

/* One write fills places of the first `whole` dimensions singly and the others entirely. */
static int slot_open(struct store *store, struct slot *slot, const char *name, hid_t type,
                     const struct dimensions *dimensions, int whole, struct error *err)
{
    *slot = (struct slot){.name = name, .type = type, .rank = dimensions->count};
    hsize_t values = 1;
    for (int i = 0; i < slot->rank; i++) {
        slot->count[i] = i < whole ? 1 : dimensions->length[i];
        values *= slot->count[i];
    }
    slot->dataset = H5Dopen2(store->file, name, H5P_DEFAULT);
    if (slot->dataset < 0) return hdf_fail(err, store->path, "there is no %s", name);
    slot->space = H5Dget_space(slot->dataset);
    slot->block = H5Screate_simple(1, &values, NULL);
    if (!slot_fits(slot, dimensions))
        return error_set(err, ERROR_INPUT, "%s: %s is not laid out as this sweep needs it", store->path, name);
    return 0;
}

static int slot_write(struct store *store, struct slot *slot, const hsize_t *start, const void *values,
                      struct error *err)
{
    hid_t space = slot->rank > 0 ? slot->space : H5S_ALL;
    if ((slot->rank > 0 && H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, slot->count, NULL) < 0) ||
        H5Dwrite(slot->dataset, slot->type, slot->block, space, store->transfer, values) < 0)
        return hdf_fail(err, store->path, "%s cannot be written", slot->name);
    return 0;
}

/* ---- opening ---- */

static int open_columns(struct store *store, struct error *err)
{
    store->column = columns_of(store->plan, &store->columns);
    store->slot = memory_array((size_t)store->columns, sizeof *store->slot);
    for (int c = 0; c < store->columns; c++) {
        const struct column *column = &store->column[c];
        hid_t type = column->field < 0 ? H5T_NATIVE_INT8 : H5T_NATIVE_DOUBLE;
        struct dimensions dimensions;
        column_dimensions(store->plan, column, &dimensions);
        TRY(slot_open(store, &store->slot[c], column->name, type, &dimensions,
                      store->plan->group[column->group].axis_count, err));
    }
    return 0;
}

static int open_tables(struct store *store, struct error *err)
{
    struct dimensions marks = {.count = 2, .length = {(hsize_t)store->plan->rows, MARK_WORDS}};
    struct dimensions rows = {.count = 1, .length = {(hsize_t)store->plan->rows}};
    struct dimensions runs = {.count = 1, .length = {CERTIFICATES}};
    store->provenance_type = provenance_type();
    store->certificate_type = certificate_type();
    TRY(slot_open(store, &store->mark, STAGES_MARK, H5T_NATIVE_UINT64, &marks, 1, err));
    TRY(slot_open(store, &store->attempt, PROVENANCE_ATTEMPT, H5T_NATIVE_UINT64, &marks, 1, err));
    store->attempts_at = H5Dget_offset(store->attempt.dataset);
    TRY(slot_open(store, &store->provenance, PROVENANCE_STAGE, store->provenance_type, &rows, 1, err));
    return slot_open(store, &store->certificate, PROVENANCE_CERTIFICATE, store->certificate_type, &runs, 1, err);
}

static int open_rest(struct store *store, struct error *err)
{
    store->transfer = H5Pcreate(H5P_DATASET_XFER);
    H5Pset_dxpl_mpio(store->transfer, H5FD_MPIO_INDEPENDENT);
    store->descriptor = open(store->path, O_RDWR | O_CLOEXEC);
    if (store->descriptor < 0)
        return error_set(err, ERROR_OUTSIDE, "%s: cannot be opened for writing: %s", store->path, strerror(errno));
    TRY(open_columns(store, err));
    return open_tables(store, err);
}

static void close_objects(struct store *store)
{
    for (int c = 0; store->slot && c < store->columns; c++) slot_close(&store->slot[c]);
    slot_close(&store->mark);
    slot_close(&store->provenance);
    slot_close(&store->attempt);
    slot_close(&store->certificate);
    if (store->provenance_type > 0) H5Tclose(store->provenance_type);
    if (store->certificate_type > 0) H5Tclose(store->certificate_type);
    if (store->transfer > 0) H5Pclose(store->transfer);
    if (store->descriptor >= 0) close(store->descriptor);
}

static void release(struct store **store)
{
    MPI_Comm_free(&(*store)->comm);
    memory_free((*store)->column);
    memory_free((*store)->slot);
    memory_free((*store)->path);
    memory_free(*store);
    *store = NULL;
}

/* A look with the serial driver before all ranks open: what is wrong with a file is found, and said, by one. */
static int check_before(const char *path, const struct plan *plan, struct error *err)
{
    struct hash128 hash;
    struct hdf hdf = {.path = path, .err = err};
    TRY(store_check(path, err));
    if (access(path, W_OK) != 0) /* MPI-IO would call it an invalid mode */
        return error_set(err, ERROR_OUTSIDE, "%s: cannot be opened for writing: %s", path, strerror(errno));
    TRY(results_open(path, &hdf.file, err));
    int status = results_sweep_hash(&hdf, &hash);
    if (status == 0 && !hash_equal(hash, plan->sweep_hash))
        status =
            error_set(err, ERROR_INPUT, "%s: belongs to another sweep, or to this one before it was changed", path);
    H5Fclose(hdf.file);
    return status;
}

/* Open MPI's ompio takes a semaphore of the host, named after the last part of the path, whenever it opens a file.  A
 * process that is killed while it holds it leaves it taken, and every later open on that host would wait for ever: so
 * it is removed before each open.  That of another user cannot be. */
static char *semaphore_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return memory_format("/OMPIO_%s", slash ? slash + 1 : path);
}

static int tell_open_failure(const char *path, const char *semaphore, struct error *err)
{
    char *file = memory_format("/dev/shm/sem.%s", semaphore + 1);
    bool others = access(file, F_OK) == 0 && access(file, W_OK) != 0;
    hdf_fail(err, path, "cannot be opened through MPI-IO");
    if (others)
        error_set(err, ERROR_OUTSIDE,
                  "%s: cannot be opened through MPI-IO: another user's run on this host has results of the same name "
                  "(%s); choose another name, or add `--mca io romio321` to mpirun",
                  path, file);
    memory_free(file);
    return -1;
}

/* Each rank opens the file for itself.  Nothing that ranks write needs another rank, and a handle that they share makes
 * HDF5 wait for all of them where it opens, closes and writes its superblock: one that meets a full disk there, or a
 * rank that dies, leaves the others waiting for ever.  Every rank writes back the superblock it read. */
static int open_alone(struct store *store, struct error *err)
{
    char *path = memory_format("%s%s", strchr(store->path, '/') ? "" : "./", store->path); /* ompio needs a slash */
    char *semaphore = semaphore_of(store->path);
    sem_unlink(semaphore);
    hid_t access_list = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fapl_mpio(access_list, MPI_COMM_SELF, MPI_INFO_NULL);
    store->file = H5Fopen(path, H5F_ACC_RDWR, access_list);
    int status = store->file < 0 ? tell_open_failure(store->path, semaphore, err) : 0;
    H5Pclose(access_list);
    memory_free(semaphore);
    memory_free(path);
    return status;
}

int store_open(const char *path, const struct plan *plan, MPI_Comm comm, struct store **store, struct error *err)
{
    struct error local = {.kind = ERROR_NONE}; /* agreement needs a text even where the caller wants none */
    struct store *opened = memory_allocate(sizeof *opened);
    int rank, status = 0;
    *opened = (struct store){.plan = plan, .path = memory_text(path), .descriptor = -1, .file = -1};
    MPI_Comm_dup(comm, &opened->comm);
    MPI_Comm_rank(comm, &rank);
    hdf_begin();
    if (!err) err = &local;
    if (rank == 0) status = check_before(path, plan, err);
    status = agree(opened->comm, status, err);
    if (status == 0) {
        status = open_alone(opened, err);
        if (status == 0) status = open_rest(opened, err);
        status = agree(opened->comm, status, err);
    }
    if (status == 0) {
        *store = opened;
        return 0;
    }
    close_objects(opened);
    if (opened->file >= 0) H5Fclose(opened->file);
    release(&opened);
    return -1;
}

int store_sync(struct store *store, struct error *err)
{
    if (fdatasync(store->descriptor) != 0)
        return error_set(err, ERROR_OUTSIDE, "%s: cannot be synced: %s", store->path, strerror(errno));
    /* What is written into a file that has lost its name is on no disk that anybody will find. */
    if (file_is_named(store->descriptor, store->path)) return 0;
    return error_set(err, ERROR_OUTSIDE,
                     "%s: was removed or replaced while this run wrote it; put it back if you have moved it, then run "
                     "the same command again",
                     store->path);
}

int store_close(struct store **store, struct error *err)
{
    if (!*store) return 0;
    struct error local = {.kind = ERROR_NONE};
    if (!err) err = &local;
    int status = store_sync(*store, err);
    close_objects(*store);
    if (H5Fclose((*store)->file) < 0) {
        /* HDF5 would try again in MPI_Finalize, and crash; the rows are on disk already. */
        if (status == 0) hdf_fail(err, (*store)->path, "cannot be closed");
        hdf_give_up(err);
    }
    status = agree((*store)->comm, status, err);
    release(store);
    return status;
}

/* ---- rows ---- */

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

static int write_view(struct store *store, const struct assignment *assignment, const struct view *view,
                      const double *record, enum stage_status status, struct error *err)
{
    const int8_t flag = (int8_t)status;
    hsize_t start[DIMENSIONS_MOST];
    view_start(store->plan, view, start);
    for (int c = 0; c < store->columns; c++) {
        const struct column *column = &store->column[c];
        if (column->group != view->group) continue;
        const void *values = &flag;
        if (column->field >= 0) {
            int offset = column_offset(store->plan, column, assignment->groups, assignment->place);
            if (offset < 0) continue;
            values = record + offset;
        }
        TRY(slot_write(store, &store->slot[c], start, values, err));
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

int store_write_record(struct store *store, const struct assignment *assignment, const struct view *views,
                       const double *record, enum stage_status status, struct error *err)
{
    double *missing;
    int length = record_offset(assignment->groups, store->plan->sweep->instruments, &store->plan->extents,
                               assignment->place, FIELD_COUNT);
    const double *values = record_or_missing(record, length, &missing);
    int result = 0;
    for (int v = 0; v < assignment->views && result == 0; v++)
        result = write_view(store, assignment, &views[v], values, status, err);
    memory_free(missing);
    return result;
}

static int restore_place(struct store *store, int column, int64_t place, void *values, struct error *err)
{
    const struct view view = {.group = store->column[column].group, .index = place};
    hsize_t start[DIMENSIONS_MOST];
    column_make_empty(&store->column[column], values);
    view_start(store->plan, &view, start);
    return slot_write(store, &store->slot[column], start, values, err);
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

int store_write_mark(struct store *store, int row, enum stage_status status, const double *record, int length,
                     struct error *err)
{
    const hsize_t start[2] = {(hsize_t)row, 0};
    uint64_t mark[MARK_WORDS];
    double *missing;
    const double *values = record_or_missing(record, length, &missing);
    mark_fill(mark, row, status, hash_bytes(values, (size_t)length * sizeof *values));
    memory_free(missing);
    return slot_write(store, &store->mark, start, mark, err);
}

int store_write_provenance(struct store *store, int row, const struct stage_provenance *facts, struct error *err)
{
    const hsize_t start = (hsize_t)row;
    return slot_write(store, &store->provenance, &start, facts, err);
}

int store_write_attempt(struct store *store, int row, const struct stage_attempt *attempt, struct error *err)
{
    const hsize_t start[2] = {(hsize_t)row, 0};
    uint64_t words[ATTEMPT_WORDS];
    attempt_fill(words, row, attempt);
    return slot_write(store, &store->attempt, start, words, err);
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
    return slot_write(store, &store->certificate, &place, certificate, err);
}
