/* The seal: whether every byte of a results file that no stage writes is still as the skeleton was written.
 *
 * HDF5 believes its metadata: a flipped byte in it is another coordinate, a crash or an endless loop.  So the seal says
 * where rows are written, by a table that stands beside it, and what all the rest hashes to.  It is the last dataset of
 * the skeleton and is looked for from the end of the file by its first bytes, so that all is compared before HDF5
 * parses a byte.  Rows have checks of their own (marks.c). */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_private.h"

enum { SEAL_VERSION = 1, READ_BYTES = 1 << 20, STRETCHES_MOST = 1 << 20 };
#define SEAL_MAGIC "palimpsest seal:" /* fills its place without an end */

struct block { /* as it is stored */
    char magic[16];
    uint64_t version, length, table, stretches, place; /* length: of the whole file; place: of this block */
    struct hash128 rest, check; /* rest: of all but the stretches and this block; check: of all before it */
};
_Static_assert(sizeof(struct block) == 88, "the block has no gaps");

static void block_fill(struct block *block, const struct seal *seal, uint64_t length, struct hash128 rest)
{
    *block = (struct block){.magic = SEAL_MAGIC, .version = SEAL_VERSION, .length = length, .rest = rest};
    block->table = seal->table;
    block->stretches = (uint64_t)seal->stretches - 1; /* without the seal itself */
    block->place = seal->place;
    block->check = hash_bytes(block, offsetof(struct block, check));
}

/* ---- what no stage writes ---- */

static int read_at(int descriptor, void *bytes, size_t count, uint64_t place)
{
    for (size_t got = 0; got < count;) {
        ssize_t now = pread(descriptor, (char *)bytes + got, count - got, (off_t)(place + got));
        if (now < 0 && errno == EINTR) continue;
        if (now == 0) errno = 0; /* there is no more */
        if (now <= 0) return -1;
        got += (size_t)now;
    }
    return 0;
}

/* Of a file of so many bytes no more is read at once. */
static size_t read_at_once(uint64_t length) { return length < READ_BYTES ? (size_t)length : READ_BYTES; }

static int hash_range(int descriptor, struct hasher *hasher, char *bytes, uint64_t start, uint64_t end)
{
    for (uint64_t place = start; place < end;) {
        size_t count = read_at_once(end - place);
        TRY(read_at(descriptor, bytes, count, place));
        hasher_add_hash(hasher, "bytes", hash_bytes(bytes, count));
        place += count;
    }
    return 0;
}

/* The stretches are in order and do not overlap; this block is one of them. */
static int hash_rest(int descriptor, const struct seal *seal, uint64_t length, struct hash128 *rest)
{
    struct hasher hasher;
    uint64_t place = 0;
    char *bytes = memory_allocate(read_at_once(length));
    int status = 0;
    hasher_init(&hasher, "rest");
    for (int s = 0; s < seal->stretches && status == 0; s++) {
        status = hash_range(descriptor, &hasher, bytes, place, seal->stretch[s].start);
        place = seal->stretch[s].end;
    }
    if (status == 0) status = hash_range(descriptor, &hasher, bytes, place, length);
    int why = errno;
    memory_free(bytes);
    errno = why;
    *rest = hasher_finish(&hasher);
    return status;
}

/* ---- making it ---- */

static int by_start(const void *left, const void *right)
{
    const struct stretch *a = left, *b = right;
    return (a->start > b->start) - (a->start < b->start);
}

static int add_stretch(const struct hdf *hdf, struct seal *seal, const char *name)
{
    hid_t dataset = H5Dopen2(hdf->file, name, H5P_DEFAULT);
    if (dataset < 0) return hdf_fail(hdf->err, hdf->path, "there is no %s", name);
    uint64_t start = H5Dget_offset(dataset), bytes = H5Dget_storage_size(dataset);
    H5Dclose(dataset);
    if (bytes > 0) seal->stretch[seal->stretches++] = (struct stretch){start, start + bytes};
    return 0;
}

static int find_stretches(const struct hdf *hdf, const struct plan *plan, struct seal *seal)
{
    static const char *const tables[] = {STAGES_MARK, PROVENANCE_STAGE, PROVENANCE_ATTEMPT, PROVENANCE_CERTIFICATE};
    enum { TABLES = sizeof tables / sizeof *tables };
    int columns, status = 0;
    struct column *column = columns_of(plan, &columns);
    seal->stretch = memory_array((size_t)columns + TABLES + 1, sizeof *seal->stretch);
    for (int c = 0; c < columns && status == 0; c++) status = add_stretch(hdf, seal, column[c].name);
    for (int t = 0; t < TABLES && status == 0; t++) status = add_stretch(hdf, seal, tables[t]);
    memory_free(column);
    return status;
}

static int put_words(const struct hdf *hdf, const char *name, const struct dimensions *dimensions, const void *words,
                     uint64_t *place)
{
    hid_t dataset = hdf_dataset(hdf, name, H5T_NATIVE_UINT64, dimensions, NULL, words);
    if (dataset < 0) return -1;
    *place = H5Dget_offset(dataset);
    H5Dclose(dataset);
    return 0;
}

/* The seal cannot cover itself. */
static void leave_out_seal(struct seal *seal)
{
    seal->stretch[seal->stretches++] = (struct stretch){seal->place, seal->place + sizeof(struct block)};
    qsort(seal->stretch, (size_t)seal->stretches, sizeof *seal->stretch, by_start);
}

int seal_prepare(const struct hdf *hdf, const struct plan *plan, struct seal *seal)
{
    TRY(find_stretches(hdf, plan, seal));
    struct dimensions pairs = {.count = 2, .length = {(hsize_t)seal->stretches, 2}};
    struct dimensions words = {.count = 1, .length = {sizeof(struct block) / sizeof(uint64_t)}};
    TRY(put_words(hdf, PROVENANCE_WRITTEN, &pairs, seal->stretch, &seal->table));
    TRY(put_words(hdf, PROVENANCE_SEAL, &words, NULL, &seal->place));
    leave_out_seal(seal);
    return 0;
}

int seal_write(int descriptor, const struct seal *seal, uint64_t length)
{
    struct hash128 rest;
    struct block block;
    TRY(hash_rest(descriptor, seal, length, &rest));
    block_fill(&block, seal, length, rest);
    ssize_t written = pwrite(descriptor, &block, sizeof block, (off_t)seal->place);
    if (written >= 0 && written < (ssize_t)sizeof block) errno = ENOSPC;
    return written == (ssize_t)sizeof block ? 0 : -1;
}

void seal_reset(struct seal *seal)
{
    memory_free(seal->stretch);
    *seal = (struct seal){.stretch = NULL};
}

/* ---- comparing it ---- */

static int damaged(const char *path, struct error *err)
{
    return error_set(err, ERROR_OUTSIDE,
                     "%s: is damaged, or was changed by another program: what it holds outside of its rows is not what "
                     "was written.  Put a backup in its place, or throw it away with run --fresh",
                     path);
}

/* After a call that has set errno; 0: it ends too soon. */
static int unread(const char *path, struct error *err)
{
    if (errno == 0) return damaged(path, err);
    return error_set(err, ERROR_OUTSIDE, "%s: cannot be read: %s", path, strerror(errno));
}

/* A block whose own check is right, among the bytes that stand at `start` of the file; the last one. */
static bool find_in(const char *bytes, size_t count, uint64_t start, struct block *block)
{
    for (size_t at = count; at-- > 0;) {
        if (bytes[at] != SEAL_MAGIC[0] || count - at < sizeof *block) continue;
        memcpy(block, bytes + at, sizeof *block);
        struct hash128 right = hash_bytes(block, offsetof(struct block, check));
        if (memcmp(block->magic, SEAL_MAGIC, sizeof block->magic) == 0 && block->place == start + at &&
            hash_equal(block->check, right))
            return true;
    }
    return false;
}

/* From the end, in pieces that overlap. */
static int find_block(int descriptor, const char *path, uint64_t size, struct block *block, bool *found,
                      struct error *err)
{
    enum { OVERLAP = sizeof(struct block) - 1 };
    char *bytes = memory_allocate(read_at_once(size) + OVERLAP);
    int status = 0;
    *found = false;
    for (uint64_t end = size; end > 0 && !*found;) {
        uint64_t start = end - read_at_once(end);
        uint64_t stop = end + OVERLAP < size ? end + OVERLAP : size;
        if (read_at(descriptor, bytes, (size_t)(stop - start), start) != 0) TRY_DONE(unread(path, err));
        *found = find_in(bytes, (size_t)(stop - start), start, block);
        end = start;
    }
done:
    memory_free(bytes);
    return status;
}

static int read_block(int descriptor, const char *path, struct block *block, struct error *err)
{
    struct stat facts;
    bool found;
    if (fstat(descriptor, &facts) != 0) return unread(path, err);
    TRY(find_block(descriptor, path, (uint64_t)facts.st_size, block, &found, err));
    if (!found)
        return error_set(err, ERROR_OUTSIDE,
                         "%s: is no results file of palimpsest, or is cut short or damaged.  Name another, restore it "
                         "from a backup, or move it away: what its checkpoints hold is not computed again",
                         path);
    if (block->length == (uint64_t)facts.st_size) return block->version == SEAL_VERSION ? 0 : damaged(path, err);
    return error_set(
        err, ERROR_OUTSIDE,
        "%s: is cut short, or another program has added to it: it has %lld bytes, %llu were written.  Restore it "
        "from a backup, or move it away: what its checkpoints hold is not computed again",
        path, (long long)facts.st_size, (unsigned long long)block->length);
}

static bool stretches_fit(const struct seal *seal, uint64_t length)
{
    uint64_t place = 0;
    for (int s = 0; s < seal->stretches; s++) {
        if (seal->stretch[s].start < place || seal->stretch[s].end < seal->stretch[s].start) return false;
        place = seal->stretch[s].end;
    }
    return place <= length;
}

static int compare(int descriptor, const char *path, struct seal *seal, struct error *err)
{
    struct block found, right;
    struct hash128 rest;
    TRY(read_block(descriptor, path, &found, err));
    if (found.stretches > STRETCHES_MOST || found.table > found.length) return damaged(path, err);
    *seal = (struct seal){.table = found.table, .stretches = (int)found.stretches, .place = found.place};
    seal->stretch = memory_array((size_t)seal->stretches + 1, sizeof *seal->stretch);
    if (read_at(descriptor, seal->stretch, (size_t)seal->stretches * sizeof *seal->stretch, seal->table) != 0)
        return unread(path, err);
    leave_out_seal(seal);
    if (!stretches_fit(seal, found.length)) return damaged(path, err);
    if (hash_rest(descriptor, seal, found.length, &rest) != 0) return unread(path, err);
    block_fill(&right, seal, found.length, rest);
    return memcmp(&found, &right, sizeof found) == 0 ? 0 : damaged(path, err);
}

int store_recognise(const char *path, struct error *err)
{
    struct block block;
    struct stat facts;
    bool found = false;
    TRY(results_look(path, err));
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return error_set(err, ERROR_OUTSIDE, "%s: cannot be opened: %s", path, strerror(errno));
    int status = fstat(descriptor, &facts) != 0
                     ? unread(path, err)
                     : find_block(descriptor, path, (uint64_t)facts.st_size, &block, &found, err);
    close(descriptor);
    if (status == 0 && !found)
        return error_set(err, ERROR_INPUT, "%s: is no results file of palimpsest, or one that was cut short", path);
    return status;
}

int store_check(const char *path, struct error *err)
{
    struct seal seal = {.stretch = NULL};
    TRY(results_look(path, err));
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return error_set(err, ERROR_OUTSIDE, "%s: cannot be opened: %s", path, strerror(errno));
    int status = compare(descriptor, path, &seal, err);
    close(descriptor);
    seal_reset(&seal);
    return status;
}
