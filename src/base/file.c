/* Files read whole and written whole. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "palimpsest/base.h"

static int fail(struct error *err, const char *what, const char *path)
{
    return error_set(err, ERROR_OUTSIDE, "%s: %s: %s", path, what, strerror(errno));
}

static int write_all(int descriptor, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t written = write(descriptor, bytes, count);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return -1;
        bytes += written;
        count -= (size_t)written;
    }
    return 0;
}

static int write_and_sync(const char *path, const void *bytes, size_t count, struct error *err)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (descriptor < 0) return fail(err, "cannot be created", path);
    if (write_all(descriptor, bytes, count) != 0 || fsync(descriptor) != 0) {
        fail(err, "cannot be written", path);
        close(descriptor);
        return -1;
    }
    return close(descriptor) == 0 ? 0 : fail(err, "cannot be closed", path);
}

int file_write_atomic(const char *path, const void *bytes, size_t count, struct error *err)
{
    char *temporary = memory_format("%s.%ld.tmp", path, (long)getpid());
    int status = 0;
    TRY_DONE(write_and_sync(temporary, bytes, count, err));
    if (rename(temporary, path) != 0) {
        status = fail(err, "cannot be put in its place", path);
        goto done;
    }
    status = file_sync_folder(path, err);
done:
    if (status != 0) unlink(temporary);
    memory_free(temporary);
    return status;
}

int file_sync_folder(const char *path_inside, struct error *err)
{
    char *copy = memory_text(path_inside);
    const char *folder = dirname(copy);
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int status = descriptor < 0 ? -1 : fsync(descriptor);
    /* some network file systems cannot sync a folder; they make renames durable themselves */
    if (status != 0 && descriptor >= 0 && (errno == EINVAL || errno == ENOTSUP)) status = 0;
    if (status != 0) fail(err, "the folder cannot be synced", folder);
    if (descriptor >= 0) close(descriptor);
    memory_free(copy);
    return status;
}

static int read_all(int descriptor, char *bytes, size_t count, size_t *got)
{
    *got = 0;
    while (*got < count) {
        ssize_t now = read(descriptor, bytes + *got, count - *got);
        if (now < 0 && errno == EINTR) continue;
        if (now < 0) return -1;
        if (now == 0) return 0;
        *got += (size_t)now;
    }
    return 0;
}

int file_read(const char *path, size_t most, char **bytes, size_t *count, struct error *err)
{
    struct stat facts;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not make us wait for its writer */
    if (descriptor < 0) return fail(err, "cannot be opened", path);
    char *block = NULL;
    int status = -1;
    if (fstat(descriptor, &facts) != 0)
        fail(err, "cannot be examined", path);
    else if (!S_ISREG(facts.st_mode))
        error_set(err, ERROR_OUTSIDE, "%s: is not a regular file", path);
    else if ((uint64_t)facts.st_size > most)
        error_set(err, ERROR_INPUT, "%s: has %lld bytes; at most %zu are read", path, (long long)facts.st_size, most);
    else {
        size_t got;
        block = memory_allocate((size_t)facts.st_size + 1);
        status = read_all(descriptor, block, (size_t)facts.st_size, &got);
        if (status != 0)
            fail(err, "cannot be read", path);
        else {
            *bytes = block;
            *count = got;
        }
    }
    close(descriptor);
    if (status != 0) memory_free(block);
    return status;
}

int folder_create(const char *path, struct error *err)
{
    struct stat facts;
    if (mkdir(path, 0777) == 0) return file_sync_folder(path, err);
    if (errno == EEXIST && stat(path, &facts) == 0 && S_ISDIR(facts.st_mode)) return 0;
    return fail(err, "cannot be created as a folder", path);
}

bool file_is_named(int descriptor, const char *path)
{
    struct stat held, named;
    return fstat(descriptor, &held) == 0 && stat(path, &named) == 0 && held.st_ino == named.st_ino &&
           held.st_dev == named.st_dev;
}
