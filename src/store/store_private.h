/* store, inside: HDF5 with errors as values; the variables of the root as one list that the skeleton, the writer and
 * the check of the marks all walk; layouts of the tables. */
#ifndef PALIMPSEST_STORE_PRIVATE_H
#define PALIMPSEST_STORE_PRIVATE_H

#include <hdf5.h>

#include "palimpsest/store.h"

enum {
    FORMAT_VERSION = 2,
    DIMENSIONS_MOST = 17, /* of one variable */
    COLUMN_NAME_BYTES = 2 * NAME_MAX_BYTES,
    ID_BYTES = 16,
    MARK_WORDS = 4,    /* status, checksum low, checksum high, check of these and the row */
    ATTEMPT_WORDS = 4, /* flags and deaths, step, furthest, check as of marks */
    PLACES_NAME_BYTES = 64,
    CERTIFICATES = 64, /* places for runs of one sweep; the last is reused when they are full */
};
#define FORMAT_NAME "palimpsest results"

/* ---- hdf.c: HDF5 with errors as values ---- */

/* Quiet library, and file locks only where the file system has them; before any other HDF5 call of an entry. */
void hdf_begin(void);
/* Fills err with "path: what: the deepest reason on HDF5's error stack" (ERROR_OUTSIDE); returns -1.
 * Must come before any other call of HDF5, which would clear the stack. */
int hdf_fail(struct error *err, const char *path, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Whether the call that has just failed did so because the system cannot open or read the file, whatever the file
 * holds; hdf_fail comes after it. */
bool hdf_system_failed(void);
bool hdf_told_of_system(void); /* whether what hdf_fail told last, since hdf_begin, was such a failure */
/* A file could not be closed, so HDF5 cannot be left without a crash, and ranks may wait for each other in it: says why
 * and ends all ranks, with the exit status of the error. */
_Noreturn void hdf_give_up(const struct error *err);
struct hdf { /* a file being filled: passed along so that every failure names it */
    hid_t file;
    const char *path;
    struct error *err;
};
/* Closes a file that is not in its place yet.  status: of what was written into it; returns it, or -1 (hdf->err filled)
 * when the rest cannot be written.  Where it cannot even be closed: removes it and gives up. */
int hdf_close_new(const struct hdf *hdf, int status);
/* Opens what a file holds, to be read, without a copy: bytes[count] must stay until H5Fclose.  As H5Fopen; path: for
 * HDF5's own messages. */
hid_t hdf_open_bytes(const char *path, char *bytes, size_t count);
hid_t hdf_text_type(void); /* variable-length UTF-8; H5Tclose */

struct dimensions { /* of one dataset; names are borrowed, NULL in groups other than the root */
    int count;
    const char *name[DIMENSIONS_MOST];
    hsize_t length[DIMENSIONS_MOST];
};
int hdf_group(const struct hdf *hdf, const char *name);
/* For a transfer of all `count` values between the dataset and `type` in memory, with buffers no larger; H5Pclose. */
hid_t hdf_transfer(hid_t dataset, hid_t type, int64_t count);
/* A dataset at its final size: contiguous, allocated now, filled with *fill (NULL: zeros), no time stamps. values may
 * be NULL.  Returns an open id, H5Dclose, or -1. */
hid_t hdf_dataset(const struct hdf *hdf, const char *name, hid_t type, const struct dimensions *dimensions,
                  const void *fill, const void *values);
int hdf_put(const struct hdf *hdf, const char *name, hid_t type, int64_t count, const void *values); /* one dimension */
/* One member of every struct of an array, in the memory form of `type`: hdf_put_member(.., count, MEMBER(array,
 * member)). */
int hdf_put_member(const struct hdf *hdf, const char *name, hid_t type, int count, const void *first, size_t size,
                   size_t offset);
#define MEMBER(array, member) (array), sizeof *(array), (size_t)((const char *)&(array)->member - (const char *)(array))
int hdf_put_texts(const struct hdf *hdf, const char *name, int64_t count, const char *const *texts);
int hdf_put_text(const struct hdf *hdf, const char *name, const char *text); /* a scalar */
int hdf_attribute(const struct hdf *hdf, hid_t object, const char *name, hid_t type, int64_t count,
                  const void *values); /* count -1: a scalar */
int hdf_attribute_text(const struct hdf *hdf, hid_t object, const char *name, const char *text); /* NULL: none */
int hdf_attribute_texts(const struct hdf *hdf, hid_t object, const char *name, int64_t count, const char *const *texts);

/* Reading; outputs are the caller's (memory_free). */
int hdf_read_whole(const struct hdf *hdf, const char *name, hid_t type, int64_t count, void *values);
int hdf_count(const struct hdf *hdf, const char *name, int64_t *count); /* number of values */
int hdf_read_texts(const struct hdf *hdf, const char *name, char ***texts, int *count);
int hdf_read_text(const struct hdf *hdf, const char *name, char **text);
int hdf_exists(const struct hdf *hdf, const char *name, bool *there); /* in a group that does; 0: *there is known */
int hdf_read_attribute(const struct hdf *hdf, hid_t object, const char *name, hid_t type, int64_t count, void *values);
/* *text NULL when there is no such attribute. */
int hdf_read_attribute_text(const struct hdf *hdf, hid_t object, const char *name, char **text);

/* ---- store_columns.c: the variables of the root that stages fill, in the order they are created ---- */

struct column {
    char name[COLUMN_NAME_BYTES];
    int group;
    int field;  /* enum field_id, or -1: the status of the group (int8) */
    int part;   /* the place, of a field with one variable per place, else 0 */
    int extent; /* values at each place of the group */
};
/* column[*count]: memory_free. */
struct column *columns_of(const struct plan *plan, int *count);
void column_dimensions(const struct plan *plan, const struct column *column, struct dimensions *dimensions);
/* Dimensions of an array along axes of the sweep (-1: task). */
void axes_dimensions(const struct plan *plan, int axis_count, const int *axis, struct dimensions *dimensions);
void dimensions_add(struct dimensions *dimensions, const char *name, int64_t length);
/* Where the column stands in the record of a stage, or -1. */
int column_offset(const struct plan *plan, const struct column *column, unsigned groups, int place);
/* The row that fills a place of the column's group in this column; -1: none ever does. */
int column_stage(const struct plan *plan, const struct column *column, int64_t place);
/* The column's values at such a place, as the skeleton was written: bit by bit missing, or excluded. */
bool column_is_empty(const struct column *column, const void *values);
void column_make_empty(const struct column *column, void *values);

/* ---- coordinates.c ---- */

/* Attach the scales of these dimensions, which are there, to a dataset of the root. */
int dimensions_attach(const struct hdf *hdf, hid_t dataset, const struct dimensions *dimensions);
/* Dimension scales with their coordinates, and further coordinates along them. */
int coordinates_create(const struct hdf *hdf, const struct plan *plan);
/* The attribute `coordinates` of a variable along these axes: names parted by blanks, or NULL; memory_free. */
char *coordinates_along(const struct plan *plan, int axis_count, const int *axis);

/* ---- stage_table.c, provenance.c, sweep_group.c: the groups beside the root ---- */

#define STAGES_MARK "stages/mark"
#define STAGES_INSTRUMENTS "stages/instruments"
#define STAGES_EXTENTS "stages/extents"
#define PROVENANCE_STAGE "provenance/stage"
#define PROVENANCE_ATTEMPT "provenance/attempt"
#define PROVENANCE_CERTIFICATE "provenance/certificate"
#define PROVENANCE_WRITTEN "provenance/written"
#define PROVENANCE_SEAL "provenance/seal"
int stages_create(const struct hdf *hdf, const struct plan *plan);
void places_name(int group, char name[PLACES_NAME_BYTES]); /* of the dataset with the rows that fill its places */
struct hash128 id_of_bytes(const uint8_t bytes[ID_BYTES]);
int provenance_create(const struct hdf *hdf, const struct plan *plan);
hid_t provenance_type(void);  /* of struct stage_provenance; H5Tclose */
hid_t certificate_type(void); /* of struct certificate; H5Tclose */
int sweep_create(const struct hdf *hdf, const struct plan *plan, const char *explained);

/* ---- seal.c: a hash of all that no stage writes ---- */

struct stretch {
    uint64_t start, end; /* bytes from the start of the file */
};
struct seal {
    struct stretch *stretch; /* where stages write, and the seal itself, in order */
    int stretches;
    uint64_t table, place; /* of PROVENANCE_WRITTEN, which lists them, and of PROVENANCE_SEAL */
};
/* The last two datasets of a skeleton; *seal begins empty. */
int seal_prepare(const struct hdf *hdf, const struct plan *plan, struct seal *seal);
/* Fills the seal of a closed skeleton of so many bytes; -1 with errno. */
int seal_write(int descriptor, const struct seal *seal, uint64_t length);
void seal_reset(struct seal *seal);

/* ---- marks.c ---- */

void mark_fill(uint64_t mark[MARK_WORDS], int row, enum stage_status status, struct hash128 checksum);
/* False when the mark is damaged: then *status is pending. */
bool mark_read(const uint64_t mark[MARK_WORDS], int row, enum stage_status *status, struct hash128 *checksum);
/* Of all rows: status[rows], checksum[rows], damaged[rows]. */
int marks_read(const struct hdf *hdf, int rows, enum stage_status *status, struct hash128 *checksum, bool *damaged);

/* The check that ends a mark covers the row too, so that a mark in the wrong place is damaged. */
uint64_t mark_check(const uint64_t mark[MARK_WORDS], int row);

/* ---- records.c ---- */

struct records { /* of a whole file */
    int rows;
    enum stage_status *status; /* [rows]: pending also where the row is damaged */
    bool *damaged;             /* [rows]: the mark, or the record in any of its views */
    size_t *start;             /* [rows + 1]: of each record in number; empty where there was no mark */
    uint64_t *number;          /* by their bits; they are doubles */
    int64_t strays;            /* places that no stage fills, and that hold something */
};
/* plan NULL: marks only.  records_reset, also where the caller keeps it in a struct of its own. */
int records_read(const struct hdf *hdf, const struct plan *plan, int rows, struct records *records);
void records_reset(struct records *records);
const double *records_of(const struct records *records, int row, int *length);

/* ---- index.c ---- */

struct indexed { /* a row, or a file in a folder, by its id */
    struct hash128 id;
    int number; /* not below 0 */
};
void index_sort(struct indexed *index, size_t count);
size_t index_first(const struct indexed *index, size_t count, struct hash128 id); /* where it stands; count: nowhere */
int index_find(const struct indexed *index, size_t count, struct hash128 id);     /* its first number, or -1 */

/* ---- attempts.c ---- */

void attempt_fill(uint64_t words[ATTEMPT_WORDS], int row, const struct stage_attempt *attempt);
/* A damaged one reads as none. */
struct stage_attempt attempt_read(const uint64_t words[ATTEMPT_WORDS], int row);

/* ---- reader.c ---- */

struct store_reader {
    hid_t file;
    char *path;
};
/* Opens serially and checks that it is a results file of this format. */
/* What is no file of ours by its outside: missing, no regular file, empty, not HDF5.  Nothing of it is parsed. */
int results_look(const char *path, struct error *err);
int results_open(const char *path, hid_t *file, struct error *err);
int results_sweep_hash(const struct hdf *hdf, struct hash128 *hash);

#endif
