#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "palimpsest/base.h"

static char folder[] = "/tmp/palimpsest-test-file-XXXXXX";

static int make_folder(void **context)
{
    (void)context;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **context)
{
    (void)context;
    return rmdir(folder);
}

static int entries(void)
{
    int count = 0;
    DIR *listing = opendir(folder);
    while (readdir(listing)) count++;
    closedir(listing);
    return count - 2;
}

static void what_is_written_is_read_back_and_replaced_whole(void **context)
{
    (void)context;
    char *path = memory_format("%s/a", folder), *bytes;
    size_t count;
    struct error err;
    assert_int_equal(file_write_atomic(path, "one", 3, &err), 0);
    assert_int_equal(file_write_atomic(path, "four\0", 5, &err), 0);
    assert_int_equal(file_read(path, 100, &bytes, &count, &err), 0);
    assert_int_equal(count, 5);
    assert_memory_equal(bytes, "four\0", 6);
    assert_int_equal(entries(), 1);
    memory_free(bytes);
    unlink(path);
    memory_free(path);
}

static void a_write_that_cannot_succeed_leaves_nothing_behind(void **context)
{
    (void)context;
    struct error err;
    char *path = memory_format("%s/none/a", folder), *taken = memory_format("%s/taken", folder);
    assert_int_equal(file_write_atomic(path, "x", 1, &err), -1);
    assert_int_equal(err.kind, ERROR_OUTSIDE);
    assert_non_null(strstr(err.text, "No such file"));
    assert_int_equal(folder_create(taken, &err), 0);
    assert_int_equal(folder_create(taken, &err), 0);
    assert_int_equal(file_write_atomic(taken, "x", 1, &err), -1);
    assert_int_equal(entries(), 1);
    rmdir(taken);
    memory_free(path);
    memory_free(taken);
}

static void reading_refuses_folders_missing_and_large_files(void **context)
{
    (void)context;
    char *path = memory_format("%s/b", folder), *bytes = NULL;
    size_t count;
    struct error err;
    assert_int_equal(file_read(folder, 10, &bytes, &count, &err), -1);
    assert_non_null(strstr(err.text, "regular file"));
    assert_int_equal(file_read(path, 10, &bytes, &count, &err), -1);
    assert_int_equal(file_write_atomic(path, "0123456789a", 11, &err), 0);
    assert_int_equal(file_read(path, 10, &bytes, &count, &err), -1);
    assert_int_equal(err.kind, ERROR_INPUT);
    assert_null(bytes);
    unlink(path);
    memory_free(path);
}

static void a_file_that_was_replaced_or_removed_has_lost_its_name(void **context)
{
    (void)context;
    char *path = memory_format("%s/c", folder);
    struct error err;
    assert_int_equal(file_write_atomic(path, "old", 3, &err), 0);
    int descriptor = open(path, O_RDONLY);
    assert_true(file_is_named(descriptor, path));
    assert_int_equal(file_write_atomic(path, "new", 3, &err), 0);
    assert_false(file_is_named(descriptor, path));
    unlink(path);
    assert_false(file_is_named(descriptor, path));
    close(descriptor);
    memory_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back_and_replaced_whole),
        cmocka_unit_test(a_write_that_cannot_succeed_leaves_nothing_behind),
        cmocka_unit_test(reading_refuses_folders_missing_and_large_files),
        cmocka_unit_test(a_file_that_was_replaced_or_removed_has_lost_its_name),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
