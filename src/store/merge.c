/* Results files of one sweep become one.
 *
 * They share their layout, so the skeleton is that of the first, byte by byte; every variable is then filled anew from
 * the records.  All of it happens under a temporary name: there is a whole file, or none. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint_private.h"
#include "palimpsest/store_archive.h"

struct merging {
    const struct archive *const *from;
    int files;
    const struct plan *plan; /* of the first: they are all one */
    int *source;             /* [rows]: the file that a row comes from, or -1 */
    struct indexed *by_state;
    struct merged *merged;
};

/* ---- which file each row comes from ---- */

/* What a stage computed outlives how its process fared, and that outlives that it was not tried. */
static int weight(enum stage_status status)
{
    switch (status) {
    case STATUS_DONE:
    case STATUS_DIVERGED: return 3;
    case STATUS_FAILED: return 2;
    case STATUS_SKIPPED: return 1;
    default: return 0;
    }
}

static bool same_record(const struct archive *a, const struct archive *b, int row)
{
    int length, other;
    const double *first = archive_record(a, row, &length), *second = archive_record(b, row, &other);
    return a->status[row] == b->status[row] && length == other &&
           memcmp(first, second, (size_t)length * sizeof *first) == 0;
}

static int refuse_conflict(const struct merging *merging, int row, int other, struct error *err)
{
    const struct stage *stage = &merging->plan->tree[row];
    char id[HASH_TEXT];
    hash_text(stage->state, id);
    return error_set(err, ERROR_INPUT,
                     "stage %d (%s%s%s, state %s) has one record in %s and another in %s; nothing was merged.  "
                     "`palimpsest verify` tells which file is wrong",
                     row, stage_kind_name(stage->kind), stage->place >= 0 ? " " : "",
                     stage->place >= 0 ? place_name(stage->place) : "", id, merging->from[merging->source[row]]->path,
                     merging->from[other]->path);
}

static int choose_row(struct merging *merging, int row, struct error *err)
{
    int *source = &merging->source[row], best = 0;
    *source = -1;
    for (int f = 0; f < merging->files; f++) {
        const struct archive *archive = merging->from[f];
        int now = weight(archive->status[row]);
        if (now == 3 && best == 3 && !same_record(merging->from[*source], archive, row))
            return refuse_conflict(merging, row, f, err);
        if (now <= best) continue;
        best = now;
        *source = f;
    }
    return 0;
}

static enum stage_status status_of(const struct merging *merging, int row)
{
    int source = merging->source[row];
    return source < 0 ? STATUS_PENDING : merging->from[source]->status[row];
}

/* What was skipped in one file because its parent failed there is open again where another file has the parent. */
static void reopen_skipped(struct merging *merging)
{
    for (int r = 0; r < merging->plan->rows; r++) { /* parents stand first */
        int parent = merging->plan->tree[r].parent;
        if (status_of(merging, r) != STATUS_SKIPPED) continue;
        enum stage_status above = parent < 0 ? STATUS_DONE : status_of(merging, parent);
        if (above == STATUS_DONE || above == STATUS_PENDING) merging->source[r] = -1;
    }
}

static int choose(struct merging *merging, struct error *err)
{
    for (int r = 0; r < merging->plan->rows; r++) TRY(choose_row(merging, r, err));
    reopen_skipped(merging);
    for (int r = 0; r < merging->plan->rows; r++) merging->merged->rows += merging->source[r] >= 0;
    return 0;
}

/* ---- the file ---- */

static int copy_bytes(int from, int to)
{
    enum { BLOCK = 1 << 20 };
    char *block = memory_allocate(BLOCK);
    ssize_t got, put = 0;
    while ((got = read(from, block, BLOCK)) > 0) {
        for (ssize_t done = 0; done < got; done += put) {
            put = write(to, block + done, (size_t)(got - done));
            if (put < 0) break;
        }
        if (put < 0) break;
    }
    memory_free(block);
    return got < 0 || put < 0 ? -1 : 0;
}

static int copy_skeleton(const char *from, const char *to, struct error *err)
{
    int source = open(from, O_RDONLY | O_CLOEXEC), status = 0;
    int target = source < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (source < 0)
        status = error_set(err, ERROR_OUTSIDE, "%s: cannot be opened: %s", from, strerror(errno));
    else if (target < 0 || copy_bytes(source, target) != 0)
        status = error_set(err, ERROR_OUTSIDE, "%s: cannot be written: %s", to, strerror(errno));
    if (source >= 0) close(source);
    if (target >= 0) close(target);
    return status;
}

static int write_whole(const struct hdf *hdf, const char *name, hid_t type, const void *values)
{
    hid_t dataset = H5Dopen2(hdf->file, name, H5P_DEFAULT);
    if (dataset < 0) return hdf_fail(hdf->err, hdf->path, "there is no %s", name);
    int status = 0;
    if (H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
        status = hdf_fail(hdf->err, hdf->path, "%s cannot be written", name);
    H5Dclose(dataset);
    return status;
}

static int write_status(const struct hdf *hdf, const struct merging *merging, const struct column *column)
{
    const struct group_layout *layout = &merging->plan->group[column->group];
    int8_t *values = memory_array((size_t)layout->cells, sizeof *values);
    for (int64_t i = 0; i < layout->cells; i++) {
        int row = layout->stage[i];
        values[i] = (int8_t)(row < 0 ? STATUS_EXCLUDED : status_of(merging, row));
    }
    int status = write_whole(hdf, column->name, H5T_NATIVE_INT8, values);
    memory_free(values);
    return status;
}

static int write_numbers(const struct hdf *hdf, const struct merging *merging, const struct column *column)
{
    const struct plan *plan = merging->plan;
    const struct group_layout *layout = &plan->group[column->group];
    size_t width = (size_t)column->extent;
    double *values = memory_array((size_t)layout->cells * width, sizeof *values);
    for (int64_t i = 0; i < layout->cells; i++) {
        int row = layout->stage[i], length;
        int source = row < 0 ? -1 : merging->source[row];
        int offset = row < 0 ? -1 : column_offset(plan, column, plan->tree[row].groups, plan->tree[row].place);
        for (size_t j = 0; j < width; j++) values[(size_t)i * width + j] = NAN;
        if (source < 0 || offset < 0) continue;
        memcpy(values + (size_t)i * width, archive_record(merging->from[source], row, &length) + offset,
               width * sizeof *values);
    }
    int status = write_whole(hdf, column->name, H5T_NATIVE_DOUBLE, values);
    memory_free(values);
    return status;
}

static int write_columns(const struct hdf *hdf, const struct merging *merging)
{
    int columns, status = 0;
    struct column *column = columns_of(merging->plan, &columns);
    for (int c = 0; c < columns && status == 0; c++)
        status = column[c].field < 0 ? write_status(hdf, merging, &column[c]) : write_numbers(hdf, merging, &column[c]);
    memory_free(column);
    return status;
}

/* Attempts are of processes that are another run's: none is carried over. */
static int write_tables(const struct hdf *hdf, const struct merging *merging)
{
    size_t rows = (size_t)merging->plan->rows;
    uint64_t(*mark)[MARK_WORDS] = memory_array(rows, sizeof *mark);
    uint64_t(*attempt)[ATTEMPT_WORDS] = memory_array(rows, sizeof *attempt);
    struct stage_provenance *provenance = memory_array(rows, sizeof *provenance);
    hid_t type = provenance_type();
    for (int r = 0; r < (int)rows; r++) {
        int source = merging->source[r], length;
        if (source < 0) continue;
        const double *record = archive_record(merging->from[source], r, &length);
        mark_fill(mark[r], r, status_of(merging, r), hash_bytes(record, (size_t)length * sizeof *record));
        provenance[r] = merging->from[source]->provenance[r];
    }
    int status = write_whole(hdf, PROVENANCE_STAGE, type, provenance);
    if (status == 0) status = write_whole(hdf, PROVENANCE_ATTEMPT, H5T_NATIVE_UINT64, attempt);
    if (status == 0) status = write_whole(hdf, STAGES_MARK, H5T_NATIVE_UINT64, mark);
    H5Tclose(type);
    memory_free(provenance);
    memory_free(attempt);
    memory_free(mark);
    return status;
}

static int read_certificates(const struct archive *archive, struct certificate *all, struct error *err)
{
    struct hdf hdf = {.path = archive->path, .err = err};
    TRY(results_open(archive->path, &hdf.file, err));
    hid_t type = certificate_type();
    int status = hdf_read_whole(&hdf, PROVENANCE_CERTIFICATE, type, CERTIFICATES, all);
    H5Tclose(type);
    H5Fclose(hdf.file);
    return status;
}

/* The runs of all files, one after the other, as far as there is room. */
static int write_certificates(const struct hdf *hdf, const struct merging *merging)
{
    struct certificate *all = memory_array(CERTIFICATES, sizeof *all), *own = memory_array(CERTIFICATES, sizeof *own);
    hid_t type = certificate_type();
    int used = 0, status = 0;
    for (int f = 0; f < merging->files && status == 0; f++) {
        status = read_certificates(merging->from[f], own, hdf->err);
        for (int c = 0; status == 0 && c < CERTIFICATES && used < CERTIFICATES && own[c].ranks > 0; c++)
            all[used++] = own[c];
    }
    if (status == 0) status = write_whole(hdf, PROVENANCE_CERTIFICATE, type, all);
    H5Tclose(type);
    memory_free(all);
    memory_free(own);
    return status;
}

static int fill(const char *path, const struct merging *merging, struct error *err)
{
    hid_t access_list = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_sieve_buf_size(access_list, 0); /* a write that fails says so at once */
    struct hdf hdf = {.file = H5Fopen(path, H5F_ACC_RDWR, access_list), .path = path, .err = err};
    H5Pclose(access_list);
    if (hdf.file < 0) return hdf_fail(err, path, "cannot be opened");
    int status = write_columns(&hdf, merging);
    if (status == 0) status = write_certificates(&hdf, merging);
    if (status == 0) status = write_tables(&hdf, merging);
    return hdf_close_new(&hdf, status);
}

static int sync_file(const char *path, struct error *err)
{
    int descriptor = open(path, O_RDWR | O_CLOEXEC);
    int status = descriptor >= 0 ? fsync(descriptor) : -1;
    if (status != 0) error_set(err, ERROR_OUTSIDE, "%s: cannot be synced: %s", path, strerror(errno));
    if (descriptor >= 0) close(descriptor);
    return status;
}

static int put_in_place(const char *temporary, const char *path, struct error *err)
{
    if (access(path, F_OK) == 0) return error_set(err, ERROR_INPUT, "%s: is there already and is not replaced", path);
    if (rename(temporary, path) != 0)
        return error_set(err, ERROR_OUTSIDE, "%s: cannot be put in its place: %s", path, strerror(errno));
    return file_sync_folder(path, err);
}

static int write_file(const char *path, const struct merging *merging, struct error *err)
{
    char *temporary = memory_format("%s.%ld.tmp", path, (long)getpid());
    int status = copy_skeleton(merging->from[0]->path, temporary, err);
    if (status == 0) status = fill(temporary, merging, err);
    if (status == 0) status = sync_file(temporary, err);
    if (status == 0) status = put_in_place(temporary, path, err);
    if (status != 0) unlink(temporary);
    memory_free(temporary);
    return status;
}

/* ---- states ---- */

struct carrying {
    const struct merging *merging;
    const struct archive *from;
    const char *path;
    struct error *err;
    int status;
};

/* Of a finished stage the checkpoint with its record; of one that is not, whatever there is.  Finished states of one id
 * are one, so a second file's takes the place of the first's. */
static bool carry_file(void *context, const struct checkpoint_name *file)
{
    struct carrying *carrying = context;
    const struct plan *plan = carrying->merging->plan;
    struct checkpoint_name name = *file;
    int row = index_find(carrying->merging->by_state, (size_t)plan->rows, name.state);
    bool taken = false;
    if (row < 0 || carrying->status != 0) return true;
    bool done = status_of(carrying->merging, row) == STATUS_DONE;
    if (done && name.partial) return true;
    if (done) name.record = plan->tree[row].record;
    struct checkpoint_name own = name;
    if (checkpoint_there(carrying->path, &own) && checkpoint_check(carrying->path, &own, NULL) == 0) return true;
    carrying->status = checkpoint_take(carrying->from->path, &name, carrying->path, name.copy, &taken, carrying->err);
    return true;
}

static bool count_file(void *context, const struct checkpoint_name *file)
{
    (void)file;
    *(int *)context += 1;
    return true;
}

static int carry_states(const char *path, const struct merging *merging, struct error *err)
{
    for (int f = 0; f < merging->files; f++) {
        struct carrying carrying = {merging, merging->from[f], path, err, 0};
        TRY(checkpoint_look(merging->from[f]->path, carry_file, &carrying, err));
        TRY(carrying.status);
    }
    TRY(checkpoint_look(path, count_file, &merging->merged->states, err));
    return checkpoints_sync(path, err);
}

/* ---- all of it ---- */

/* One sweep has one stage table; where it has not, one of the files is damaged. */
static int check_tables(const struct merging *merging, struct error *err)
{
    const struct plan *one = merging->plan;
    for (int f = 1; f < merging->files; f++) {
        const struct plan *other = merging->from[f]->plan;
        bool same = one->rows == other->rows && one->sweep->instruments == other->sweep->instruments &&
                    memcmp(&one->extents, &other->extents, sizeof one->extents) == 0;
        for (int r = 0; same && r < one->rows; r++)
            same =
                hash_equal(one->tree[r].record, other->tree[r].record) && one->tree[r].groups == other->tree[r].groups;
        if (!same)
            return error_set(err, ERROR_OUTSIDE, "%s: its stage table is not that of %s, though their sweep is one",
                             merging->from[f]->path, merging->from[0]->path);
    }
    return 0;
}

static bool folder_is_there(const char *results_path)
{
    char *folder = checkpoint_folder(results_path);
    bool there = access(folder, F_OK) == 0;
    memory_free(folder);
    return there;
}

int store_merge(const struct archive *const *from, int files, const char *path, struct merged *merged,
                struct error *err)
{
    struct merging merging = {.from = from, .files = files, .plan = from[0]->plan, .merged = merged};
    int status = 0;
    *merged = (struct merged){0};
    hdf_begin();
    if (access(path, F_OK) == 0) return error_set(err, ERROR_INPUT, "%s: is there already and is not replaced", path);
    bool before = folder_is_there(path);
    merging.source = memory_array((size_t)merging.plan->rows, sizeof *merging.source);
    merging.by_state = memory_array((size_t)merging.plan->rows, sizeof *merging.by_state);
    for (int r = 0; r < merging.plan->rows; r++) merging.by_state[r] = (struct indexed){merging.plan->tree[r].state, r};
    index_sort(merging.by_state, (size_t)merging.plan->rows);
    TRY_DONE(check_tables(&merging, err));
    TRY_DONE(choose(&merging, err));
    TRY_DONE(carry_states(path, &merging, err));
    TRY_DONE(write_file(path, &merging, err));
done:
    if (status != 0 && !before && access(path, F_OK) != 0) checkpoints_remove(path, NULL); /* nobody's states */
    memory_free(merging.source);
    memory_free(merging.by_state);
    return status;
}
