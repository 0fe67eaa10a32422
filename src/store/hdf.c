/* HDF5 with errors as values: every call that can fail says which file, what, and HDF5's deepest reason. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store_private.h"

static bool told_of_system; /* hdf_fail, last */

void hdf_begin(void)
{
    setenv("HDF5_USE_FILE_LOCKING", "BEST_EFFORT", 0); /* the user's own setting stays */
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    told_of_system = false;
}

static herr_t keep_first(unsigned depth, const H5E_error2_t *entry, void *context)
{
    (void)depth;
    snprintf(context, 512, "%s", entry->desc ? entry->desc : "no reason given");
    return 1; /* walking upward, the first is the deepest */
}

/* What HDF5 says where a call of the system fails; of damage it says other things. */
static herr_t is_of_system(unsigned depth, const H5E_error2_t *entry, void *context)
{
    (void)depth;
    bool opening = entry->maj_num == H5E_FILE && (entry->min_num == H5E_CANTOPENFILE || entry->min_num == H5E_BADFILE);
#ifdef H5E_CANTLOCKFILE
    opening |= entry->min_num == H5E_CANTLOCKFILE;
#endif
    bool reading = entry->maj_num == H5E_IO && (entry->min_num == H5E_READERROR || entry->min_num == H5E_SEEKERROR);
    *(bool *)context = opening || reading;
    return 1; /* the deepest only */
}

bool hdf_told_of_system(void) { return told_of_system; }

bool hdf_system_failed(void)
{
    bool failed = false;
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, is_of_system, &failed);
    return failed;
}

/* Where a call of the system failed HDF5 gives addresses and clocks as well; a person needs its reason only. */
static void keep_system_reason(char *reason)
{
    static const char mark[] = "error message = '";
    char *found = strstr(reason, mark);
    if (!found) return;
    found += sizeof mark - 1;
    size_t length = strcspn(found, "'");
    memmove(reason, found, length);
    reason[length] = '\0';
}

int hdf_fail(struct error *err, const char *path, const char *format, ...)
{
    char what[512], reason[512] = "no reason given";
    va_list values;
    va_start(values, format);
    vsnprintf(what, sizeof what, format, values);
    va_end(values);
    told_of_system = hdf_system_failed();
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, reason);
    H5Eclear2(H5E_DEFAULT);
    keep_system_reason(reason);
    return error_set(err, ERROR_OUTSIDE, "%s: %s: %s", path, what, reason);
}

void hdf_give_up(const struct error *err)
{
    int running = 0, exit_status = error_exit_status(err->kind);
    log_line(LOG_ERROR, "%s; what is finished is saved, run the same command again", err->text);
    MPI_Initialized(&running);
    if (running) MPI_Abort(MPI_COMM_WORLD, exit_status);
    _exit(exit_status);
}

/* What is left of a file that failed goes to one in memory, which takes everything. */
static void divert(hid_t file)
{
    int *descriptor, memory = memfd_create("abandoned file", MFD_CLOEXEC);
    if (memory >= 0 && H5Fget_vfd_handle(file, H5P_DEFAULT, (void **)&descriptor) >= 0) dup2(memory, *descriptor);
    if (memory >= 0) close(memory);
}

int hdf_close_new(const struct hdf *hdf, int status)
{
    if (status == 0 && H5Fflush(hdf->file, H5F_SCOPE_GLOBAL) < 0)
        status = hdf_fail(hdf->err, hdf->path, "cannot be written");
    if (status != 0) divert(hdf->file);
    if (H5Fclose(hdf->file) < 0) {
        struct error why;
        hdf_fail(&why, hdf->path, "cannot be written");
        unlink(hdf->path);
        hdf_give_up(&why);
    }
    return status;
}

hid_t hdf_text_type(void)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

int hdf_group(const struct hdf *hdf, const char *name)
{
    hid_t list = H5Pcreate(H5P_GROUP_CREATE);
    H5Pset_link_creation_order(list, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
    H5Pset_obj_track_times(list, false);
    hid_t group = H5Gcreate2(hdf->file, name, H5P_DEFAULT, list, H5P_DEFAULT);
    int status = group < 0 ? hdf_fail(hdf->err, hdf->path, "the group %s cannot be created", name) : 0;
    if (group >= 0) H5Gclose(group);
    H5Pclose(list);
    return status;
}

static hid_t dataset_properties(hid_t type, const void *fill)
{
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_layout(list, H5D_CONTIGUOUS);
    H5Pset_alloc_time(list, H5D_ALLOC_TIME_EARLY);
    H5Pset_obj_track_times(list, false);
    if (fill) H5Pset_fill_value(list, type, fill);
    return list;
}

enum { IN_HEAP = 16 }; /* bytes that stand in a file for a text, whatever H5Tget_size says: length, heap, index in it */

/* HDF5 clears buffers of 1 MiB for every transfer that converts values, as that of texts does, however few they are. */
hid_t hdf_transfer(hid_t dataset, hid_t type, int64_t count)
{
    hid_t list = H5Pcreate(H5P_DATASET_XFER), stored = H5Dget_type(dataset);
    size_t one = H5Tget_size(type), one_stored = H5Tget_size(stored);
    size_t bytes = ((one > one_stored ? one : one_stored) + IN_HEAP) * (size_t)count;
    if (bytes > 0 && bytes < H5Pget_buffer(list, NULL, NULL)) H5Pset_buffer(list, bytes, NULL, NULL);
    H5Tclose(stored);
    return list;
}

static int write_values(const struct hdf *hdf, const char *name, hid_t dataset, hid_t type, hid_t space,
                        const void *values)
{
    hid_t transfer = hdf_transfer(dataset, type, H5Sget_simple_extent_npoints(space));
    int status = 0;
    if (H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, transfer, values) < 0)
        status = hdf_fail(hdf->err, hdf->path, "the variable %s cannot be written", name);
    H5Pclose(transfer);
    return status;
}

hid_t hdf_dataset(const struct hdf *hdf, const char *name, hid_t type, const struct dimensions *dimensions,
                  const void *fill, const void *values)
{
    hid_t space =
        dimensions->count > 0 ? H5Screate_simple(dimensions->count, dimensions->length, NULL) : H5Screate(H5S_SCALAR);
    hid_t list = dataset_properties(type, fill);
    hid_t dataset = H5Dcreate2(hdf->file, name, type, space, H5P_DEFAULT, list, H5P_DEFAULT);
    if (dataset < 0) {
        hdf_fail(hdf->err, hdf->path, "the variable %s cannot be created", name);
    } else if (values && write_values(hdf, name, dataset, type, space, values) != 0) {
        H5Dclose(dataset);
        dataset = -1;
    }
    H5Pclose(list);
    H5Sclose(space);
    return dataset;
}

static int put(const struct hdf *hdf, const char *name, hid_t type, const struct dimensions *dimensions,
               const void *values)
{
    hid_t dataset = hdf_dataset(hdf, name, type, dimensions, NULL, values);
    if (dataset < 0) return -1;
    H5Dclose(dataset);
    return 0;
}

int hdf_put(const struct hdf *hdf, const char *name, hid_t type, int64_t count, const void *values)
{
    return put(hdf, name, type, &(struct dimensions){.count = 1, .length = {(hsize_t)count}}, values);
}

int hdf_put_member(const struct hdf *hdf, const char *name, hid_t type, int count, const void *first, size_t size,
                   size_t offset)
{
    size_t width = H5Tget_size(type);
    char *values = memory_array((size_t)count, width);
    for (int i = 0; i < count; i++)
        memcpy(values + (size_t)i * width, (const char *)first + (size_t)i * size + offset, width);
    int status = hdf_put(hdf, name, type, count, values);
    memory_free(values);
    return status;
}

int hdf_put_texts(const struct hdf *hdf, const char *name, int64_t count, const char *const *texts)
{
    hid_t type = hdf_text_type();
    int status = hdf_put(hdf, name, type, count, texts);
    H5Tclose(type);
    return status;
}

int hdf_put_text(const struct hdf *hdf, const char *name, const char *text)
{
    hid_t type = hdf_text_type();
    int status = put(hdf, name, type, &(struct dimensions){.count = 0}, &text);
    H5Tclose(type);
    return status;
}

int hdf_attribute(const struct hdf *hdf, hid_t object, const char *name, hid_t type, int64_t count, const void *values)
{
    hsize_t length = (hsize_t)count;
    hid_t space = count >= 0 ? H5Screate_simple(1, &length, NULL) : H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    int status = 0;
    if (attribute < 0 || H5Awrite(attribute, type, values) < 0)
        status = hdf_fail(hdf->err, hdf->path, "the attribute %s cannot be written", name);
    if (attribute >= 0) H5Aclose(attribute);
    H5Sclose(space);
    return status;
}

int hdf_attribute_texts(const struct hdf *hdf, hid_t object, const char *name, int64_t count, const char *const *texts)
{
    hid_t type = hdf_text_type();
    int status = hdf_attribute(hdf, object, name, type, count, texts);
    H5Tclose(type);
    return status;
}

int hdf_attribute_text(const struct hdf *hdf, hid_t object, const char *name, const char *text)
{
    return text ? hdf_attribute_texts(hdf, object, name, -1, &text) : 0;
}
