/* One run at a time on a results file.  The lock is the kernel's (flock), so it goes with the process that holds it and
 * is never stale; the file beside the results says who that is. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli_private.h"

struct run_lock {
    char *path;
    int descriptor;
};

static int refuse(const char *results, int descriptor, struct error *err)
{
    char holder[256] = "";
    ssize_t length = pread(descriptor, holder, sizeof holder - 1, 0);
    if (length > 0) holder[strcspn(holder, "\n")] = '\0';
    return error_set(err, ERROR_OUTSIDE,
                     "%s: another run is at work on it (%s); wait for it or end it, then run this again", results,
                     holder[0] ? holder : "it has not said who it is");
}

/* A holder that leaves removes the file; whoever got the lock on a removed one tries again on a new one. */
static bool still_there(const char *path, int descriptor)
{
    struct stat held, named;
    return fstat(descriptor, &held) == 0 && stat(path, &named) == 0 && held.st_ino == named.st_ino &&
           held.st_dev == named.st_dev;
}

static int write_holder(int descriptor)
{
    char host[64] = "", line[160];
    gethostname(host, sizeof host - 1);
    int length = snprintf(line, sizeof line, "host %s, process %ld\n", host, (long)getpid());
    return ftruncate(descriptor, 0) == 0 && pwrite(descriptor, line, (size_t)length, 0) == length ? 0 : -1;
}

static int take(const char *results, const char *path, int *descriptor, struct error *err)
{
    for (;;) {
        *descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (*descriptor < 0) return error_set(err, ERROR_OUTSIDE, "%s: cannot be opened: %s", path, strerror(errno));
        int status = flock(*descriptor, LOCK_EX | LOCK_NB);
        if (status != 0 && errno == EWOULDBLOCK)
            status = refuse(results, *descriptor, err);
        else if (status != 0)
            status = error_set(err, ERROR_OUTSIDE, "%s: cannot be locked: %s", path, strerror(errno));
        else if (!still_there(path, *descriptor)) {
            close(*descriptor);
            continue;
        } else if (write_holder(*descriptor) != 0)
            status = error_set(err, ERROR_OUTSIDE, "%s: cannot be written: %s", path, strerror(errno));
        if (status != 0) close(*descriptor);
        return status;
    }
}

int run_lock_take(const char *results, struct run_lock **lock, struct error *err)
{
    int descriptor;
    char *path = memory_format("%s.lock", results);
    if (take(results, path, &descriptor, err) != 0) {
        memory_free(path);
        return -1;
    }
    *lock = memory_allocate(sizeof **lock);
    **lock = (struct run_lock){path, descriptor};
    return 0;
}

void run_lock_release(struct run_lock **lock)
{
    if (!*lock) return;
    unlink((*lock)->path);
    close((*lock)->descriptor);
    memory_free((*lock)->path);
    memory_free(*lock);
    *lock = NULL;
}
