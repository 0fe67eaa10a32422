/* Checkpoints: one state in one file, whole or not there.
 *
 * A 512-byte block in front (HDF5 calls it the user block) says how long the rest is and what it hashes to, so that
 * damage is found before HDF5 parses a byte.  Equal states give equal files: no time stamps, a fixed order. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint_private.h"

enum { FRONT_BYTES = 512, FRONT_VERSION = 1 };

struct front { /* of every checkpoint file; the whole block is compared, so every byte of it counts */
    char magic[16];
    uint64_t version, length; /* length: bytes after the block */
    struct hash128 state, content;
    char nothing[FRONT_BYTES - 64];
};
_Static_assert(sizeof(struct front) == FRONT_BYTES, "the block in front has no gaps");

static struct front front_of(struct hash128 state, const char *content, size_t length)
{
    struct front front = {.magic = "palimpsest state", .version = FRONT_VERSION, .length = length, .state = state};
    front.content = hash_bytes(content, length);
    return front;
}

/* ---- where ---- */

/* RESULTS.stages for RESULTS.h5; memory_free, as the next. */
static char *folder_of(const char *results_path)
{
    size_t length = strlen(results_path);
    if (length > 3 && strcmp(results_path + length - 3, ".h5") == 0) length -= 3;
    return memory_format("%.*s.stages", (int)length, results_path);
}

static char *path_of(const char *results_path, struct hash128 id, int copy)
{
    char name[HASH_TEXT];
    char *folder = folder_of(results_path), *path;
    hash_text(id, name);
    path = copy > 0 ? memory_format("%s/%s-%d.h5", folder, name, copy) : memory_format("%s/%s.h5", folder, name);
    memory_free(folder);
    return path;
}

/* ---- writing ---- */

/* A file in memory with room for the state, so that it need not grow; never on disk. */
static hid_t create_in_memory(const char *path, const struct state *state, struct error *err)
{
    size_t floats = state->floats * (state->moments ? 3 : 1);
    hid_t access_list = H5Pcreate(H5P_FILE_ACCESS), create_list = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_fapl_core(access_list, floats * sizeof(float) + 65536, false);
    H5Pset_userblock(create_list, FRONT_BYTES);
    H5Pset_obj_track_times(create_list, false);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, create_list, access_list);
    if (file < 0) hdf_fail(err, path, "cannot be composed");
    H5Pclose(create_list);
    H5Pclose(access_list);
    return file;
}

/* The memory of the core driver itself, so that a large state is not copied once more. */
static int write_memory(const struct hdf *hdf, struct hash128 id)
{
    void **memory;
    hsize_t size;
    if (H5Fflush(hdf->file, H5F_SCOPE_GLOBAL) < 0 || H5Fget_vfd_handle(hdf->file, H5P_DEFAULT, (void **)&memory) < 0 ||
        H5Fget_filesize(hdf->file, &size) < 0)
        return hdf_fail(hdf->err, hdf->path, "cannot be composed");
    char *bytes = *memory;
    struct front front = front_of(id, bytes + FRONT_BYTES, (size_t)size - FRONT_BYTES);
    memcpy(bytes, &front, sizeof front);
    return file_write_atomic(hdf->path, bytes, (size_t)size, hdf->err);
}

static int write_state(const char *path, struct hash128 id, const struct state *state, struct error *err)
{
    struct hdf hdf = {.file = create_in_memory(path, state, err), .path = path, .err = err};
    if (hdf.file < 0) return -1;
    int status = state_put(&hdf, state);
    if (status == 0) status = write_memory(&hdf, id);
    H5Fclose(hdf.file);
    return status;
}

int checkpoint_write(const char *results_path, struct hash128 id, int copy, const struct state *state,
                     struct error *err)
{
    char *folder = folder_of(results_path), *path = path_of(results_path, id, copy);
    hdf_begin();
    int status = folder_create(folder, err);
    if (status == 0) status = write_state(path, id, state, err);
    memory_free(folder);
    memory_free(path);
    return status;
}

/* ---- reading ---- */

static int check_front(const char *path, struct hash128 id, const char *bytes, size_t count, struct error *err)
{
    struct front found, right;
    if (count < FRONT_BYTES) return error_set(err, ERROR_OUTSIDE, "%s: is cut short: %zu bytes", path, count);
    memcpy(&found, bytes, sizeof found);
    if (memcmp(found.magic, "palimpsest state", sizeof found.magic) != 0)
        return error_set(err, ERROR_OUTSIDE, "%s: is not a checkpoint of palimpsest", path);
    if (found.version != FRONT_VERSION)
        return error_set(err, ERROR_OUTSIDE, "%s: is a checkpoint of version %llu; this program reads version %d", path,
                         (unsigned long long)found.version, FRONT_VERSION);
    if (found.length != count - FRONT_BYTES)
        return error_set(err, ERROR_OUTSIDE, "%s: is cut short or damaged: %zu bytes where %llu were written", path,
                         count - FRONT_BYTES, (unsigned long long)found.length);
    if (!hash_equal(found.state, id))
        return error_set(err, ERROR_OUTSIDE, "%s: holds another state than its name says", path);
    right = front_of(id, bytes + FRONT_BYTES, count - FRONT_BYTES);
    if (memcmp(&found, &right, sizeof found) == 0) return 0;
    return error_set(err, ERROR_OUTSIDE, "%s: is damaged: its checksum does not agree with its content", path);
}

static int check_file(const char *path, struct hash128 id, struct error *err)
{
    char *bytes;
    size_t count;
    if (file_read(path, SIZE_MAX - 1, &bytes, &count, err) != 0) {
        if (err) err->kind = ERROR_OUTSIDE;
        return -1;
    }
    int status = check_front(path, id, bytes, count, err);
    memory_free(bytes);
    return status;
}

static int read_state(const char *path, struct state **state, struct error *err)
{
    struct hdf hdf = {.file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), .path = path, .err = err};
    if (hdf.file < 0) return hdf_fail(err, path, "cannot be opened");
    int status = state_get(&hdf, state);
    H5Fclose(hdf.file);
    return status;
}

int checkpoint_read(const char *results_path, struct hash128 id, int copy, struct state **state, struct error *err)
{
    char *path = path_of(results_path, id, copy);
    hdf_begin();
    int status = check_file(path, id, err);
    if (status == 0) status = read_state(path, state, err);
    memory_free(path);
    return status;
}

/* ---- there, or not ---- */

static int remove_file(const char *path, struct error *err)
{
    if (unlink(path) == 0 || errno == ENOENT) return 0;
    return error_set(err, ERROR_OUTSIDE, "%s: cannot be removed: %s", path, strerror(errno));
}

bool checkpoint_there(const char *results_path, struct hash128 id, int copy)
{
    char *path = path_of(results_path, id, copy);
    bool there = access(path, R_OK) == 0;
    memory_free(path);
    return there;
}

int checkpoint_remove(const char *results_path, struct hash128 id, int copy, struct error *err)
{
    char *path = path_of(results_path, id, copy);
    int status = remove_file(path, err);
    memory_free(path);
    return status;
}

/* ---- all of a results file ---- */

static int empty_folder(const char *folder, DIR *list, struct error *err)
{
    for (struct dirent *entry = readdir(list); entry; entry = readdir(list)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char *path = memory_format("%s/%s", folder, entry->d_name);
        int status = remove_file(path, err);
        memory_free(path);
        TRY(status);
    }
    return 0;
}

static int remove_folder(const char *folder, struct error *err)
{
    DIR *list = opendir(folder);
    if (!list && errno == ENOENT) return 0;
    if (!list) return error_set(err, ERROR_OUTSIDE, "%s: cannot be listed: %s", folder, strerror(errno));
    int status = empty_folder(folder, list, err);
    closedir(list);
    if (status == 0 && rmdir(folder) != 0)
        status = error_set(err, ERROR_OUTSIDE, "%s: cannot be removed: %s", folder, strerror(errno));
    return status;
}

int store_remove(const char *path, struct error *err)
{
    char *folder = folder_of(path);
    int status = remove_file(path, err);
    if (status == 0) status = remove_folder(folder, err);
    memory_free(folder);
    return status;
}
