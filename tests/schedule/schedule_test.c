/* The coordinator and the workers on as many ranks as mpirun gives; stages sleep, results are a file of statuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../ledger/plan_trees.h"
#include "schedule_trial.h"

static void assert_account(const struct certificate *c)
{
    double sum = c->work + c->idle_parent + c->idle_tail + c->idle_io + c->idle_drain;
    assert_true(fabs(sum - c->ranks * c->makespan) < 1e-6 + 1e-3 * sum);
    assert_true(c->makespan >= c->lower_bound - 1e-6);
    assert_int_equal(c->ranks, ranks > 1 ? ranks - 1 : 1);
    const struct time_spent *spent = &c->spent;
    double training = spent->training + spent->data;
    assert_true((training > 0) == (c->work > 0) && training <= c->work + 1e-6);
    assert_true(spent->data >= training / 4 - 1e-9); /* of the training without its pauses */
    assert_true((spent->rows > 0) == (c->work > 0));
    assert_true(training + spent->rows + spent->saving + spent->reading + spent->messages <=
                c->ranks * c->makespan + 1e-6);
    assert_true(fabs(c->starting - c->ranks * TRIAL_STARTING) < 5 * c->ranks);
    assert_true(c->peak_bytes > 1 << 20 && c->peak_bytes_rank_0 > 1 << 20);
}

static void assert_order(const struct plan *plan, const struct fake_log *all)
{
    for (int s = 0; s < plan->stages; s++)
        for (int i = -1; i < plan->stage[s].needs; i++) {
            int input = i < 0 ? plan->stage[s].parent : plan->need[plan->stage[s].first_need + i];
            if (input >= 0 && all->started[s] > 0) assert_true(all->started[s] >= all->committed[input]);
        }
}

static void every_row_is_written_once_and_after_what_it_needs(void **unused)
{
    (void)unused;
    for (uint64_t seed = 0; seed < 12; seed++) {
        struct plan *plan = trial_tree(seed, 10 + 40 * (int)seed);
        struct certificate certificate;
        struct error err;
        trial_begin(plan);
        assert_int_equal(trial_run(plan, 0, false, &certificate, &err), 0);
        struct fake_log all = trial_log();
        for (int s = 0; s < plan->stages; s++) {
            assert_int_equal(all.written[s], 1);
            assert_int_equal(all.marked[s], 1);
            assert_int_equal(fake_results_status(trial_path, s), STATUS_DONE);
        }
        assert_order(plan, &all);
        assert_int_equal(all.wrong_inputs, 0);
        assert_int_equal(all.wrong_notes, 0);
        assert_int_equal(all.checkpoints_removed, all.checkpoints_written);
        assert_int_equal(fake_checkpoints(trial_path, plan), 0);
        assert_int_equal(certificate.stages_done, plan->stages);
        assert_account(&certificate);
        MPI_Barrier(MPI_COMM_WORLD);
        trial_drop(&plan);
    }
}

static void assert_skipped_after(const struct plan *plan, int failed, const struct fake_log *all)
{
    for (int s = 0; s < plan->stages; s++) {
        enum stage_status status = fake_results_status(trial_path, s);
        if (s == failed)
            assert_int_equal(status, STATUS_DIVERGED);
        else
            assert_int_equal(status, trial_descends(plan, s, failed) ? STATUS_SKIPPED : STATUS_DONE);
        assert_int_equal(all->marked[s], 1);
    }
}

static void a_stage_that_diverges_skips_what_needs_it_and_nothing_else(void **unused)
{
    (void)unused;
    struct plan *plan = trial_tree(3, 60);
    struct certificate certificate;
    struct error err;
    trial_begin(plan);
    fake.diverges = 4;
    assert_int_equal(trial_run(plan, 0, false, &certificate, &err), 0);
    struct fake_log all = trial_log();
    assert_skipped_after(plan, 4, &all);
    assert_int_equal(certificate.stages_failed, 1);
    assert_true(certificate.stages_skipped > 0);
    assert_int_equal(certificate.stages_done + 1 + certificate.stages_skipped, 60);
    /* run again: nothing is left to do; with retry_failed: everything that is missing */
    assert_int_equal(trial_run(plan, 0, false, &certificate, &err), 0);
    all = trial_log();
    assert_skipped_after(plan, 4, &all);
    fake.diverges = -1;
    assert_int_equal(trial_run(plan, 0, true, &certificate, &err), 0);
    assert_int_equal(certificate.stages_done, 60);
    for (int s = 0; s < 60; s++) assert_int_equal(fake_results_status(trial_path, s), STATUS_DONE);
    MPI_Barrier(MPI_COMM_WORLD);
    assert_int_equal(fake_checkpoints(trial_path, plan), 0);
    trial_drop(&plan);
}

/* Breaks off in the middle, loses what `lose` says, and goes on. */
static void stop_and_go_on(bool lose)
{
    struct plan *plan = trial_tree(5, 80);
    struct certificate certificate;
    struct error err = {.kind = ERROR_NONE};
    trial_begin(plan);
    fake.breaks = 40;
    assert_int_equal(trial_run(plan, 0, false, &certificate, &err), -1);
    assert_int_equal(err.kind, ERROR_OUTSIDE);
    assert_non_null(strstr(err.text, "no space left on device"));
    assert_non_null(strstr(err.text, "rank "));
    assert_int_equal(fake_results_status(trial_path, 40), STATUS_PENDING);
    MPI_Barrier(MPI_COMM_WORLD);
    if (lose && rank == 0) fake_lose_checkpoints(trial_path, plan);
    fake.breaks = -1;
    assert_int_equal(trial_run(plan, 0, false, &certificate, &err), 0);
    struct fake_log all = trial_log();
    int again = 0;
    for (int s = 0; s < 80; s++) {
        assert_int_equal(fake_results_status(trial_path, s), STATUS_DONE);
        assert_true(all.marked[s] >= 1);
        again += all.marked[s] - 1;
    }
    if (!lose) assert_int_equal(again, 0);
    assert_int_equal(all.wrong_inputs, 0);
    assert_int_equal(certificate.stages_done, 80);
    assert_int_equal(fake_checkpoints(trial_path, plan), 0);
    MPI_Barrier(MPI_COMM_WORLD);
    trial_drop(&plan);
}

static void a_failure_outside_ends_all_ranks_with_its_text_and_a_rerun_goes_on(void **unused)
{
    (void)unused;
    stop_and_go_on(false);
}

static void lost_checkpoints_are_computed_again(void **unused)
{
    (void)unused;
    stop_and_go_on(true);
}

static void a_checkpoint_that_cannot_be_read_is_computed_again(void **unused)
{
    (void)unused;
    for (int unreadable = 0; unreadable < 6; unreadable++) {
        struct plan *plan = trial_tree(7, 50);
        struct certificate certificate;
        struct error err;
        trial_begin(plan);
        fake.unreadable = unreadable;
        int status = trial_run(plan, 0, false, &certificate, &err);
        if (ranks <= 4) { /* each rank fails to read it once: more than three times is given up */
            assert_int_equal(status, 0);
            assert_int_equal(certificate.stages_done, 50);
        }
        MPI_Barrier(MPI_COMM_WORLD);
        trial_drop(&plan);
    }
}

static void a_sync_that_fails_ends_all_ranks(void **unused)
{
    (void)unused;
    struct plan *plan = trial_tree(8, 50);
    struct certificate certificate;
    struct error err = {.kind = ERROR_NONE};
    trial_begin(plan);
    fake.sync_fails_on = ranks - 1;
    assert_int_equal(trial_run(plan, 0, false, &certificate, &err), -1);
    assert_int_equal(err.kind, ERROR_OUTSIDE);
    assert_non_null(strstr(err.text, "input/output error"));
    trial_drop(&plan);
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* Other work on the machine can only take from what the scheduler does by itself: the best of so many trials is its
 * own. */
enum { TIMED_TRIALS = 4 };

/* Stages that sleep, four for each rank: share of a core that rank 0 used, and of their time that ranks were at work.
 */
static void busy_trial(double *used, double *busy)
{
    struct plan *plan = trial_tree(9, 4 * (ranks > 1 ? ranks - 1 : 1));
    for (int s = 0; s < plan->stages; s++) plan->stage[s].parent = -1, plan->stage[s].needs = 0;
    struct certificate certificate;
    struct error err;
    trial_begin(plan);
    fake.seconds = 0.5;
    double cpu = cpu_seconds(), wall = clock_seconds();
    assert_int_equal(trial_run(plan, 0, false, &certificate, &err), 0);
    *used = (cpu_seconds() - cpu) / (clock_seconds() - wall);
    *busy = certificate.work / certificate.ranks / certificate.makespan;
    MPI_Bcast(used, 1, MPI_DOUBLE, 0, MPI_COMM_WORLD);
    MPI_Bcast(busy, 1, MPI_DOUBLE, 0, MPI_COMM_WORLD);
    if (rank == 0) print_message("rank 0 used %.2f %% of a core; ranks busy %.2f %%\n", 100 * *used, 100 * *busy);
    trial_drop(&plan);
}

static void ranks_sleep_while_stages_run(void **unused)
{
    (void)unused;
    double least = 1, most = 0;
    for (int i = 0; i < TIMED_TRIALS && (least >= 0.05 || most <= 0.9); i++) {
        double used, busy;
        busy_trial(&used, &busy);
        if (used < least) least = used;
        if (busy > most) most = busy;
    }
    assert_true(least < 0.05); /* a receive that spins takes 1 */
    assert_true(most > 0.9);
}

/* A run of stages of 0.15 s that has 0.8 s; seconds until it was over. */
static double limited_trial(void)
{
    struct plan *plan = trial_tree(10, 100);
    struct certificate certificate;
    struct error err = {.kind = ERROR_NONE};
    trial_begin(plan);
    fake.seconds = 0.15;
    for (int s = 0; s < plan->stages; s++) plan->stage[s].training_flops = 0.15e10;
    double wall = clock_seconds();
    assert_int_equal(trial_run(plan, 0.8, false, &certificate, &err), -1);
    assert_int_equal(err.kind, ERROR_STOPPED);
    wall = clock_seconds() - wall;
    MPI_Bcast(&wall, 1, MPI_DOUBLE, 0, MPI_COMM_WORLD);
    assert_true(certificate.stages_done > 0);
    fake.seconds = 0;
    assert_int_equal(trial_run(plan, 0, false, &certificate, &err), 0);
    struct fake_log all = trial_log();
    for (int s = 0; s < plan->stages; s++) assert_int_equal(all.marked[s], 1);
    assert_account(&certificate);
    trial_drop(&plan);
    return wall;
}

static void nothing_starts_that_would_not_end_within_the_time_limit(void **unused)
{
    (void)unused;
    double least = limited_trial();
    for (int i = 1; i < TIMED_TRIALS && least >= 1.2; i++) least = fmin(least, limited_trial());
    assert_true(least < 1.2);
}

static void suggest_on_alarm(int number)
{
    (void)number;
    schedule_suggest_drain();
}

/* A stage for each worker, of so many seconds; rank 0 gets a SIGUSR1 in their middle. */
static struct plan *tree_warned(double seconds)
{
    struct plan *plan = trial_tree(12, ranks > 1 ? ranks - 1 : 1);
    for (int s = 0; s < plan->stages; s++) plan->stage[s].parent = -1, plan->stage[s].needs = 0;
    trial_begin(plan);
    fake.seconds = seconds;
    signal(SIGALRM, suggest_on_alarm);
    if (rank == 0) ualarm(300000, 0);
    return plan;
}

static void a_signal_shortly_before_a_known_end_saves_what_runs_and_lets_it_go_on(void **unused)
{
    (void)unused;
    struct certificate certificate;
    struct error err = {.kind = ERROR_NONE};
    struct plan *plan = tree_warned(1.5);
    assert_int_equal(trial_run_warned(plan, 100, true, false, &certificate, &err), 0);
    struct fake_log all = trial_log();
    assert_int_equal(certificate.stages_done, plan->stages);
    assert_int_equal(all.checkpoints_written, plan->stages); /* in the middle; none is needed at the end */
    assert_int_equal(fake_checkpoints(trial_path, plan), 0);
    MPI_Barrier(MPI_COMM_WORLD);
    trial_drop(&plan);
}

static void a_second_signal_drains_at_once(void **unused)
{
    (void)unused;
    struct certificate certificate;
    struct error err = {.kind = ERROR_NONE};
    struct plan *plan = tree_warned(60); /* the first came in the test before and is still known */
    double wall = clock_seconds();
    assert_int_equal(trial_run_warned(plan, 100, true, false, &certificate, &err), -1);
    assert_int_equal(err.kind, ERROR_STOPPED);
    assert_non_null(strstr(err.text, "stopped on request"));
    assert_true(clock_seconds() - wall < 5);
    trial_drop(&plan);
}

static void a_signal_long_before_the_end_or_of_an_unknown_end_drains_at_once(void **unused)
{
    (void)unused;
    for (int unknown = 0; unknown < 2; unknown++) {
        struct certificate certificate;
        struct error err = {.kind = ERROR_NONE};
        struct plan *plan = tree_warned(60);
        double wall = clock_seconds();
        assert_int_equal(trial_run_warned(plan, unknown ? 100 : 7200, !unknown, false, &certificate, &err), -1);
        assert_int_equal(err.kind, ERROR_STOPPED);
        assert_true(clock_seconds() - wall < 5);
        trial_drop(&plan);
    }
}

static void on_alarm(int number)
{
    (void)number;
    schedule_request_drain();
}

/* The last test: a drain is for good. */
static void a_drain_gives_back_what_runs(void **unused)
{
    (void)unused;
    struct plan *plan = trial_tree(11, 100);
    struct certificate certificate;
    struct error err = {.kind = ERROR_NONE};
    trial_begin(plan);
    fake.seconds = 60;
    signal(SIGALRM, on_alarm);
    if (rank == 0) ualarm(300000, 0);
    double wall = clock_seconds();
    assert_int_equal(trial_run(plan, 0, false, &certificate, &err), -1);
    assert_int_equal(err.kind, ERROR_STOPPED);
    assert_true(clock_seconds() - wall < 5);
    struct fake_log all = trial_log();
    for (int s = 0; s < plan->stages; s++) assert_int_equal(all.marked[s], 0);
    assert_account(&certificate);
    trial_drop(&plan);
}

static void ranks_agree_on_the_first_failure(void **unused)
{
    (void)unused;
    struct error err = {.kind = ERROR_NONE};
    assert_int_equal(schedule_agree(MPI_COMM_WORLD, 0, &err), 0);
    int status = rank > 0 || ranks == 1 ? error_set(&err, ERROR_INPUT, "rank %d", rank) : 0;
    assert_int_equal(schedule_agree(MPI_COMM_WORLD, status, &err), -1);
    assert_int_equal(err.kind, ERROR_INPUT);
    assert_string_equal(err.text, ranks > 1 ? "rank 1" : "rank 0");
}

int main(int argc, char **argv)
{
    trial_start(&argc, &argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_agree_on_the_first_failure),
        cmocka_unit_test(every_row_is_written_once_and_after_what_it_needs),
        cmocka_unit_test(a_stage_that_diverges_skips_what_needs_it_and_nothing_else),
        cmocka_unit_test(a_failure_outside_ends_all_ranks_with_its_text_and_a_rerun_goes_on),
        cmocka_unit_test(lost_checkpoints_are_computed_again),
        cmocka_unit_test(a_checkpoint_that_cannot_be_read_is_computed_again),
        cmocka_unit_test(a_sync_that_fails_ends_all_ranks),
        cmocka_unit_test(ranks_sleep_while_stages_run),
        cmocka_unit_test(nothing_starts_that_would_not_end_within_the_time_limit),
        cmocka_unit_test(a_signal_long_before_the_end_or_of_an_unknown_end_drains_at_once),
        cmocka_unit_test(a_signal_shortly_before_a_known_end_saves_what_runs_and_lets_it_go_on),
        cmocka_unit_test(a_second_signal_drains_at_once),
        cmocka_unit_test(a_drain_gives_back_what_runs),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return trial_end(failed);
}
