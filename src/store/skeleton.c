/* The whole skeleton of the results file, written once, serially, under a temporary name. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store_private.h"

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
    if (constant->per_domain) dimensions_add(&dimensions, "domain", plan->extents.domains);
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

static hid_t create_file(const char *path)
{
    hid_t list = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_link_creation_order(list, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
    H5Pset_obj_track_times(list, false);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, list, H5P_DEFAULT);
    H5Pclose(list);
    return file;
}

static int sync_file(const char *path, struct error *err)
{
    int descriptor = open(path, O_RDWR | O_CLOEXEC);
    int status = descriptor < 0 ? -1 : fsync(descriptor);
    if (status != 0) error_set(err, ERROR_OUTSIDE, "%s: cannot be synced: %s", path, strerror(errno));
    if (descriptor >= 0) close(descriptor);
    return status;
}

static int write_skeleton(const char *path, const struct plan *plan, const char *explained, struct error *err)
{
    struct hdf hdf = {.file = create_file(path), .path = path, .err = err};
    if (hdf.file < 0) return hdf_fail(err, path, "cannot be created");
    int status = fill_file(&hdf, plan, explained);
    if (H5Fclose(hdf.file) < 0 && status == 0) status = hdf_fail(err, path, "cannot be written");
    return status == 0 ? sync_file(path, err) : -1;
}

int store_create(const char *path, const struct plan *plan, const char *explained, bool replace, struct error *err)
{
    hdf_begin();
    if (!replace && access(path, F_OK) == 0)
        return error_set(err, ERROR_INPUT, "%s: is there already and is not replaced", path);
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
