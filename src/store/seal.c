/* The seal: whether every byte of a results file that no stage writes is still as the skeleton was written.
 *
 * HDF5 believes its metadata: a flipped byte in it is another coordinate, a crash or an endless loop.  So a block in
 * front of the file (HDF5 calls it the user block) says where rows are written, by a table of /provenance, and what all
 * the rest hashes to.  It is compared before HDF5 parses a byte.  Rows have checks of their own (marks.c). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_private.h"

enum { SEAL_VERSION = 1, READ_BYTES = 1 << 20, SPANS_MOST = 1 << 20 };
#define SEAL_MAGIC "palimpsest sweep" /* fills its place without an end */

struct block { /* as it is stored */
    char magic[16];
    uint64_t version, length, table, spans; /* length: of the whole file; table: where the spans are listed */
    struct hash128 rest, check;             /* rest: of all that is in no span; check: of the values before it */
    char nothing[SEAL_BYTES - 80];
};
_Static_assert(sizeof(struct block) == SEAL_BYTES, "the block in front has no gaps");

static void block_fill(struct block *block, const struct seal *seal, uint64_t length, struct hash128 rest)
{
    struct hasher hasher;
    *block = (struct block){.magic = SEAL_MAGIC, .version = SEAL_VERSION, .length = length, .rest = rest};
    block->table = seal->table;
    block->spans = (uint64_t)seal->spans;
    hasher_init(&hasher, "seal");
    hasher_add_integer(&hasher, "length", (int64_t)block->length);
    hasher_add_integer(&hasher, "table", (int64_t)block->table);
    hasher_add_integer(&hasher, "spans", (int64_t)block->spans);
    hasher_add_hash(&hasher, "rest", rest);
    block->check = hasher_finish(&hasher);
}

/* ---- what no stage writes ---- */

static int read_at(int descriptor, void *bytes, size_t count, uint64_t place)
{
    for (size_t got = 0; got < count;) {
        ssize_t now = pread(descriptor, (char *)bytes + got, count - got, (off_t)(place + got));
        if (now < 0 && errno == EINTR) continue;
        if (now == 0) errno = ENODATA;
        if (now <= 0) return -1;
        got += (size_t)now;
    }
    return 0;
}

static int hash_range(int descriptor, struct hasher *hasher, char *bytes, uint64_t start, uint64_t end)
{
    for (uint64_t place = start; place < end;) {
        size_t count = end - place < READ_BYTES ? (size_t)(end - place) : READ_BYTES;
        TRY(read_at(descriptor, bytes, count, place));
        hasher_add_hash(hasher, "bytes", hash_bytes(bytes, count));
        place += count;
    }
    return 0;
}

/* Spans are in order and part nothing twice. */
static int hash_rest(int descriptor, const struct seal *seal, uint64_t length, struct hash128 *rest)
{
    struct hasher hasher;
    uint64_t place = SEAL_BYTES;
    char *bytes = memory_allocate(READ_BYTES);
    int status = 0;
    hasher_init(&hasher, "rest");
    for (int s = 0; s < seal->spans && status == 0; s++) {
        status = hash_range(descriptor, &hasher, bytes, place, seal->span[s].start);
        place = seal->span[s].end;
    }
    if (status == 0) status = hash_range(descriptor, &hasher, bytes, place, length);
    memory_free(bytes);
    *rest = hasher_finish(&hasher);
    return status;
}

/* ---- making it ---- */

static int by_start(const void *left, const void *right)
{
    const struct stretch *a = left, *b = right;
    return (a->start > b->start) - (a->start < b->start);
}

static int add_span(const struct hdf *hdf, struct seal *seal, const char *name)
{
    hid_t dataset = H5Dopen2(hdf->file, name, H5P_DEFAULT);
    if (dataset < 0) return hdf_fail(hdf->err, hdf->path, "there is no %s", name);
    uint64_t start = H5Dget_offset(dataset), bytes = H5Dget_storage_size(dataset);
    H5Dclose(dataset);
    if (bytes > 0) seal->span[seal->spans++] = (struct stretch){start, start + bytes};
    return 0;
}

static int find_spans(const struct hdf *hdf, const struct plan *plan, struct seal *seal)
{
    static const char *const tables[] = {STAGES_MARK, PROVENANCE_STAGE, PROVENANCE_ATTEMPT, PROVENANCE_CERTIFICATE};
    enum { TABLES = sizeof tables / sizeof *tables };
    int columns, status = 0;
    struct column *column = columns_of(plan, &columns);
    seal->span = memory_array((size_t)columns + TABLES, sizeof *seal->span);
    for (int c = 0; c < columns && status == 0; c++) status = add_span(hdf, seal, column[c].name);
    for (int t = 0; t < TABLES && status == 0; t++) status = add_span(hdf, seal, tables[t]);
    qsort(seal->span, (size_t)seal->spans, sizeof *seal->span, by_start);
    memory_free(column);
    return status;
}

int seal_prepare(const struct hdf *hdf, const struct plan *plan, struct seal *seal)
{
    TRY(find_spans(hdf, plan, seal));
    struct dimensions dimensions = {.count = 2, .length = {(hsize_t)seal->spans, 2}};
    hid_t dataset = hdf_dataset(hdf, PROVENANCE_WRITTEN, H5T_NATIVE_UINT64, &dimensions, NULL, seal->span);
    if (dataset < 0) return -1;
    seal->table = H5Dget_offset(dataset);
    H5Dclose(dataset);
    return 0;
}

int seal_write(int descriptor, const struct seal *seal, uint64_t length)
{
    struct hash128 rest;
    struct block block;
    TRY(hash_rest(descriptor, seal, length, &rest));
    block_fill(&block, seal, length, rest);
    ssize_t written = pwrite(descriptor, &block, sizeof block, 0);
    if (written >= 0 && written < (ssize_t)sizeof block) errno = ENOSPC;
    return written == (ssize_t)sizeof block ? 0 : -1;
}

void seal_reset(struct seal *seal)
{
    memory_free(seal->span);
    *seal = (struct seal){.span = NULL};
}

/* ---- comparing it ---- */

static int damaged(const char *path, struct error *err)
{
    return error_set(err, ERROR_OUTSIDE,
                     "%s: is damaged, or was changed by another program: what it holds outside of its rows is not what "
                     "was written.  Put a copy of it in its place, or throw it away with --fresh",
                     path);
}

static int read_block(int descriptor, const char *path, struct block *block, struct error *err)
{
    struct stat facts;
    if (fstat(descriptor, &facts) != 0 || (S_ISDIR(facts.st_mode) && (errno = EISDIR)))
        return error_set(err, ERROR_OUTSIDE, "%s: cannot be read: %s", path, strerror(errno));
    if (facts.st_size < SEAL_BYTES || read_at(descriptor, block, sizeof *block, 0) != 0 ||
        memcmp(block->magic, SEAL_MAGIC, sizeof block->magic) != 0)
        return error_set(err, ERROR_INPUT, "%s: does not begin as a results file of palimpsest does", path);
    if (block->version != SEAL_VERSION) return damaged(path, err);
    if (block->length == (uint64_t)facts.st_size) return 0;
    return error_set(err, ERROR_OUTSIDE,
                     "%s: is cut short, or another program has added to it: it has %lld bytes, %llu were written", path,
                     (long long)facts.st_size, (unsigned long long)block->length);
}

static bool spans_fit(const struct seal *seal, uint64_t length)
{
    uint64_t place = SEAL_BYTES;
    for (int s = 0; s < seal->spans; s++) {
        if (seal->span[s].start < place || seal->span[s].end < seal->span[s].start) return false;
        place = seal->span[s].end;
    }
    return place <= length;
}

static int compare(int descriptor, const char *path, struct seal *seal, struct error *err)
{
    struct block found, right;
    struct hash128 rest;
    TRY(read_block(descriptor, path, &found, err));
    if (found.spans > SPANS_MOST || found.table > found.length) return damaged(path, err);
    seal->table = found.table;
    seal->spans = (int)found.spans;
    seal->span = memory_array((size_t)seal->spans, sizeof *seal->span);
    if (read_at(descriptor, seal->span, (size_t)seal->spans * sizeof *seal->span, seal->table) != 0 ||
        !spans_fit(seal, found.length) || hash_rest(descriptor, seal, found.length, &rest) != 0)
        return damaged(path, err);
    block_fill(&right, seal, found.length, rest);
    return memcmp(&found, &right, sizeof found) == 0 ? 0 : damaged(path, err);
}

int store_check(const char *path, struct error *err)
{
    struct seal seal = {.span = NULL};
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return error_set(err, ERROR_OUTSIDE, "%s: cannot be opened: %s", path, strerror(errno));
    int status = compare(descriptor, path, &seal, err);
    close(descriptor);
    seal_reset(&seal);
    return status;
}
