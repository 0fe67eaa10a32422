/* The whole skeleton of the results file, written once, serially, under a temporary name. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_private.h"

enum { RESERVE_BYTES = 1 << 20 };

/* ---- variables ---- */

static int attributes_of_field(const struct hdf *hdf, hid_t dataset, const struct field *field)
{
    TRY(hdf_attribute_text(hdf, dataset, "long_name", field->long_name));
    TRY(hdf_attribute_text(hdf, dataset, "units", field->units));
    TRY(hdf_attribute_text(hdf, dataset, "formula", field->formula));
    return hdf_attribute_text(hdf, dataset, "source", field->source);
}

#define FLAG_WORD(name, word) word " "
#define FLAG_VALUE(name, word) name,
static int attributes_of_status(const struct hdf *hdf, hid_t dataset)
{
    static const char words[] = STAGE_STATUSES(FLAG_WORD);
    static const int8_t values[] = {STAGE_STATUSES(FLAG_VALUE)};
    char meanings[sizeof words];
    snprintf(meanings, sizeof meanings, "%.*s", (int)sizeof words - 2, words);
    TRY(hdf_attribute_text(hdf, dataset, "long_name",
                           "status of the stage that fills these places; excluded: no cell of the sweep asks for it"));
    TRY(hdf_attribute(hdf, dataset, "flag_values", H5T_NATIVE_INT8, STATUS_COUNT, values));
    return hdf_attribute_text(hdf, dataset, "flag_meanings", meanings);
}

static int variable_finish(const struct hdf *hdf, const struct plan *plan, hid_t dataset,
                           const struct dimensions *dimensions, int axis_count, const int *axis)
{
    char *coordinates = coordinates_along(plan, axis_count, axis);
    int status = hdf_attribute_text(hdf, dataset, "coordinates", coordinates);
    memory_free(coordinates);
    return status == 0 ? dimensions_attach(hdf, dataset, dimensions) : -1;
}

static hid_t create_status(const struct hdf *hdf, const struct column *column, const struct group_layout *layout,
                           const struct dimensions *dimensions)
{
    int8_t *status = memory_array((size_t)layout->cells, sizeof *status);
    for (int64_t i = 0; i < layout->cells; i++) status[i] = layout->stage[i] < 0 ? STATUS_EXCLUDED : STATUS_PENDING;
    hid_t dataset = hdf_dataset(hdf, column->name, H5T_NATIVE_INT8, dimensions, NULL, status);
    memory_free(status);
    return dataset;
}

static int create_column(const struct hdf *hdf, const struct plan *plan, const struct column *column)
{
    const struct group_layout *layout = &plan->group[column->group];
    const double missing = NAN;
    struct dimensions dimensions;
    column_dimensions(plan, column, &dimensions);
    hid_t dataset = column->field < 0 ? create_status(hdf, column, layout, &dimensions)
                                      : hdf_dataset(hdf, column->name, H5T_NATIVE_DOUBLE, &dimensions, &missing, NULL);
    if (dataset < 0) return -1;
    int status = column->field < 0 ? attributes_of_status(hdf, dataset)
                                   : attributes_of_field(hdf, dataset, &fields_table[column->field]);
    if (status == 0) status = variable_finish(hdf, plan, dataset, &dimensions, layout->axis_count, layout->axis);
    H5Dclose(dataset);
    return status;
}

static int create_constant(const struct hdf *hdf, const struct plan *plan, const struct constant *constant)
{
    const double missing = NAN;
    struct dimensions dimensions;
    axes_dimensions(plan, constant->axis_count, constant->axis, &dimensions);
    if (constant->per_domain) dimensions_add(&dimensions, "domain", plan->extents.length[DIMENSION_DOMAIN]);
    hid_t dataset = hdf_dataset(hdf, constant->name, H5T_NATIVE_DOUBLE, &dimensions, &missing, constant->values);
    if (dataset < 0) return -1;
    int status = hdf_attribute_text(hdf, dataset, "long_name", constant->long_name);
    if (status == 0) status = hdf_attribute_text(hdf, dataset, "units", constant->units);
    if (status == 0) status = dimensions_attach(hdf, dataset, &dimensions);
    H5Dclose(dataset);
    return status;
}

static int create_columns(const struct hdf *hdf, const struct plan *plan)
{
    int count, status = 0;
    struct column *column = columns_of(plan, &count);
    for (int i = 0; i < count && status == 0; i++) status = create_column(hdf, plan, &column[i]);
    memory_free(column);
    return status;
}

/* ---- the file ---- */

static int root_attributes(const struct hdf *hdf, const struct plan *plan)
{
    int version = FORMAT_VERSION;
    TRY(hdf_attribute_text(hdf, hdf->file, "Conventions", "CF-1.10"));
    TRY(hdf_attribute_text(hdf, hdf->file, "title", plan->sweep->name));
    TRY(hdf_attribute_text(hdf, hdf->file, "format", FORMAT_NAME));
    return hdf_attribute(hdf, hdf->file, "format_version", H5T_NATIVE_INT, -1, &version);
}

static int fill_file(const struct hdf *hdf, const struct plan *plan, const char *explained)
{
    TRY(root_attributes(hdf, plan));
    TRY(coordinates_create(hdf, plan));
    for (int c = 0; c < plan->constant_count; c++) TRY(create_constant(hdf, plan, &plan->constants[c]));
    TRY(create_columns(hdf, plan));
    TRY(stages_create(hdf, plan));
    TRY(provenance_create(hdf, plan));
    return sweep_create(hdf, plan, explained);
}

/* No sieve buffer: a write that fails says so at once, not when its dataset is closed. */
static hid_t create_file(const char *path, struct error *err)
{
    hid_t list = H5Pcreate(H5P_FILE_CREATE), access_list = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_link_creation_order(list, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
    H5Pset_obj_track_times(list, false);
    H5Pset_sieve_buf_size(access_list, 0);
    H5Pset_fclose_degree(access_list, H5F_CLOSE_STRONG);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, list, access_list);
    if (file < 0) hdf_fail(err, path, "cannot be created");
    H5Pclose(list);
    H5Pclose(access_list);
    return file;
}

/* HDF5 does not survive a close that fails: it can then not even end without a crash.  So room for all that is still to
 * be written is taken from the disk before HDF5 writes it, where a full disk is only an error; then a flush shows
 * whether it can be written ... */
static int reserve(const struct hdf *hdf)
{
    int *descriptor;
    hsize_t size;
    if (H5Fget_vfd_handle(hdf->file, H5P_DEFAULT, (void **)&descriptor) < 0 || H5Fget_filesize(hdf->file, &size) < 0)
        return hdf_fail(hdf->err, hdf->path, "cannot be measured");
    if (fallocate(*descriptor, FALLOC_FL_KEEP_SIZE, 0, (off_t)size + RESERVE_BYTES) == 0) return 0;
    if (errno == EOPNOTSUPP || errno == ENOSYS) return 0; /* not every file system can reserve */
    return error_set(hdf->err, ERROR_OUTSIDE, "%s: cannot be written: %s", hdf->path, strerror(errno));
}

static int seal_and_sync(const char *path, const struct seal *seal, struct error *err)
{
    struct stat facts;
    int descriptor = open(path, O_RDWR | O_CLOEXEC), status = -1;
    if (descriptor >= 0 && fstat(descriptor, &facts) == 0) {
        status = ftruncate(descriptor, facts.st_size); /* gives back what was reserved and not needed */
        if (status == 0) status = seal_write(descriptor, seal, (uint64_t)facts.st_size);
        if (status == 0) status = fsync(descriptor);
    }
    if (status != 0) error_set(err, ERROR_OUTSIDE, "%s: cannot be written: %s", path, strerror(errno));
    if (descriptor >= 0) close(descriptor);
    return status;
}

static int write_skeleton(const char *path, const struct plan *plan, const char *explained, struct error *err)
{
    struct hdf hdf = {.file = create_file(path, err), .path = path, .err = err};
    struct seal seal = {.stretch = NULL};
    if (hdf.file < 0) return -1;
    int status = fill_file(&hdf, plan, explained);
    if (status == 0) status = seal_prepare(&hdf, plan, &seal);
    if (status == 0) status = reserve(&hdf);
    status = hdf_close_new(&hdf, status);
    if (status == 0) status = seal_and_sync(path, &seal, err);
    seal_reset(&seal);
    return status;
}

int store_create(const char *path, const struct plan *plan, const char *explained, bool replace, struct error *err)
{
    hdf_begin();
    bool there = access(path, F_OK) == 0;
    if (!there && errno != ENOENT)
        return error_set(err, ERROR_OUTSIDE, "%s: cannot be looked at: %s", path, strerror(errno));
    if (!replace && there) return error_set(err, ERROR_INPUT, "%s: is there already and is not replaced", path);
    char *temporary = memory_format("%s.%ld.tmp", path, (long)getpid());
    int status = write_skeleton(temporary, plan, explained, err);
    if (status == 0 && rename(temporary, path) != 0)
        status = error_set(err, ERROR_OUTSIDE, "%s: cannot be put in its place: %s", path, strerror(errno));
    if (status == 0)
        status = file_sync_folder(path, err);
    else
        unlink(temporary);
    memory_free(temporary);
    return status;
}
