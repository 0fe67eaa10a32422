/* A disk that takes no more after the n-th write, for every n: a clear error, the old file untouched, no temporary
 * file, and a program that goes on.  One that cannot be read at the n-th attempt: an error that says so, and does not
 * call the file damaged.  This program stands between HDF5 and the system: its calls are the ones that the shared
 * library calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "palimpsest/store.h"

#include "plan_fixture.h"

#ifdef PALIMPSEST_SANITIZE
/* HDF5 itself loses a little memory when a call of it fails. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libhdf5"; }
#endif

static char folder[] = "/tmp/test_store_faults_XXXXXX", path[64];
static struct fixture *fixture;
static struct error err;
static long writes_left = -1; /* until the disk is full; -1: it never is */
static long reads_left = -1;  /* until one that fails */
static off_t reserved;        /* end of what the file being written has for sure */

static bool is_ours(int descriptor)
{
    char link[64], target[256] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    return readlink(link, target, sizeof target - 1) > 0 && strncmp(target, folder, strlen(folder)) == 0;
}

/* A full disk still takes bytes over bytes that are there. */
static bool disk_refuses(int descriptor, off_t end)
{
    struct stat facts;
    if (writes_left < 0 || !is_ours(descriptor)) return false;
    if (fstat(descriptor, &facts) == 0 && (end <= facts.st_size || end <= reserved)) return false;
    if (writes_left > 0) {
        writes_left--;
        return false;
    }
    errno = ENOSPC;
    return true;
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t place)
{
    return disk_refuses(descriptor, place + (off_t)count) ? -1 : syscall(SYS_pwrite64, descriptor, bytes, count, place);
}

int fallocate(int descriptor, int mode, off_t place, off_t count)
{
    if (disk_refuses(descriptor, place + count)) return -1;
    if (is_ours(descriptor)) reserved = place + count;
    return (int)syscall(SYS_fallocate, descriptor, mode, place, count);
}

ssize_t write(int descriptor, const void *bytes, size_t count)
{
    return disk_refuses(descriptor, lseek(descriptor, 0, SEEK_CUR) + (off_t)count)
               ? -1
               : syscall(SYS_write, descriptor, bytes, count);
}

/* One fails, those after it do not. */
static bool disk_is_unreadable(void)
{
    if (reads_left < 0 || reads_left-- > 0) return false;
    errno = EIO;
    return true;
}

ssize_t pread(int descriptor, void *bytes, size_t count, off_t place)
{
    if (is_ours(descriptor) && disk_is_unreadable()) return -1;
    return syscall(SYS_pread64, descriptor, bytes, count, place);
}

int open(const char *name, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    if (strcmp(name, path) == 0 && disk_is_unreadable()) return -1;
    return (int)syscall(SYS_openat, AT_FDCWD, name, flags, mode);
}

/* Calls `make` with 0, 1, 2, ... writes allowed until it succeeds; returns how many it needed. */
static long fail_each_write(int (*make)(void))
{
    for (long allowed = 0;; allowed++) {
        memset(&err, 0, sizeof err);
        writes_left = allowed;
        reserved = 0;
        int status = make();
        writes_left = -1;
        if (status == 0) return allowed;
        assert_int_equal(err.kind, ERROR_OUTSIDE);
        if (!strstr(err.text, "No space left on device")) fail_msg("%s", err.text);
    }
}

static int make_results(void) { return store_create(path, fixture->plan, "explained", true, &err); }

static void a_full_disk_at_any_write_leaves_the_old_results_and_no_temporary_file(void **state)
{
    (void)state;
    struct store_reader *reader;
    struct stat before, after;
    assert_int_equal(make_results(), 0);
    assert_int_equal(stat(path, &before), 0);
    reserved = 0;
    writes_left = 20;
    assert_int_equal(make_results(), -1);
    writes_left = -1;
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_true(fail_each_write(make_results) > 20);
    assert_int_equal(store_reader_open(path, &reader, &err), 0);
    store_reader_close(&reader);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0); /* nothing else is left in it */
    assert_int_equal(mkdir(folder, 0777), 0);
}

static int open_results(void)
{
    struct store_reader *reader;
    struct store_origin origin = {.name = NULL};
    TRY(store_reader_open(path, &reader, &err));
    int status = store_read_origin(reader, &origin, &err);
    if (status == 0) assert_string_equal(origin.explained, "explained");
    store_origin_reset(&origin);
    store_reader_close(&reader);
    return status;
}

static int check_results(void) { return store_check(path, &err); }
static int recognise_results(void) { return store_recognise(path, &err); }

static void a_file_that_cannot_be_read_just_now_is_not_called_damaged(void **state)
{
    static int (*const look[])(void) = {open_results, check_results, recognise_results};
    (void)state;
    assert_int_equal(make_results(), 0);
    for (size_t l = 0; l < sizeof look / sizeof *look; l++) {
        long allowed = -1;
        int status;
        do {
            memset(&err, 0, sizeof err);
            reads_left = ++allowed;
            status = look[l]();
            reads_left = -1;
            if (status == 0) break;
            assert_int_equal(err.kind, ERROR_OUTSIDE);
            if (strstr(err.text, "damaged") || strstr(err.text, "is no results") || strstr(err.text, "not one with") ||
                strstr(err.text, "there is no"))
                fail_msg("look %zu, read %ld: %s", l, allowed, err.text);
        } while (allowed < 1000);
        assert_int_equal(status, 0);
        assert_true(allowed >= 3); /* looked at, opened, read */
    }
    assert_int_equal(unlink(path), 0);
}

static int make_checkpoint(void)
{
    struct model_shape shape = {.layers = 1, .width = 4, .heads = 1, .context = 4, .vocabulary = 8, .feed_forward = 2};
    struct state *weights = state_create(&shape, NULL, 0, true);
    int status = checkpoint_write(path, &(struct checkpoint_name){.state = {1, 2}}, weights, &err);
    state_destroy(&weights);
    return status;
}

static void a_full_disk_leaves_the_checkpoint_before_it(void **state)
{
    (void)state;
    struct state *read = NULL;
    assert_int_equal(make_checkpoint(), 0);
    assert_true(fail_each_write(make_checkpoint) > 0);
    assert_int_equal(checkpoint_read(path, &(struct checkpoint_name){.state = {1, 2}}, &read, &err), 0);
    state_destroy(&read);
    assert_int_equal(store_remove(path, &err), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(mkdir(folder, 0777), 0);
}

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/r.h5", folder);
    fixture = fixture_create(false, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_destroy(&fixture);
    store_remove(path, &err);
    rmdir(folder);
    return memory_count().blocks == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_at_any_write_leaves_the_old_results_and_no_temporary_file),
        cmocka_unit_test(a_file_that_cannot_be_read_just_now_is_not_called_damaged),
        cmocka_unit_test(a_full_disk_leaves_the_checkpoint_before_it),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
