/* Checkpoints: one state in one file, whole or not there.
 *
 * A 512-byte block in front (HDF5 calls it the user block) says how long the rest is and what it hashes to, so that
 * damage is found before HDF5 parses a byte.  Equal states give equal files: no time stamps, a fixed order. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint_private.h"

static struct front front_of(const struct checkpoint_name *name, const char *content, size_t length)
{
    struct front front = {.magic = FRONT_MAGIC,
                          .version = FRONT_VERSION,
                          .length = length,
                          .state = name->state,
                          .record = name->record,
                          .partial = name->partial};
    struct hasher hasher;
    hasher_init(&hasher, "checkpoint");
    hasher_add_hash(&hasher, "state", front.state);
    hasher_add_hash(&hasher, "record", front.record);
    hasher_add_integer(&hasher, "partial", (int64_t)front.partial);
    hasher_add_hash(&hasher, "content", hash_bytes(content, length));
    front.check = hasher_finish(&hasher);
    return front;
}

/* ---- where ---- */

/* Under a symbolic link to a results file its checkpoints are those of the file. */
char *checkpoint_folder(const char *results_path)
{
    struct stat facts;
    bool linked = lstat(results_path, &facts) == 0 && S_ISLNK(facts.st_mode);
    char *real = linked ? realpath(results_path, NULL) : NULL;
    const char *path = real ? real : results_path;
    size_t length = strlen(path);
    bool ends = length > 3 && strcmp(path + length - 3, ".h5") == 0;
    char *folder = memory_format("%.*s%s", (int)(ends ? length - 3 : length), path, ends ? ".stages" : "-stages");
    free(real);
    return folder;
}

char *checkpoint_path(const char *results_path, const struct checkpoint_name *name)
{
    char id[HASH_TEXT], copy[16] = "";
    char *folder = checkpoint_folder(results_path);
    hash_text(name->state, id);
    if (name->copy > 0) snprintf(copy, sizeof copy, "-%d", name->copy);
    char *path = memory_format("%s/%s%s%s.h5", folder, id, copy, name->partial ? ".part" : "");
    memory_free(folder);
    return path;
}

/* The other way round, for a file name alone; false when it is no checkpoint's. */
static bool name_of(const char *file, struct checkpoint_name *name)
{
    char id[HASH_TEXT] = "";
    *name = (struct checkpoint_name){.copy = 0};
    if (strlen(file) < HASH_TEXT) return false;
    memcpy(id, file, HASH_TEXT - 1);
    if (hash_parse(id, &name->state) != 0) return false;
    const char *rest = file + HASH_TEXT - 1;
    if (*rest == '-') name->copy = (int)strtol(rest + 1, (char **)&rest, 10);
    name->partial = strcmp(rest, ".part.h5") == 0;
    return name->partial || strcmp(rest, ".h5") == 0;
}

/* ---- writing ---- */

/* A file in memory with room for the state, so that it need not grow: it grows by as much again, and every byte of that
 * is touched.  Never on disk. */
static hid_t create_in_memory(const char *path, const struct state *state, struct error *err)
{
    enum { FRAME_BYTES = 65536, TENSOR_BYTES = 1024 }; /* beside the numbers: of any state; of each tensor */
    size_t numbers = state->floats * (state->moments ? 3 : 1) * sizeof(float);
    hid_t access_list = H5Pcreate(H5P_FILE_ACCESS), create_list = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_fapl_core(access_list, numbers + FRAME_BYTES + (size_t)state->tensors * TENSOR_BYTES, false);
    H5Pset_userblock(create_list, FRONT_BYTES);
    H5Pset_obj_track_times(create_list, false);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, create_list, access_list);
    if (file < 0) hdf_fail(err, path, "cannot be composed");
    H5Pclose(create_list);
    H5Pclose(access_list);
    return file;
}

/* The memory of the core driver itself, so that a large state is not copied once more; of it what the file uses, for it
 * is longer. */
static int write_memory(const struct hdf *hdf, const struct checkpoint_name *name)
{
    void **memory;
    if (H5Fflush(hdf->file, H5F_SCOPE_GLOBAL) < 0 || H5Fget_vfd_handle(hdf->file, H5P_DEFAULT, (void **)&memory) < 0)
        return hdf_fail(hdf->err, hdf->path, "cannot be composed");
    ssize_t length = H5Fget_file_image(hdf->file, NULL, 0); /* without the front */
    if (length < 0) return hdf_fail(hdf->err, hdf->path, "cannot be composed");
    char *bytes = *memory;
    struct front front = front_of(name, bytes + FRONT_BYTES, (size_t)length);
    memcpy(bytes, &front, sizeof front);
    return file_write_atomic(hdf->path, bytes, FRONT_BYTES + (size_t)length, hdf->err);
}

static int write_state(const char *path, const struct checkpoint_name *name, const struct state *state,
                       struct error *err)
{
    struct hdf hdf = {.file = create_in_memory(path, state, err), .path = path, .err = err};
    if (hdf.file < 0) return -1;
    int status = state_put(&hdf, state);
    if (status == 0) status = write_memory(&hdf, name);
    H5Fclose(hdf.file);
    return status;
}

int checkpoint_write(const char *results_path, const struct checkpoint_name *name, const struct state *state,
                     struct error *err)
{
    char *folder = checkpoint_folder(results_path), *path = checkpoint_path(results_path, name);
    hdf_begin();
    int status = folder_create(folder, err);
    if (status == 0) status = write_state(path, name, state, err);
    memory_free(folder);
    memory_free(path);
    return status;
}

/* ---- reading ---- */

static bool is_zero(struct hash128 hash) { return hash.low == 0 && hash.high == 0; }

int front_check_name(const char *path, const struct checkpoint_name *name, const struct front *found, struct error *err)
{
    if (!hash_equal(found->state, name->state) || found->partial != name->partial)
        return error_set(err, ERROR_OUTSIDE, "%s: holds another state than its name says", path);
    if (is_zero(name->record) || hash_equal(found->record, name->record)) return 0;
    return error_set(err, ERROR_OUTSIDE, "%s: was measured under other settings", path);
}

int front_check_form(const char *path, const struct front *found, size_t count, struct error *err)
{
    if (count < FRONT_BYTES) return error_set(err, ERROR_OUTSIDE, "%s: is cut short: %zu bytes", path, count);
    if (memcmp(found->magic, FRONT_MAGIC, sizeof found->magic) != 0)
        return error_set(err, ERROR_OUTSIDE, "%s: is not a checkpoint of palimpsest", path);
    if (found->version != FRONT_VERSION)
        return error_set(err, ERROR_OUTSIDE, "%s: is a checkpoint of version %llu; this program reads version %d", path,
                         (unsigned long long)found->version, FRONT_VERSION);
    if (found->length == count - FRONT_BYTES) return 0;
    return error_set(err, ERROR_OUTSIDE, "%s: is cut short or damaged: %zu bytes where %llu were written", path,
                     count - FRONT_BYTES, (unsigned long long)found->length);
}

int checkpoint_check_bytes(const char *path, const struct checkpoint_name *name, const char *bytes, size_t count,
                           struct error *err)
{
    struct front found = {.length = 0}, right;
    memcpy(&found, bytes, count < sizeof found ? count : sizeof found);
    TRY(front_check_form(path, &found, count, err));
    struct checkpoint_name own = {.state = found.state, .record = found.record, .partial = found.partial != 0};
    right = front_of(&own, bytes + FRONT_BYTES, count - FRONT_BYTES);
    if (memcmp(&found, &right, sizeof found) != 0)
        return error_set(err, ERROR_OUTSIDE, "%s: is damaged: its checksum does not agree with its content", path);
    return front_check_name(path, name, &found, err);
}

/* *bytes: the whole file, checked; to be freed. */
static int read_checked(const char *path, const struct checkpoint_name *name, char **bytes, size_t *count,
                        struct error *err)
{
    if (file_read(path, SIZE_MAX - 1, bytes, count, err) != 0) {
        if (err) err->kind = ERROR_OUTSIDE;
        return -1;
    }
    if (checkpoint_check_bytes(path, name, *bytes, *count, err) == 0) return 0;
    memory_free(*bytes);
    return -1;
}

/* HDF5 parses the very bytes that were checked: what another read of the file gave could be damaged after all. */
static int parse_state(const char *path, char *bytes, size_t count, struct state **state, struct error *err)
{
    struct hdf hdf = {.file = hdf_open_bytes(path, bytes, count), .path = path, .err = err};
    if (hdf.file < 0) return hdf_fail(err, path, "cannot be opened");
    int status = state_get(&hdf, state);
    H5Fclose(hdf.file);
    return status;
}

int checkpoint_read(const char *results_path, const struct checkpoint_name *name, struct state **state,
                    struct error *err)
{
    char *path = checkpoint_path(results_path, name), *bytes;
    size_t count;
    hdf_begin();
    int status = read_checked(path, name, &bytes, &count, err);
    if (status == 0) {
        status = parse_state(path, bytes, count, state, err);
        memory_free(bytes);
    }
    memory_free(path);
    return status;
}

int checkpoint_check(const char *results_path, const struct checkpoint_name *name, struct error *err)
{
    char *path = checkpoint_path(results_path, name), *bytes;
    size_t count;
    int status = read_checked(path, name, &bytes, &count, err);
    if (status == 0) memory_free(bytes);
    memory_free(path);
    return status;
}

/* ---- there, or not ---- */

static int remove_file(const char *path, struct error *err)
{
    if (unlink(path) == 0 || errno == ENOENT) return 0;
    return error_set(err, ERROR_OUTSIDE, "%s: cannot be removed: %s", path, strerror(errno));
}

bool checkpoint_there(const char *results_path, const struct checkpoint_name *name)
{
    char *path = checkpoint_path(results_path, name);
    bool there = access(path, R_OK) == 0;
    memory_free(path);
    return there;
}

int checkpoint_remove(const char *results_path, const struct checkpoint_name *name, struct error *err)
{
    char *path = checkpoint_path(results_path, name);
    int status = remove_file(path, err);
    memory_free(path);
    return status;
}

/* ---- all of a results file ---- */

typedef bool file_visit_f(void *context, const char *file); /* false: remove it */

static int visit_files(const char *folder, DIR *list, file_visit_f *visit, void *context, struct error *err)
{
    struct dirent *entry;
    while (errno = 0, (entry = readdir(list))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (visit(context, entry->d_name)) continue;
        char *path = memory_format("%s/%s", folder, entry->d_name);
        int status = remove_file(path, err);
        memory_free(path);
        TRY(status);
    }
    return errno == 0 ? 0 : error_set(err, ERROR_OUTSIDE, "%s: cannot be listed: %s", folder, strerror(errno));
}

static int visit_folder(const char *folder, file_visit_f *visit, void *context, struct error *err)
{
    DIR *list = opendir(folder);
    if (!list && errno == ENOENT) return 0;
    if (!list) return error_set(err, ERROR_OUTSIDE, "%s: cannot be listed: %s", folder, strerror(errno));
    int status = visit_files(folder, list, visit, context, err);
    closedir(list);
    return status;
}

struct listing {
    checkpoint_visit_f *visit;
    void *context;
    bool tidy;
};

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static bool list_file(void *context, const char *file)
{
    const struct listing *listing = context;
    struct checkpoint_name name;
    if (name_of(file, &name)) return listing->visit(listing->context, &name) || !listing->tidy;
    return !listing->tidy || !ends_with(file, ".tmp");
}

static int list_folder(const char *results_path, struct listing *listing, struct error *err)
{
    char *folder = checkpoint_folder(results_path);
    int status = visit_folder(folder, list_file, listing, err);
    memory_free(folder);
    return status;
}

int checkpoint_list(const char *results_path, checkpoint_visit_f *visit, void *context, struct error *err)
{
    return list_folder(results_path, &(struct listing){visit, context, .tidy = true}, err);
}

int checkpoint_look(const char *results_path, checkpoint_visit_f *visit, void *context, struct error *err)
{
    return list_folder(results_path, &(struct listing){visit, context, .tidy = false}, err);
}

static bool keep_none(void *context, const struct checkpoint_name *name)
{
    (void)context, (void)name;
    return false;
}

/* What somebody else has put into the folder stays, and so does the folder then. */
static int remove_folder(const char *folder, struct error *err)
{
    struct listing all = {keep_none, NULL, .tidy = true};
    TRY(visit_folder(folder, list_file, &all, err));
    if (rmdir(folder) == 0 || errno == ENOENT || errno == ENOTEMPTY || errno == EEXIST) return 0;
    if (errno == ENOTDIR) return 0; /* a link */
    return error_set(err, ERROR_OUTSIDE, "%s: cannot be removed: %s", folder, strerror(errno));
}

int checkpoints_remove(const char *results_path, struct error *err)
{
    char *folder = checkpoint_folder(results_path);
    int status = remove_folder(folder, err);
    memory_free(folder);
    return status;
}

int store_remove(const char *path, struct error *err)
{
    char *folder = checkpoint_folder(path);
    int status = remove_file(path, err);
    if (status == 0) status = remove_folder(folder, err);
    memory_free(folder);
    return status;
}

/* NAME.<process>.tmp, as store_create calls what is not whole yet, or NAME.lock.<process>.tmp, by which a lock tells
 * the time. */
static bool is_no_skeleton(void *context, const char *file)
{
    const char *name = context;
    size_t length = strlen(name);
    if (strncmp(file, name, length) != 0) return true;
    if (strncmp(file + length, ".lock.", 6) == 0) length += 5;
    if (file[length] != '.') return true;
    const char *digits = file + length + 1, *end = digits + strspn(digits, "0123456789");
    return end == digits || strcmp(end, ".tmp") != 0;
}

int store_clean(const char *path, struct error *err)
{
    char *copy = memory_text(path), *slash = strrchr(copy, '/');
    const char *folder = !slash ? "." : slash == copy ? "/" : copy, *name = slash ? slash + 1 : path;
    if (slash) *slash = '\0';
    int status = visit_folder(folder, is_no_skeleton, (void *)name, err);
    memory_free(copy);
    return status;
}
