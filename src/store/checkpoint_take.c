/* A checkpoint of one results file becomes one of another: a second name for the same bytes, or a copy of them where
 * the file system cannot give that.  Checkpoints are only ever replaced whole, so files that share bytes never change
 * under each other. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint_private.h"

/* The block in front says enough to choose a file by; its checksum is checked by whoever reads the state. */
static int read_front(const char *path, struct front *front, size_t *count, struct error *err)
{
    struct stat facts;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC), status = 0;
    *front = (struct front){.length = 0};
    if (descriptor < 0 || fstat(descriptor, &facts) != 0 || pread(descriptor, front, sizeof *front, 0) < 0)
        status = error_set(err, ERROR_OUTSIDE, "%s: cannot be read: %s", path, strerror(errno));
    else
        *count = (size_t)facts.st_size;
    if (descriptor >= 0) close(descriptor);
    return status;
}

static int check_source(const char *path, const struct checkpoint_name *name, struct error *err)
{
    struct front front;
    size_t count = 0;
    TRY(read_front(path, &front, &count, err));
    TRY(front_check_form(path, &front, count, err));
    return front_check_name(path, name, &front, err);
}

/* False where there can be no second name: another file system, one without such names, too many of them, no right. */
static bool link_file(const char *from, const char *to)
{
    char *temporary = memory_format("%s.%ld.tmp", to, (long)getpid());
    unlink(temporary); /* of a process that had this number and was killed */
    bool linked = linkat(AT_FDCWD, from, AT_FDCWD, temporary, AT_SYMLINK_FOLLOW) == 0;
    if (linked && rename(temporary, to) != 0) linked = false;
    unlink(temporary); /* it stays where both names already were one file */
    memory_free(temporary);
    return linked;
}

/* 1: what is there is damaged. */
static int copy_file(const char *from, const struct checkpoint_name *name, const char *to, struct error *err)
{
    char *bytes;
    size_t count;
    struct error why;
    if (file_read(from, SIZE_MAX - 1, &bytes, &count, &why) != 0) {
        log_line(LOG_WARNING, "%s", why.text);
        return 1;
    }
    int status = checkpoint_check_bytes(from, name, bytes, count, &why) != 0;
    if (status != 0)
        log_line(LOG_WARNING, "%s", why.text);
    else
        status = file_write_atomic(to, bytes, count, err);
    memory_free(bytes);
    return status;
}

int checkpoint_take(const char *from, const struct checkpoint_name *name, const char *to, int copy, bool *taken,
                    struct error *err)
{
    struct checkpoint_name new_name = *name;
    new_name.copy = copy;
    char *source = checkpoint_path(from, name), *target = checkpoint_path(to, &new_name);
    char *folder = checkpoint_folder(to);
    struct error why;
    int status = 0;
    *taken = false;
    if (check_source(source, name, &why) != 0) {
        log_line(LOG_DEBUG, "%s; it is not taken", why.text);
        goto done;
    }
    TRY_DONE(folder_create(folder, err));
    if (!link_file(source, target)) status = copy_file(source, name, target, err);
    *taken = status == 0;
    if (status > 0) status = 0;
done:
    memory_free(folder);
    memory_free(source);
    memory_free(target);
    return status;
}

int checkpoints_sync(const char *results_path, struct error *err)
{
    char *folder = checkpoint_folder(results_path), *inside = memory_format("%s/.", folder);
    int status = access(folder, F_OK) == 0 ? file_sync_folder(inside, err) : 0;
    memory_free(inside);
    memory_free(folder);
    return status;
}
