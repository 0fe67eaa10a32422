/* The results file opened by many ranks to be filled: independent writes into space the skeleton has laid out, never
 * metadata.  What goes into a row stands in store_rows.c.
 *
 * Everything a write needs (open dataset, data spaces, types) is kept from the opening on. */
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

#include "writer_private.h"

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
    *slot = (struct slot){.name = name, .type = type, .rank = dimensions->count, .values = 1};
    for (int i = 0; i < slot->rank; i++) {
        slot->count[i] = i < whole ? 1 : dimensions->length[i];
        slot->values *= slot->count[i];
    }
    slot->dataset = H5Dopen2(store->file, name, H5P_DEFAULT);
    if (slot->dataset < 0) return hdf_fail(err, store->path, "there is no %s", name);
    slot->space = H5Dget_space(slot->dataset);
    slot->block = H5Screate_simple(1, &slot->values, NULL);
    if (!slot_fits(slot, dimensions))
        return error_set(err, ERROR_INPUT, "%s: %s is not laid out as this sweep needs it", store->path, name);
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
    store->blocks = H5Screate_simple(1, &(hsize_t){1}, NULL);
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
    if (store->blocks > 0) H5Sclose(store->blocks);
    if (store->descriptor >= 0) close(store->descriptor);
}

static void release(struct store **store)
{
    MPI_Comm_free(&(*store)->comm);
    memory_free((*store)->column);
    memory_free((*store)->slot);
    memory_free((*store)->gathered);
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
