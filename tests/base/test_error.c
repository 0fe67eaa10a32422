#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "palimpsest/base.h"

static int fails(struct error *err) { return error_set(err, ERROR_OUTSIDE, "disk %d is full", 7); }

static int passes_on(struct error *err)
{
    TRY(fails(err));
    return 0;
}

static void an_error_keeps_its_kind_and_text_as_it_is_passed_on(void **context)
{
    (void)context;
    struct error err = {0};
    assert_int_equal(passes_on(&err), -1);
    assert_int_equal(err.kind, ERROR_OUTSIDE);
    error_prefix(&err, "rank %d", 3);
    assert_string_equal(err.text, "rank 3: disk 7 is full");
    assert_int_equal(error_set(NULL, ERROR_INPUT, "nobody listens"), -1);
}

static void a_prefix_never_runs_over_the_end(void **context)
{
    (void)context;
    struct error err = {0};
    char longest[sizeof err.text];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    error_set(&err, ERROR_INPUT, "%s", longest);
    error_prefix(&err, "%s", longest);
    error_prefix(&err, "short");
    assert_memory_equal(err.text, "short: xxx", 10);
    assert_true(strlen(err.text) < sizeof err.text);
}

static void every_kind_has_the_exit_status_that_users_are_told(void **context)
{
    (void)context;
    assert_int_equal(error_exit_status(ERROR_NONE), 0);
    assert_int_equal(error_exit_status(ERROR_STAGE), 1);
    assert_int_equal(error_exit_status(ERROR_INPUT), 2);
    assert_int_equal(error_exit_status(ERROR_OUTSIDE), 3);
    assert_int_equal(error_exit_status(ERROR_STOPPED), 75);
}

static void leave(int exit_status) { _exit(exit_status); }

static void a_failed_check_ends_the_program_through_the_hook(void **context)
{
    (void)context;
    pid_t child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr)) _exit(1);
        check_set_hook(leave);
        CHECK(1 + 1 == 3, "arithmetic");
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 70);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_keeps_its_kind_and_text_as_it_is_passed_on),
        cmocka_unit_test(a_prefix_never_runs_over_the_end),
        cmocka_unit_test(every_kind_has_the_exit_status_that_users_are_told),
        cmocka_unit_test(a_failed_check_ends_the_program_through_the_hook),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
