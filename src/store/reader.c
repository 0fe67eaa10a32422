/* Reading a results file, serially, at any moment. */
#include <errno.h>
#include <hdf5_hl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_private.h"

/* ---- opening ---- */

static int check_format(const struct hdf *hdf)
{
    char *format;
    int version = 0;
    TRY(hdf_read_attribute_text(hdf, hdf->file, "format", &format));
    bool ours = format && strcmp(format, FORMAT_NAME) == 0;
    memory_free(format);
    if (!ours)
        return error_set(hdf->err, ERROR_INPUT, "%s: is an HDF5 file, but not one with results of palimpsest",
                         hdf->path);
    TRY(hdf_read_attribute(hdf, hdf->file, "format_version", H5T_NATIVE_INT, 1, &version));
    if (version != FORMAT_VERSION)
        return error_set(
            hdf->err, ERROR_INPUT,
            "%s: is written in format version %d; this program reads version %d; use the program that wrote it",
            hdf->path, version, FORMAT_VERSION);
    return 0;
}

/* What is no file of ours by its outside; a pipe, above all, must not be waited for. */
int results_look(const char *path, struct error *err)
{
    struct stat facts;
    hdf_begin();
    if (stat(path, &facts) != 0 || access(path, R_OK) != 0)
        return error_set(err, ERROR_OUTSIDE, "%s: cannot be opened: %s", path, strerror(errno));
    if (!S_ISREG(facts.st_mode))
        return error_set(err, ERROR_INPUT, "%s: is not a regular file, so no results file; name another", path);
    if (facts.st_size == 0)
        return error_set(err, ERROR_INPUT, "%s: is empty (0 bytes), so no results file; remove it, or name another",
                         path);
    htri_t is_hdf5 = H5Fis_hdf5(path);
    if (is_hdf5 > 0) return 0;
    if (is_hdf5 < 0) return hdf_fail(err, path, "cannot be read");
    return error_set(err, ERROR_INPUT, "%s: is not an HDF5 file, so no results file; name another, or move it away",
                     path);
}

/* What can be read, and is wrong, is a mistake in what was given, unless it was the system that failed. */
static int blame(struct error *err)
{
    if (err && err->kind == ERROR_OUTSIDE && !hdf_told_of_system()) err->kind = ERROR_INPUT;
    return -1;
}

int results_open(const char *path, hid_t *file, struct error *err)
{
    TRY(results_look(path, err));
    struct hdf hdf = {.file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), .path = path, .err = err};
    if (hdf.file < 0) {
        if (hdf_system_failed()) return hdf_fail(err, path, "cannot be opened");
        hdf_fail(err, path, "is damaged or cut short (restore it from a copy, or move it away and run anew)");
        return blame(err);
    }
    if (check_format(&hdf) != 0) {
        H5Fclose(hdf.file);
        return blame(err);
    }
    *file = hdf.file;
    return 0;
}

int results_sweep_hash(const struct hdf *hdf, struct hash128 *hash)
{
    char *text;
    TRY(hdf_read_text(hdf, "sweep/hash", &text));
    int status = hash_parse(text, hash);
    if (status != 0) error_set(hdf->err, ERROR_OUTSIDE, "%s: sweep/hash is damaged", hdf->path);
    memory_free(text);
    return status;
}

int store_reader_open(const char *path, struct store_reader **reader, struct error *err)
{
    hid_t file;
    TRY(results_open(path, &file, err));
    *reader = memory_allocate(sizeof **reader);
    **reader = (struct store_reader){.file = file, .path = memory_text(path)};
    return 0;
}

void store_reader_close(struct store_reader **reader)
{
    if (!*reader) return;
    H5Fclose((*reader)->file);
    memory_free((*reader)->path);
    memory_free(*reader);
    *reader = NULL;
}

/* ---- the sweep and the tables ---- */

static struct hdf reading(const struct store_reader *reader, struct error *err)
{
    return (struct hdf){.file = reader->file, .path = reader->path, .err = err};
}

static int read_numerics(const struct hdf *hdf, struct numerics *numerics)
{
    char *class_name;
    TRY(hdf_read_whole(hdf, "sweep/numerics_version", H5T_NATIVE_INT, 1, &numerics->version));
    TRY(hdf_read_text(hdf, "sweep/numerics_class", &class_name));
    snprintf(numerics->class_name, sizeof numerics->class_name, "%s", class_name);
    memory_free(class_name);
    return 0;
}

static int read_origin(const struct hdf *hdf, struct store_origin *origin)
{
    TRY(results_sweep_hash(hdf, &origin->sweep_hash));
    TRY(read_numerics(hdf, &origin->numerics));
    TRY(hdf_read_text(hdf, "sweep/name", &origin->name));
    TRY(hdf_read_text(hdf, "provenance/sweep_path", &origin->path));
    TRY(hdf_read_text(hdf, "sweep/yaml", &origin->yaml));
    TRY(hdf_read_text(hdf, "sweep/program_version", &origin->program));
    bool explained;
    TRY(hdf_exists(hdf, "sweep/explained", &explained));
    if (!explained) return 0;
    return hdf_read_text(hdf, "sweep/explained", &origin->explained);
}

int store_read_origin(struct store_reader *reader, struct store_origin *origin, struct error *err)
{
    struct hdf hdf = reading(reader, err);
    struct store_origin found = {.name = NULL};
    int status = read_origin(&hdf, &found);
    if (status == 0) {
        *origin = found;
        return 0;
    }
    store_origin_reset(&found);
    return blame(err);
}

void store_origin_reset(struct store_origin *origin)
{
    memory_free(origin->name);
    memory_free(origin->path);
    memory_free(origin->yaml);
    memory_free(origin->program);
    memory_free(origin->explained);
    *origin = (struct store_origin){.name = NULL};
}

int store_read_rows(struct store_reader *reader, int *rows, struct error *err)
{
    struct hdf hdf = reading(reader, err);
    int64_t words;
    TRY(hdf_count(&hdf, STAGES_MARK, &words));
    if (words < 0 || words % MARK_WORDS != 0 || words / MARK_WORDS > INT_MAX)
        return error_set(err, ERROR_OUTSIDE, "%s: %s has %lld words: it is damaged", hdf.path, STAGES_MARK,
                         (long long)words);
    *rows = (int)(words / MARK_WORDS);
    return 0;
}

int store_read_certificate(struct store_reader *reader, struct certificate *certificate, struct error *err)
{
    struct hdf hdf = reading(reader, err);
    struct certificate all[CERTIFICATES] = {0}; /* members that an older file lacks stay 0 */
    hid_t type = certificate_type();
    int last = 0, status = hdf_read_whole(&hdf, PROVENANCE_CERTIFICATE, type, CERTIFICATES, all);
    H5Tclose(type);
    TRY(status);
    while (last + 1 < CERTIFICATES && all[last + 1].ranks > 0) last++;
    *certificate = all[last];
    return 0;
}

static int read_provenance_row(const struct hdf *hdf, hid_t dataset, int row, struct stage_provenance *facts)
{
    hsize_t start = (hsize_t)row, one = 1;
    hid_t space = H5Dget_space(dataset), memory = H5Screate_simple(1, &one, NULL), type = provenance_type();
    int status = 0;
    *facts = (struct stage_provenance){0}; /* members that an older file lacks stay 0 */
    if (H5Sget_simple_extent_ndims(space) != 1)
        status = error_set(hdf->err, ERROR_OUTSIDE, "%s: %s is damaged", hdf->path, PROVENANCE_STAGE);
    else if (H5Sselect_hyperslab(space, H5S_SELECT_SET, &start, NULL, &one, NULL) < 0 ||
             H5Dread(dataset, type, memory, space, H5P_DEFAULT, facts) < 0)
        status = hdf_fail(hdf->err, hdf->path, "row %d of %s cannot be read", row, PROVENANCE_STAGE);
    facts->host[sizeof facts->host - 1] = facts->reason[sizeof facts->reason - 1] = '\0'; /* no checksum covers them */
    H5Tclose(type);
    H5Sclose(memory);
    H5Sclose(space);
    return status;
}

int store_read_provenance(struct store_reader *reader, int row, struct stage_provenance *facts, struct error *err)
{
    struct hdf hdf = reading(reader, err);
    hid_t dataset = H5Dopen2(hdf.file, PROVENANCE_STAGE, H5P_DEFAULT);
    if (dataset < 0) return hdf_fail(err, hdf.path, "there is no %s", PROVENANCE_STAGE);
    int status = read_provenance_row(&hdf, dataset, row, facts);
    H5Dclose(dataset);
    return status;
}

/* ---- variables ---- */

struct scale { /* of one dimension */
    char name[NAME_MAX_BYTES];
    int64_t length;
};

static herr_t keep_scale(hid_t dataset, unsigned dimension, hid_t id, void *context)
{
    struct scale *scale = context;
    char path[NAME_MAX_BYTES + 1] = "";
    (void)dataset, (void)dimension;
    H5Iget_name(id, path, sizeof path);
    snprintf(scale->name, NAME_MAX_BYTES, "%s", path[0] == '/' ? path + 1 : path);
    hid_t space = H5Dget_space(id);
    scale->length = H5Sget_simple_extent_npoints(space);
    H5Sclose(space);
    return 1;
}

/* Readers step through labels and values side by side, so their lengths must agree. */
static int name_dimensions(const struct hdf *hdf, hid_t dataset, const char *name, struct variable *variable)
{
    bool own = H5DSis_scale(dataset) > 0; /* is its own dimension */
    for (int i = 0; i < variable->dimensions; i++) {
        struct scale scale = {.length = variable->length[i]};
        if (own)
            snprintf(scale.name, NAME_MAX_BYTES, "%s", name);
        else
            H5DSiterate_scales(dataset, (unsigned)i, NULL, keep_scale, &scale);
        if (scale.length != variable->length[i])
            return error_set(hdf->err, ERROR_INPUT, "%s: %s has another length along %s than %s itself: it is damaged",
                             hdf->path, name, scale.name, scale.name);
        snprintf(variable->dimension[i], NAME_MAX_BYTES, "%s", scale.name);
    }
    return 0;
}

static int measure_variable(const struct hdf *hdf, hid_t dataset, const char *name, struct variable *variable)
{
    hsize_t length[H5S_MAX_RANK];
    hid_t space = H5Dget_space(dataset);
    variable->dimensions = H5Sget_simple_extent_dims(space, length, NULL);
    variable->count = H5Sget_simple_extent_npoints(space);
    H5Sclose(space);
    if (variable->dimensions > (int)(sizeof variable->length / sizeof *variable->length))
        return error_set(hdf->err, ERROR_INPUT, "%s: %s has more dimensions than can be read", hdf->path, name);
    for (int i = 0; i < variable->dimensions; i++) variable->length[i] = (int64_t)length[i];
    return name_dimensions(hdf, dataset, name, variable);
}

static int read_note(const struct hdf *hdf, hid_t dataset, const char *name, char *note, size_t size)
{
    char *text;
    TRY(hdf_read_attribute_text(hdf, dataset, name, &text));
    snprintf(note, size, "%s", text ? text : "");
    memory_free(text);
    return 0;
}

static bool is_numeric(hid_t dataset)
{
    hid_t type = H5Dget_type(dataset);
    H5T_class_t kind = H5Tget_class(type);
    H5Tclose(type);
    return kind == H5T_FLOAT || kind == H5T_INTEGER;
}

static int read_outline(const struct hdf *hdf, hid_t dataset, const char *name, struct variable *variable)
{
    if (!is_numeric(dataset)) return error_set(hdf->err, ERROR_INPUT, "%s: %s does not hold numbers", hdf->path, name);
    TRY(measure_variable(hdf, dataset, name, variable));
    TRY(read_note(hdf, dataset, "units", variable->units, sizeof variable->units));
    return read_note(hdf, dataset, "long_name", variable->long_name, sizeof variable->long_name);
}

static int read_values(const struct hdf *hdf, hid_t dataset, const char *name, struct variable *variable)
{
    variable->values = memory_array((size_t)variable->count, sizeof *variable->values);
    if (H5Dread(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, variable->values) >= 0) return 0;
    memory_free(variable->values);
    return hdf_fail(hdf->err, hdf->path, "%s cannot be read", name);
}

static int read_variable(struct store_reader *reader, const char *name, bool values, struct variable *variable,
                         struct error *err)
{
    struct hdf hdf = reading(reader, err);
    struct variable found = {.dimensions = 0};
    hid_t dataset = H5Dopen2(hdf.file, name, H5P_DEFAULT);
    if (dataset < 0) {
        H5Eclear2(H5E_DEFAULT);
        return error_set(err, ERROR_INPUT, "%s: there is no variable %s", hdf.path, name);
    }
    int status = read_outline(&hdf, dataset, name, &found);
    if (status == 0 && values) status = read_values(&hdf, dataset, name, &found);
    H5Dclose(dataset);
    if (status == 0) *variable = found;
    return status;
}

int store_read_variable(struct store_reader *reader, const char *name, struct variable *variable, struct error *err)
{
    return read_variable(reader, name, true, variable, err);
}

int store_measure_variable(struct store_reader *reader, const char *name, struct variable *variable, struct error *err)
{
    return read_variable(reader, name, false, variable, err);
}

void variable_reset(struct variable *variable)
{
    memory_free(variable->values);
    variable->values = NULL;
    variable->count = 0;
}

bool store_has_variable(struct store_reader *reader, const char *name)
{
    hid_t dataset = H5Dopen2(reader->file, name, H5P_DEFAULT);
    if (dataset >= 0) H5Dclose(dataset);
    H5Eclear2(H5E_DEFAULT);
    return dataset >= 0;
}

struct names { /* while the root is walked */
    char **name;
    size_t count, capacity;
};

static herr_t keep_numeric(hid_t root, const char *name, const H5L_info_t *link, void *context)
{
    struct names *names = context;
    H5O_info_t facts;
    (void)link;
    if (H5Oget_info_by_name(root, name, &facts, H5P_DEFAULT) < 0) return -1;
    if (facts.type != H5O_TYPE_DATASET) return 0;
    hid_t dataset = H5Dopen2(root, name, H5P_DEFAULT);
    if (dataset < 0) return -1;
    if (is_numeric(dataset)) {
        names->name = memory_grow(names->name, &names->capacity, names->count + 1, sizeof *names->name);
        names->name[names->count++] = memory_text(name);
    }
    H5Dclose(dataset);
    return 0;
}

int store_read_names(struct store_reader *reader, char ***name, int *count, struct error *err)
{
    struct names names = {.count = 0};
    TRY(store_check(reader->path, err)); /* HDF5 1.10 frees what it must not when it lists damaged links */
    if (H5Literate(reader->file, H5_INDEX_NAME, H5_ITER_INC, NULL, keep_numeric, &names) < 0) {
        for (size_t i = 0; i < names.count; i++) memory_free(names.name[i]);
        memory_free(names.name);
        return hdf_fail(err, reader->path, "its variables cannot be listed");
    }
    *name = names.name;
    *count = (int)names.count;
    return 0;
}

/* ---- labels ---- */

static char *number_label(double value)
{
    for (int digits = 6;; digits++) { /* the shortest that reads back as the same number */
        char *text = memory_format("%.*g", digits, value);
        if (digits == 17 || strtod(text, NULL) == value) return text;
        memory_free(text);
    }
}

static char *whole_label(double value) { return memory_format("%.0f", value); }

static int number_labels(struct store_reader *reader, const char *dimension, bool whole, char ***labels, int *count,
                         struct error *err)
{
    struct variable variable;
    TRY(store_read_variable(reader, dimension, &variable, err));
    *count = (int)variable.count;
    *labels = memory_array((size_t)*count, sizeof **labels);
    for (int i = 0; i < *count; i++)
        (*labels)[i] = whole ? whole_label(variable.values[i]) : number_label(variable.values[i]);
    variable_reset(&variable);
    return 0;
}

int store_read_labels(struct store_reader *reader, const char *dimension, char ***labels, int *count, struct error *err)
{
    struct hdf hdf = reading(reader, err);
    hid_t dataset = H5Dopen2(hdf.file, dimension, H5P_DEFAULT);
    if (dataset < 0) {
        if (hdf_system_failed()) return hdf_fail(err, hdf.path, "the dimension %s cannot be opened", dimension);
        H5Eclear2(H5E_DEFAULT);
        return error_set(err, ERROR_INPUT, "%s: there is no dimension %s", hdf.path, dimension);
    }
    hid_t type = H5Dget_type(dataset);
    H5T_class_t kind = H5Tget_class(type);
    H5Tclose(type);
    H5Dclose(dataset);
    if (kind == H5T_STRING) return hdf_read_texts(&hdf, dimension, labels, count);
    return number_labels(reader, dimension, kind == H5T_INTEGER, labels, count, err);
}
