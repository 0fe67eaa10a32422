/* The deadline of a run is the tighter of its own limit and the batch system's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli_private.h"
#include "fake_commands.h"

static struct deadline found(const char *squeue, double time_limit)
{
    struct deadline deadline;
    if (squeue) {
        fake_command("squeue", squeue);
        setenv("SLURM_JOB_ID", "17", 1);
    }
    deadline_find(time_limit, 0, &deadline);
    return deadline;
}

/* That many seconds are left, less the moments since. */
static bool is_about(double left, double seconds) { return left <= seconds && left > seconds - 0.9; }

static bool is_left(const struct deadline *deadline, double seconds)
{
    return is_about(deadline_left(deadline), seconds);
}

static void without_a_batch_system_the_own_limit_holds(void **context)
{
    (void)context;
    struct deadline deadline = found(NULL, 90);
    assert_true(is_left(&deadline, 90) && !deadline.warned);
    assert_true(is_about(deadline_last_left(&deadline), 690));
    assert_string_equal(deadline.text, "the time limit is 1 min 30 s (--time-limit)");
}

static void of_the_own_limit_counts_what_is_not_over_yet(void **context)
{
    (void)context;
    struct deadline deadline;
    deadline_find(90, 60, &deadline);
    assert_true(is_left(&deadline, 30));
    assert_string_equal(deadline.text, "the time limit is 1 min 30 s, and 1 min 00 s of it are over (--time-limit)");
    deadline_find(90, 100, &deadline);
    assert_true(deadline_left(&deadline) == 1e-3);
    deadline_find(0, 100, &deadline); /* of nothing */
    assert_true(isinf(deadline.at) && deadline_left(&deadline) == 0);
}

static void the_end_of_the_job_is_no_earlier_for_what_is_over(void **context)
{
    (void)context;
    struct deadline deadline = found("echo '17 10:00'", 3000);
    deadline_find(3000, 60, &deadline);
    assert_true(is_left(&deadline, 585));
    deadline_find(3000, 2700, &deadline);
    assert_true(is_left(&deadline, 300));
}

static void without_any_limit_there_is_no_deadline_and_nothing_to_say(void **context)
{
    (void)context;
    struct deadline deadline = found(NULL, 0);
    assert_true(isinf(deadline.at) && !deadline.warned);
    assert_string_equal(deadline.text, "");
    assert_true(deadline_left(&deadline) == 0 && deadline_last_left(&deadline) == 0);
}

static void the_end_of_the_job_less_the_way_out_is_the_deadline(void **context)
{
    (void)context;
    struct deadline deadline = found("echo '17 10:00:00'", 0);
    assert_true(is_left(&deadline, 36000 - 15) && deadline.warned);
    assert_true(is_about(deadline_last_left(&deadline), 36000 - 5));
    assert_string_equal(deadline.text,
                        "the job ends in 10 h 00 min (squeue, for Slurm job 17); the run is over 15.0 s before");
    deadline = found("echo '17 1:00'", 0);
    assert_true(is_left(&deadline, 57));
}

static void the_tighter_of_both_counts(void **context)
{
    (void)context;
    struct deadline deadline = found("echo '17 10:00'", 300);
    assert_true(is_left(&deadline, 300) && deadline.warned);
    assert_true(is_about(deadline_last_left(&deadline), 595));
    assert_non_null(strstr(deadline.text, "--time-limit"));
    deadline = found("echo '17 5:10'", 280); /* the job ends before the overtime does */
    assert_true(is_left(&deadline, 280) && is_about(deadline_last_left(&deadline), 305));
    deadline = found("echo '17 10:00'", 3000);
    assert_true(is_left(&deadline, 585));
    assert_non_null(strstr(deadline.text, "squeue"));
}

static void a_job_whose_end_is_not_known_is_told_and_has_no_deadline(void **context)
{
    (void)context;
    struct deadline deadline = found("echo '17 INVALID'", 0);
    assert_true(isinf(deadline.at) && !deadline.warned);
    assert_non_null(strstr(deadline.text, "no time limit is known (Slurm job 17: squeue says \"INVALID\")"));
    deadline = found("echo '17 UNLIMITED'", 0);
    assert_true(isinf(deadline.at) && !deadline.warned);
    assert_string_equal(deadline.text, "the job has no time limit (squeue, for Slurm job 17)");
    deadline = found("echo '17 INVALID'", 20);
    assert_true(is_left(&deadline, 20) && !deadline.warned);
}

static void a_job_whose_time_is_over_drains_at_once(void **context)
{
    (void)context;
    struct deadline deadline = found("echo '17 0:00'", 0);
    assert_true(isfinite(deadline.at) && deadline_left(&deadline) == 1e-3);
}

static void only_the_first_process_asks(void **context)
{
    (void)context;
    setenv("OMPI_COMM_WORLD_RANK", "2", 1);
    struct deadline deadline = found("echo '17 10:00'", 300);
    assert_true(isinf(deadline.at) && deadline_left(&deadline) == 0);
    assert_string_equal(deadline.text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_faked(without_a_batch_system_the_own_limit_holds),
        cmocka_unit_test_faked(of_the_own_limit_counts_what_is_not_over_yet),
        cmocka_unit_test_faked(the_end_of_the_job_is_no_earlier_for_what_is_over),
        cmocka_unit_test_faked(without_any_limit_there_is_no_deadline_and_nothing_to_say),
        cmocka_unit_test_faked(the_end_of_the_job_less_the_way_out_is_the_deadline),
        cmocka_unit_test_faked(the_tighter_of_both_counts),
        cmocka_unit_test_faked(a_job_whose_end_is_not_known_is_told_and_has_no_deadline),
        cmocka_unit_test_faked(a_job_whose_time_is_over_drains_at_once),
        cmocka_unit_test_faked(only_the_first_process_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
