/* store: the one results file of a sweep (HDF5, also netCDF-4), and the checkpoints beside it.
 *
 * Rank 0 writes the whole skeleton serially, under a temporary name.  Afterwards no metadata is ever written: workers write
 * rows into space laid out beforehand, independently; the mark in /stages commits them.  So a process may die at any
 * instant and the file stays readable.  What stages leave in it has a leaf of the door for itself, store_rows.h. */
#ifndef PALIMPSEST_STORE_H
#define PALIMPSEST_STORE_H

#include <mpi.h>

#include "palimpsest/model.h"
#include "palimpsest/plan.h"
#include "palimpsest/store_rows.h" /* IWYU pragma: export */

/* ---- the results file ---- */

/* Writes the skeleton for plan at path (serial; one rank). Refuses to replace a file unless `replace`.  explained: every
 * resolved value as text, kept in /sweep; may be NULL. */
int store_create(const char *path, const struct plan *plan, const char *explained, bool replace, struct error *err);

/* Removes the file and the folder of its checkpoints; 0 when they are gone already. */
int store_remove(const char *path, struct error *err);
/* Removes skeletons that runs which were killed left half-written beside the file; 0 when there are none. */
int store_clean(const char *path, struct error *err);

/* Whether everything in the file that no stage writes (names, coordinates, the sweep, HDF5's own structure) is as
 * store_create left it, seen without HDF5; -1: damaged, cut short, changed by another program, or no results file. */
int store_check(const char *path, struct error *err);
/* 0: it is a results file of palimpsest, whole or damaged; -1: it is none (ERROR_INPUT), or cannot be read (OUTSIDE). */
int store_recognise(const char *path, struct error *err);

/* MPI-IO for all ranks of comm (collective: all succeed or all fail with one text); plan must be the plan that made the
 * file, and is borrowed until store_close (collective, syncs; *store is gone also after a failure). */
int store_open(const char *path, const struct plan *plan, MPI_Comm comm, struct store **store, struct error *err);
int store_close(struct store **store, struct error *err);
/* Each run of a sweep leaves one; the latest is read back. */
int store_write_certificate(struct store *store, const struct certificate *certificate, struct error *err);
/* Own rows and marks are on disk after it, in the file that the path still names: ERROR_OUTSIDE when that was removed or
 * replaced meanwhile. */
int store_sync(struct store *store, struct error *err);
/* Places that no stage fills (cells that the sweep excludes) get back the missing values they were made with, where they
 * were damaged: *restored.  On one rank. */
int store_restore_unfilled(struct store *store, int64_t *restored, struct error *err);

/* ---- reading, serial, at any moment, also while ranks write ---- */

struct store_reader;
int store_reader_open(const char *path, struct store_reader **reader, struct error *err);
void store_reader_close(struct store_reader **reader);
struct store_origin { /* what the file was made from */
    char *name, *path, *yaml, *program, *explained; /* program: its version; explained: NULL when the skeleton got none */
    struct hash128 sweep_hash;
    struct numerics numerics;
};
int store_read_origin(struct store_reader *reader, struct store_origin *origin, struct error *err);
void store_origin_reset(struct store_origin *origin);
/* status[rows]: from the marks.  A mark that fails its own check counts as pending and is counted in *damaged; with a plan
 * (may be NULL), so does a row whose record, in any of its views, disagrees with the checksum. */
int store_read_marks(struct store_reader *reader, const struct plan *plan, enum stage_status *status, int rows,
                     int *damaged, struct error *err);
int store_read_rows(struct store_reader *reader, int *rows, struct error *err); /* length of the stage table */
/* All zero when no run has ended yet. */
int store_read_certificate(struct store_reader *reader, struct certificate *certificate, struct error *err);
int store_read_provenance(struct store_reader *reader, int row, struct stage_provenance *facts, struct error *err);
/* attempt[rows]; one that fails its own check counts as none. */
int store_read_attempts(struct store_reader *reader, struct stage_attempt *attempt, int rows, struct error *err);
struct variable { /* one variable of the root, whole */
    int dimensions;
    char dimension[16][NAME_MAX_BYTES];
    int64_t length[16], count;
    double *values; /* integers converted */
    char units[NAME_MAX_BYTES], long_name[256];
};
int store_read_variable(struct store_reader *reader, const char *name, struct variable *variable, struct error *err);
/* The same without its numbers: values stays NULL. */
int store_measure_variable(struct store_reader *reader, const char *name, struct variable *variable, struct error *err);
void variable_reset(struct variable *variable);
/* Names of the variables of the root that hold numbers, in alphabetical order; name[*count], the array: memory_free. */
int store_read_names(struct store_reader *reader, char ***name, int *count, struct error *err);
bool store_has_variable(struct store_reader *reader, const char *name); /* whatever it holds, or is damaged in it */
/* Labels of a dimension: the strings of its coordinate, numbers printed; labels[*count] and the array: memory_free. */
int store_read_labels(struct store_reader *reader, const char *dimension, char ***labels, int *count,
                      struct error *err);

/* ---- checkpoints: RESULTS.stages/<state id>[-copy][.part].h5; of results not named *.h5 in NAME-stages/ ---- */

struct checkpoint_name {
    struct hash128 state;  /* that is held, or that the stage will end with */
    struct hash128 record; /* of the measurement that the state's history holds; all zero: a writer has measured nothing
                            * yet, a reader takes any */
    int copy;              /* as of the stage */
    bool partial;          /* from the middle of its stage, with moments */
};
/* Temp, fsync, rename, fsync folder; a 512-byte block in front carries name, length and XXH3-128 of the rest. */
int checkpoint_write(const char *results_path, const struct checkpoint_name *name, const struct state *state,
                     struct error *err);
/* Checked before it is parsed: ERROR_OUTSIDE when damaged, gone, or of another name. */
int checkpoint_read(const char *results_path, const struct checkpoint_name *name, struct state **state,
                    struct error *err);
bool checkpoint_there(const char *results_path, const struct checkpoint_name *name);
int checkpoint_remove(const char *results_path, const struct checkpoint_name *name, struct error *err); /* gone: 0 */
/* Calls visit for every checkpoint in the folder, in no order, by file name only (record all zero), and removes those
 * that it answers false for.  Temporary files of runs that were killed go too; other files stay.  No folder: nothing. */
typedef bool checkpoint_visit_f(void *context, const struct checkpoint_name *name);
int checkpoint_list(const char *results_path, checkpoint_visit_f *visit, void *context, struct error *err);

/* As checkpoint_list, but nothing is removed, whatever visit answers: for a folder that is somebody else's. */
int checkpoint_look(const char *results_path, checkpoint_visit_f *visit, void *context, struct error *err);
/* The whole file is read and compared with its checksum and name, but not parsed: errors as checkpoint_read. */
int checkpoint_check(const char *results_path, const struct checkpoint_name *name, struct error *err);
/* The checkpoint of that name beside the results at `from` becomes one of those at `to`, under the number `copy`: by a
 * hard link, else by a copy.  One that is gone, damaged, or of another record than name asks for is not *taken, which is
 * no error; -1: it could not be written. */
int checkpoint_take(const char *from, const struct checkpoint_name *name, const char *to, int copy, bool *taken,
                    struct error *err);
int checkpoints_sync(const char *results_path, struct error *err); /* all that were taken stay after a power cut */

void store_versions(char *text, size_t size); /* HDF5 and MPI, for --version and provenance */

#endif
