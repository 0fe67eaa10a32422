/* Stages that were begun before, and stages whose process died: what an earlier run left behind is written by the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "schedule_trial.h"

enum { STAGES = 16, VICTIM = 5, ALONE = 2 };
static const double SHORT_LIMIT = 0.15, LONG_LIMIT = 10; /* seconds */
static struct plan *plan;
static struct certificate certificate;
static struct error err;

static void begin(void)
{
    plan = trial_tree(21, STAGES);
    trial_begin(plan);
    err = (struct error){.kind = ERROR_NONE};
}

static void end(void)
{
    MPI_Barrier(MPI_COMM_WORLD);
    trial_drop(&plan);
}

static int sum(const int *count)
{
    int all = 0;
    for (int s = 0; s < STAGES; s++) all += count[s];
    return all;
}

static void run_to_the_end(void)
{
    assert_int_equal(trial_run(plan, 0, false, &certificate, &err), 0);
    MPI_Barrier(MPI_COMM_WORLD);
    assert_int_equal(fake_checkpoints(trial_path, plan), 0);
    assert_int_equal(trial_log().wrong_inputs, 0);
}

/* ---- begun ---- */

/* What was done so far, on all ranks: every piece of a stage leaves a checkpoint or a row. */
static int pieces(void)
{
    struct fake_log all = trial_log();
    return sum(all.marked) + all.checkpoints_written;
}

/* How fast this machine gets to the first step is not known: a limit that was too short for any is followed by a longer
 * one, and the stages stay longer than it. */
static void a_stage_longer_than_every_time_limit_is_done_in_pieces(void **unused)
{
    (void)unused;
    double limit = SHORT_LIMIT;
    begin();
    fake.seconds = limit / 0.75;
    for (int before = 0; trial_run(plan, limit, false, &certificate, &err) != 0; before = pieces()) {
        assert_int_equal(err.kind, ERROR_STOPPED);
        if (pieces() > before) continue;
        limit *= 1.5;
        fake.seconds = limit / 0.75;
        assert_true(limit < LONG_LIMIT);
    }
    assert_int_equal(certificate.stages_done, STAGES);
    struct fake_log all = trial_log();
    assert_true(sum(all.begun) > 0);
    for (int s = 0; s < STAGES; s++) assert_int_equal(all.marked[s], 1);
    assert_int_equal(all.wrong_inputs, 0);
    MPI_Barrier(MPI_COMM_WORLD);
    assert_int_equal(fake_checkpoints(trial_path, plan), 0);
    end();
}

/* Ends with a checkpoint in the middle of a stage, whatever the machine's pace: no limit is as long as a stage. */
static void stop_in_the_middle(void)
{
    fake.seconds = 2 * LONG_LIMIT;
    for (double limit = SHORT_LIMIT; pieces() == 0; limit *= 1.5) {
        assert_true(limit < LONG_LIMIT);
        assert_int_equal(trial_run(plan, limit, false, &certificate, &err), -1);
        assert_int_equal(err.kind, ERROR_STOPPED);
    }
    assert_true(fake_checkpoints(trial_path, plan) > 0);
    MPI_Barrier(MPI_COMM_WORLD);
}

static void what_cannot_be_continued_is_begun_again_and_cleared_away(void **unused)
{
    (void)unused;
    begin();
    stop_in_the_middle();
    int before = sum(trial_log().begun);
    fake.seconds = 0.01;
    fake.looked_otherwise = true;
    run_to_the_end();
    assert_int_equal(sum(trial_log().begun), before);
    end();
}

static void a_long_stage_leaves_checkpoints_on_its_way_and_goes_on_from_them(void **unused)
{
    (void)unused;
    begin();
    run_to_the_end();
    int without = trial_log().checkpoints_written;
    end();
    begin();
    fake.seconds = 0.1;
    trial_checkpoint_every = 0.02;
    run_to_the_end();
    assert_true(trial_log().checkpoints_written >= without + 2 * STAGES);
    end();
}

/* ---- deaths ---- */

static void left_by_the_run_before(const struct stage_attempt *attempt)
{
    if (rank == 0) fake_attempts_write(trial_path, VICTIM, attempt);
    MPI_Barrier(MPI_COMM_WORLD);
}

/* How many other stages ran at some moment while the victim did. */
static int company(const struct fake_log *all)
{
    int count = 0;
    for (int s = 0; s < STAGES; s++)
        count += s != VICTIM && all->started[s] < all->committed[VICTIM] && all->committed[s] > all->started[VICTIM];
    return count;
}

static void assert_alone(const struct stage_attempt *attempt, bool alone)
{
    begin();
    for (int s = 0; s < STAGES; s++) plan->stage[s].parent = -1, plan->stage[s].needs = 0; /* all could run at once */
    left_by_the_run_before(attempt);
    fake.seconds = 0.03;
    run_to_the_end();
    struct fake_log all = trial_log();
    assert_int_equal(certificate.stages_done, STAGES);
    if (alone || ranks <= 2)
        assert_int_equal(company(&all), 0);
    else
        assert_true(company(&all) > 0);
    end();
}

static void one_death_has_no_consequence(void **unused)
{
    (void)unused;
    assert_alone(&(struct stage_attempt){.running = 1, .step = 3, .furthest = -1}, false);
}

static void a_stage_that_got_further_than_at_its_last_death_runs_among_others(void **unused)
{
    (void)unused;
    assert_alone(&(struct stage_attempt){.running = 1, .step = 9, .furthest = 3}, false);
}

static void a_stage_that_got_no_further_than_at_its_last_death_runs_alone(void **unused)
{
    (void)unused;
    assert_alone(&(struct stage_attempt){.running = 1, .step = 3, .furthest = 3}, true);
}

static void a_drain_is_no_death(void **unused)
{
    (void)unused;
    assert_alone(&(struct stage_attempt){.running = 0, .deaths = 2, .suspect = true, .step = 3, .furthest = 3}, true);
}

static void a_death_at_another_step_starts_the_count_again(void **unused)
{
    (void)unused;
    assert_alone(&(struct stage_attempt){.running = ALONE, .deaths = 2, .suspect = true, .step = 4, .furthest = 3},
                 true);
}

static void deaths_alone_at_one_step_fail_the_stage_and_the_rest_goes_on(void **unused)
{
    (void)unused;
    begin();
    left_by_the_run_before(
        &(struct stage_attempt){.running = ALONE, .deaths = 2, .suspect = true, .step = 3, .furthest = 3});
    run_to_the_end();
    int after = 0;
    for (int s = 0; s < STAGES; s++) {
        bool doomed = trial_descends(plan, s, VICTIM);
        enum stage_status status = fake_results_status(trial_path, s);
        after += doomed;
        if (s == VICTIM)
            assert_int_equal(status, STATUS_FAILED);
        else if (!doomed)
            assert_int_equal(status, STATUS_DONE);
        else /* the rest of a trunk is not called diverged: nobody knows */
            assert_int_equal(status, STATUS_SKIPPED);
    }
    assert_true(after > 1 && after < STAGES);
    assert_int_equal(certificate.stages_failed, 1);
    assert_int_equal(certificate.stages_skipped, after - 1);
    /* once more: it stays failed; when told to, it gets all its attempts again */
    run_to_the_end();
    assert_int_equal(certificate.stages_failed, 1);
    assert_int_equal(trial_run(plan, 0, true, &certificate, &err), 0);
    assert_int_equal(certificate.stages_done, STAGES);
    end();
}

int main(int argc, char **argv)
{
    trial_start(&argc, &argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stage_longer_than_every_time_limit_is_done_in_pieces),
        cmocka_unit_test(what_cannot_be_continued_is_begun_again_and_cleared_away),
        cmocka_unit_test(a_long_stage_leaves_checkpoints_on_its_way_and_goes_on_from_them),
        cmocka_unit_test(one_death_has_no_consequence),
        cmocka_unit_test(a_stage_that_got_further_than_at_its_last_death_runs_among_others),
        cmocka_unit_test(a_stage_that_got_no_further_than_at_its_last_death_runs_alone),
        cmocka_unit_test(a_drain_is_no_death),
        cmocka_unit_test(a_death_at_another_step_starts_the_count_again),
        cmocka_unit_test(deaths_alone_at_one_step_fail_the_stage_and_the_rest_goes_on),
    };
    return trial_end(cmocka_run_group_tests(tests, NULL, NULL));
}
