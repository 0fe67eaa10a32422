/* Reading datasets and attributes whole. */
#include <string.h>

#include "store_private.h"

/* ---- a file that is in memory already ---- */

/* HDF5 asks for memory of its own in several places, and is given the caller's: it only reads. */
static void *lend_bytes(size_t size, H5FD_file_image_op_t what, void *bytes)
{
    (void)size, (void)what;
    return bytes;
}

static void *copy_nothing(void *to, const void *from, size_t size, H5FD_file_image_op_t what, void *bytes)
{
    (void)from, (void)size, (void)what, (void)bytes;
    return to;
}

static herr_t free_nothing(void *image, H5FD_file_image_op_t what, void *bytes)
{
    (void)image, (void)what, (void)bytes;
    return 0;
}

static void *same_bytes(void *bytes) { return bytes; }

static herr_t keep_bytes(void *bytes)
{
    (void)bytes;
    return 0;
}

hid_t hdf_open_bytes(const char *path, char *bytes, size_t count)
{
    H5FD_file_image_callbacks_t lending = {.image_malloc = lend_bytes,
                                           .image_memcpy = copy_nothing,
                                           .image_free = free_nothing,
                                           .udata_copy = same_bytes,
                                           .udata_free = keep_bytes,
                                           .udata = bytes};
    char *name = memory_format("%s, in memory", path); /* HDF5 refuses a name that a file has */
    hid_t list = H5Pcreate(H5P_FILE_ACCESS), file = -1;
    if (H5Pset_fapl_core(list, count, false) >= 0 && H5Pset_file_image_callbacks(list, &lending) >= 0 &&
        H5Pset_file_image(list, bytes, count) >= 0)
        file = H5Fopen(name, H5F_ACC_RDONLY, list);
    H5Pclose(list);
    memory_free(name);
    return file;
}

/* ---- values ---- */

static int64_t values_of(hid_t dataset)
{
    hid_t space = H5Dget_space(dataset);
    int64_t count = H5Sget_simple_extent_npoints(space);
    H5Sclose(space);
    return count;
}

static hid_t open_dataset(const struct hdf *hdf, const char *name)
{
    hid_t dataset = H5Dopen2(hdf->file, name, H5P_DEFAULT);
    if (dataset < 0) hdf_fail(hdf->err, hdf->path, "the variable %s cannot be opened", name);
    return dataset;
}

int hdf_count(const struct hdf *hdf, const char *name, int64_t *count)
{
    hid_t dataset = open_dataset(hdf, name);
    if (dataset < 0) return -1;
    *count = values_of(dataset);
    H5Dclose(dataset);
    return 0;
}

int hdf_read_whole(const struct hdf *hdf, const char *name, hid_t type, int64_t count, void *values)
{
    hid_t dataset = open_dataset(hdf, name);
    if (dataset < 0) return -1;
    int status = 0;
    hid_t transfer = hdf_transfer(dataset, type, count);
    int64_t there = values_of(dataset);
    if (there != count)
        status = error_set(hdf->err, ERROR_OUTSIDE, "%s: %s has %lld values where %lld are expected", hdf->path, name,
                           (long long)there, (long long)count);
    else if (H5Dread(dataset, type, H5S_ALL, H5S_ALL, transfer, values) < 0)
        status = hdf_fail(hdf->err, hdf->path, "%s cannot be read", name);
    H5Pclose(transfer);
    H5Dclose(dataset);
    return status;
}

static bool is_text(hid_t dataset)
{
    hid_t type = H5Dget_type(dataset);
    bool text = H5Tis_variable_str(type) > 0;
    H5Tclose(type);
    return text;
}

/* Copies HDF5's strings into counted memory and gives its own back. */
static char **texts_taken(char **raw, int64_t count, hid_t type, hid_t space)
{
    char **texts = memory_array((size_t)count, sizeof *texts);
    for (int64_t i = 0; i < count; i++) texts[i] = memory_text(raw[i] ? raw[i] : "");
    H5Dvlen_reclaim(type, space, H5P_DEFAULT, raw);
    return texts;
}

int hdf_read_texts(const struct hdf *hdf, const char *name, char ***texts, int *count)
{
    hid_t dataset = open_dataset(hdf, name);
    if (dataset < 0) return -1;
    int status = 0;
    hid_t type = hdf_text_type(), space = H5Dget_space(dataset);
    int64_t there = values_of(dataset);
    hid_t transfer = hdf_transfer(dataset, type, there);
    char **raw = memory_array((size_t)there, sizeof *raw);
    if (!is_text(dataset)) {
        status = error_set(hdf->err, ERROR_OUTSIDE, "%s: %s does not hold text", hdf->path, name);
    } else if (H5Dread(dataset, type, H5S_ALL, H5S_ALL, transfer, raw) < 0) {
        status = hdf_fail(hdf->err, hdf->path, "%s cannot be read", name);
    } else {
        *texts = texts_taken(raw, there, type, space);
        *count = (int)there;
    }
    memory_free(raw);
    H5Pclose(transfer);
    H5Sclose(space);
    H5Tclose(type);
    H5Dclose(dataset);
    return status;
}

int hdf_exists(const struct hdf *hdf, const char *name, bool *there)
{
    htri_t found = H5Lexists(hdf->file, name, H5P_DEFAULT);
    if (found < 0) return hdf_fail(hdf->err, hdf->path, "cannot be searched for %s", name);
    *there = found > 0;
    return 0;
}

int hdf_read_text(const struct hdf *hdf, const char *name, char **text)
{
    char **texts;
    int count;
    TRY(hdf_read_texts(hdf, name, &texts, &count));
    for (int i = 1; i < count; i++) memory_free(texts[i]);
    *text = count > 0 ? texts[0] : memory_text("");
    memory_free(texts);
    return 0;
}

static int64_t values_of_attribute(hid_t attribute)
{
    hid_t space = H5Aget_space(attribute);
    int64_t count = H5Sget_simple_extent_npoints(space);
    H5Sclose(space);
    return count;
}

/* The number of values is looked at first: an attribute that has more would be read past the end of `values`. */
int hdf_read_attribute(const struct hdf *hdf, hid_t object, const char *name, hid_t type, int64_t count, void *values)
{
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    if (attribute < 0) return hdf_fail(hdf->err, hdf->path, "the attribute %s cannot be opened", name);
    int status = 0;
    int64_t there = values_of_attribute(attribute);
    if (there != count)
        status = error_set(hdf->err, ERROR_OUTSIDE, "%s: the attribute %s has %lld values where %lld are expected",
                           hdf->path, name, (long long)there, (long long)count);
    else if (H5Aread(attribute, type, values) < 0)
        status = hdf_fail(hdf->err, hdf->path, "the attribute %s cannot be read", name);
    H5Aclose(attribute);
    return status;
}

int hdf_read_attribute_text(const struct hdf *hdf, hid_t object, const char *name, char **text)
{
    *text = NULL;
    htri_t there = H5Aexists(object, name);
    if (there < 0) return hdf_fail(hdf->err, hdf->path, "cannot be searched for the attribute %s", name);
    if (there == 0) return 0;
    char *raw = NULL;
    hid_t type = hdf_text_type();
    int status = hdf_read_attribute(hdf, object, name, type, 1, &raw);
    if (status == 0) *text = memory_text(raw ? raw : "");
    if (raw) H5free_memory(raw);
    H5Tclose(type);
    return status;
}
