/* What squeue and qstat say is understood, and what they should not say does no harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli_private.h"
#include "fake_commands.h"

/* ---- asking ---- */

static void a_command_is_heard_on_both_outputs_and_its_exit_status_told(void **context)
{
    (void)context;
    char text[64];
    const char *const arguments[] = {"squeue", "a b", "$HOME", NULL};
    fake_command("squeue", "printf '%s|%s\\n' \"$1\" \"$2\"; echo err >&2; exit 7");
    assert_int_equal(ask(arguments, 5, text, sizeof text), 7);
    assert_string_equal(text, "a b|$HOME\nerr");
}

static void a_long_answer_is_cut_and_does_not_stall(void **context)
{
    (void)context;
    char text[16];
    const char *const arguments[] = {"squeue", NULL};
    fake_command("squeue", "head -c 300000 /dev/zero | tr '\\0' x");
    assert_int_equal(ask(arguments, 5, text, sizeof text), 0);
    assert_string_equal(text, "xxxxxxxxxxxxxxx");
}

static void a_command_that_hangs_is_ended_with_what_it_started(void **context)
{
    (void)context;
    char text[128];
    const char *const arguments[] = {"squeue", NULL};
    double before = clock_seconds();
    fake_command("squeue", "echo 5:00; sleep 30 & sleep 30");
    assert_int_equal(ask(arguments, 0.3, text, sizeof text), -1);
    assert_true(clock_seconds() - before < 5);
    assert_non_null(strstr(text, "squeue did not answer within 0.3 seconds"));
}

static void a_command_that_is_missing_or_dies_is_no_answer(void **context)
{
    (void)context;
    char text[128];
    const char *const missing[] = {"no-such-squeue", NULL}, *const dies[] = {"squeue", NULL};
    assert_int_equal(ask(missing, 5, text, sizeof text), -1);
    assert_non_null(strstr(text, "no-such-squeue cannot be started: No such file"));
    fake_command("squeue", "kill -9 $$");
    assert_int_equal(ask(dies, 5, text, sizeof text), -1);
}

static void wishes_of_the_user_for_squeue_do_not_reach_it(void **context)
{
    (void)context;
    char text[64];
    const char *const arguments[] = {"squeue", NULL};
    setenv("SQUEUE_FORMAT", "%j", 1);
    fake_command("squeue", "echo \"${SQUEUE_FORMAT-none}\"");
    assert_int_equal(ask(arguments, 5, text, sizeof text), 0);
    assert_string_equal(text, "none");
    unsetenv("SQUEUE_FORMAT");
}

/* ---- the time left of a Slurm job ---- */

static struct batch_time slurm_says(const char *left)
{
    char body[256];
    struct batch_time time;
    snprintf(body, sizeof body, "echo '17 %s'", left);
    fake_command("squeue", body);
    setenv("SLURM_JOB_ID", "17", 1);
    batch_time_left(&time);
    unsetenv("SLURM_JOB_ID");
    return time;
}

static void all_forms_of_a_time_are_read(void **context)
{
    (void)context;
    static const struct {
        const char *text;
        double seconds;
    } cases[] = {{"0:00", 0},         {"0:59", 59},          {"59:08", 3548},        {"1:00:00", 3600},
                 {"23:59:59", 86399}, {"1-00:00:00", 86400}, {"10-02:03:04", 871384}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct batch_time time = slurm_says(cases[c].text);
        assert_int_equal(time.kind, TIME_LEFT);
        assert_true(time.left == cases[c].seconds);
        assert_string_equal(time.source, "squeue, for Slurm job 17");
    }
}

static void a_job_without_a_limit_has_none(void **context)
{
    (void)context;
    assert_int_equal(slurm_says("UNLIMITED").kind, TIME_UNLIMITED);
}

static void what_is_no_time_is_told_and_not_believed(void **context)
{
    (void)context;
    static const char *const words[] = {"NOT_SET", "INVALID", "-1:00", "1:",    "1:2:3:4",
                                        "5",       "1-2",     "1-2:3", "9 :00", ""};
    for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
        struct batch_time time = slurm_says(words[w]);
        assert_int_equal(time.kind, TIME_UNKNOWN);
        if (words[w][0]) assert_non_null(strstr(time.source, words[w]));
        assert_non_null(strstr(time.source, "Slurm job 17: squeue says \""));
    }
}

static void of_a_job_array_the_line_of_this_task_counts(void **context)
{
    (void)context;
    struct batch_time time = slurm_says("1:00\n18 2:00\n19 3:00'; echo 'squeue: a warning");
    assert_true(time.kind == TIME_LEFT && time.left == 60);
    time = slurm_says("");
    fake_command("squeue", "printf '170 1:00\\n117 2:00\\n17 3:00\\n'");
    setenv("SLURM_JOB_ID", "17", 1);
    batch_time_left(&time);
    assert_true(time.kind == TIME_LEFT && time.left == 180);
}

static void an_end_time_in_the_environment_needs_no_question(void **context)
{
    (void)context;
    char end[32];
    struct batch_time left;
    fake_command("squeue", "echo '17 1:00'");
    setenv("SLURM_JOB_ID", "17", 1);
    snprintf(end, sizeof end, "%lld", (long long)time(NULL) + 600);
    setenv("SLURM_JOB_END_TIME", end, 1);
    batch_time_left(&left);
    assert_true(left.kind == TIME_LEFT && fabs(left.left - 600) < 2);
    assert_string_equal(left.source, "SLURM_JOB_END_TIME");
    static const char *const wrong[] = {"", "soon", "12x", "-5", "0", "99999999999999999999", "1700000000"};
    for (size_t w = 0; w < sizeof wrong / sizeof *wrong; w++) {
        setenv("SLURM_JOB_END_TIME", wrong[w], 1);
        batch_time_left(&left);
        assert_true(left.kind == TIME_LEFT && left.left == 60);
    }
    unsetenv("SLURM_JOB_ID");
    batch_time_left(&left);
    assert_int_equal(left.kind, TIME_UNKNOWN);
    assert_string_equal(left.source, "SLURM_JOB_END_TIME is \"1700000000\", which is no moment to come");
    unsetenv("SLURM_JOB_END_TIME");
}

static void outside_of_a_job_nobody_is_asked(void **context)
{
    (void)context;
    struct batch_time time;
    fake_command("squeue", "echo '17 1:00'");
    batch_time_left(&time);
    assert_int_equal(time.kind, TIME_NONE);
}

/* ---- PBS ---- */

static struct batch_time pbs_says(const char *attributes)
{
    char body[1024];
    struct batch_time time;
    snprintf(body, sizeof body, "test \"$*\" = '-f 3.head' || exit 9\ncat <<'END'\nJob Id: 3.head\n%s\nEND",
             attributes);
    fake_command("qstat", body);
    setenv("PBS_JOBID", "3.head", 1);
    batch_time_left(&time);
    return time;
}

static void the_time_left_of_a_pbs_job_counts_from_its_start(void **context)
{
    (void)context;
    char text[512], started[64];
    time_t start = time(NULL) - 1000;
    strftime(started, sizeof started, "%a %b %e %H:%M:%S %Y", localtime(&start));
    snprintf(text, sizeof text, "    Job_Name = x\n    Resource_List.walltime = 30:00:00\n    stime = %s\n    a = b",
             started);
    struct batch_time left = pbs_says(text);
    assert_true(left.kind == TIME_LEFT && fabs(left.left - 107000) < 3);
    assert_string_equal(left.source, "qstat, for PBS job 3.head");
    snprintf(text, sizeof text, "    Resource_List.walltime = 00:30:00\n    start_time = %s", started);
    assert_true(fabs(pbs_says(text).left - 800) < 3);
}

static void torque_says_itself_what_is_left(void **context)
{
    (void)context;
    struct batch_time left = pbs_says("    Resource_List.walltime = 01:00:00\n    Walltime.Remaining = 3596");
    assert_true(left.kind == TIME_LEFT && left.left == 3596);
}

static void a_pbs_job_without_limit_or_start_has_no_known_end(void **context)
{
    (void)context;
    struct batch_time left = pbs_says("    Resource_List.walltime = 01:00:00");
    assert_int_equal(left.kind, TIME_UNKNOWN);
    assert_non_null(strstr(left.source, "PBS job 3.head: qstat -f tells no limit and start"));
    assert_int_equal(pbs_says("    Resource_List.walltime = x\n    stime = Thu Nov 26 05:03:43 2026").kind,
                     TIME_UNKNOWN);
    assert_int_equal(pbs_says("    Resource_List.walltime = 1:00:00\n    stime = today").kind, TIME_UNKNOWN);
    fake_command("qstat", "echo 'qstat: Unknown Job Id 3.head' >&2; exit 153");
    batch_time_left(&left);
    assert_int_equal(left.kind, TIME_UNKNOWN);
    assert_non_null(strstr(left.source, "Unknown Job Id"));
}

/* ---- is a job over? ---- */

static bool ended(const char *job, const char *squeue)
{
    fake_command("squeue", squeue);
    return batch_job_ended(job);
}

static void a_job_is_over_when_slurm_says_so(void **context)
{
    (void)context;
    static const char *const words[] = {"COMPLETED", "CANCELLED", "FAILED",       "TIMEOUT",
                                        "NODE_FAIL", "PENDING",   "OUT_OF_MEMORY"};
    for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
        char body[64];
        snprintf(body, sizeof body, "echo '17   %s   0'", words[w]);
        assert_true(ended("slurm 17.0", body));
    }
    assert_true(ended("slurm 17.0", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1"));
}

static void a_job_that_runs_is_not_over_unless_it_was_requeued_since(void **context)
{
    (void)context;
    assert_false(ended("slurm 17.0", "echo '17 RUNNING 0'"));
    assert_false(ended("slurm 17.1", "echo '17 RUNNING 1'"));
    assert_true(ended("slurm 17.0", "echo '17 RUNNING 1'"));
    assert_false(ended("slurm 17.0", "echo '17 COMPLETING 1'"));
    assert_false(ended("slurm 17.0", "echo '17 SUSPENDED 0'"));
}

static void when_nobody_can_tell_a_job_counts_as_alive(void **context)
{
    (void)context;
    assert_false(ended("slurm 17.0", "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1"));
    assert_false(ended("slurm 17.0", "true"));
    assert_false(ended("slurm 17.0", "kill -9 $$"));
    assert_false(ended("slurm 17.0", "echo '18 COMPLETED 0'"));
    assert_false(ended("slurm 17.0", "echo '17 COMPLETED'"));
    static const char *const jobs[] = {"", "none", "slurm", "slurm ", "slurm x.0", "slurm 17", "lsf 17"};
    for (size_t j = 0; j < sizeof jobs / sizeof *jobs; j++) assert_false(ended(jobs[j], "echo '17 COMPLETED 0'"));
}

static void the_squeue_of_another_cluster_is_not_believed(void **context)
{
    (void)context;
    assert_false(ended("slurm 17.0@east", "echo '17 COMPLETED 0'"));
    setenv("SLURM_CLUSTER_NAME", "west", 1);
    assert_false(ended("slurm 17.0@east", "echo '17 COMPLETED 0'"));
    setenv("SLURM_CLUSTER_NAME", "east", 1);
    assert_true(ended("slurm 17.0@east", "echo '17 COMPLETED 0'"));
}

static void a_pbs_job_is_over_when_qstat_does_not_know_it_any_more(void **context)
{
    (void)context;
    fake_command("qstat", "echo 'qstat: Unknown Job Id 3.head' >&2; exit 153");
    assert_true(batch_job_ended("pbs 3.head"));
    fake_command(
        "qstat",
        "echo 'qstat: 3.head Job has finished, use -x or -H to obtain historical job information' >&2; exit 35");
    assert_true(batch_job_ended("pbs 3.head"));
    fake_command("qstat", "echo 'qstat: cannot connect to server head (errno=111)' >&2; exit 111");
    assert_false(batch_job_ended("pbs 3.head"));
    fake_command("qstat", "echo '3.head  x  me  0 R workq'");
    assert_false(batch_job_ended("pbs 3.head"));
}

/* ---- who asks ---- */

static void one_process_of_a_run_is_the_first(void **context)
{
    (void)context;
    assert_true(first_process());
    setenv("SLURM_PROCID", "3", 1);
    assert_true(first_process()); /* srun without MPI: each is a run of its own */
    setenv("PMIX_RANK", "0", 1);
    assert_true(first_process());
    setenv("OMPI_COMM_WORLD_RANK", "1", 1);
    assert_false(first_process());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_faked(a_command_is_heard_on_both_outputs_and_its_exit_status_told),
        cmocka_unit_test_faked(a_long_answer_is_cut_and_does_not_stall),
        cmocka_unit_test_faked(a_command_that_hangs_is_ended_with_what_it_started),
        cmocka_unit_test_faked(a_command_that_is_missing_or_dies_is_no_answer),
        cmocka_unit_test_faked(wishes_of_the_user_for_squeue_do_not_reach_it),
        cmocka_unit_test_faked(all_forms_of_a_time_are_read),
        cmocka_unit_test_faked(a_job_without_a_limit_has_none),
        cmocka_unit_test_faked(what_is_no_time_is_told_and_not_believed),
        cmocka_unit_test_faked(of_a_job_array_the_line_of_this_task_counts),
        cmocka_unit_test_faked(an_end_time_in_the_environment_needs_no_question),
        cmocka_unit_test_faked(outside_of_a_job_nobody_is_asked),
        cmocka_unit_test_faked(the_time_left_of_a_pbs_job_counts_from_its_start),
        cmocka_unit_test_faked(torque_says_itself_what_is_left),
        cmocka_unit_test_faked(a_pbs_job_without_limit_or_start_has_no_known_end),
        cmocka_unit_test_faked(a_job_is_over_when_slurm_says_so),
        cmocka_unit_test_faked(a_job_that_runs_is_not_over_unless_it_was_requeued_since),
        cmocka_unit_test_faked(when_nobody_can_tell_a_job_counts_as_alive),
        cmocka_unit_test_faked(the_squeue_of_another_cluster_is_not_believed),
        cmocka_unit_test_faked(a_pbs_job_is_over_when_qstat_does_not_know_it_any_more),
        cmocka_unit_test_faked(one_process_of_a_run_is_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
