/* Stages so short that many go in one message and are committed together: all promises hold for each of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "../../src/schedule/schedule_private.h"
#include "schedule_trial.h"

enum { STAGES = 1500, VICTIM = 700 };
static struct plan *plan;
static struct certificate certificate;
static struct error err;

/* All of them could run at once, none is needed by another, and all are predicted to take as long, whatever is learnt
 * about one of them. */
static void begin(double seconds)
{
    plan = trial_tree(31, STAGES);
    for (int s = 0; s < STAGES; s++) {
        struct stage *stage = &plan->stage[s];
        stage->kind = STAGE_TRUNK;
        stage->parent = -1;
        stage->needs = 0;
        stage->start_step = 0;
        stage->stop_step = 1;
        stage->training_flops = 1e6;
        stage->measuring_flops = 0;
    }
    trial_begin(plan);
    fake.seconds = seconds;
    err = (struct error){.kind = ERROR_NONE};
}

static void end(void)
{
    MPI_Barrier(MPI_COMM_WORLD);
    trial_drop(&plan);
}

static int workers(void) { return ranks > 1 ? ranks - 1 : 1; }

static struct fake_log run_to_the_end(void)
{
    if (trial_run(plan, 0, false, &certificate, &err) != 0) fail_msg("%s", err.text);
    assert_int_equal(certificate.stages_done, STAGES);
    struct fake_log all = trial_log();
    assert_int_equal(all.wrong_inputs, 0);
    assert_int_equal(all.wrong_notes, 0);
    for (int s = 0; s < STAGES; s++) assert_int_equal(fake_results_status(trial_path, s), STATUS_DONE);
    return all;
}

static void many_are_committed_together_and_each_once(void **unused)
{
    (void)unused;
    int commits = STAGES;
    /* None waits longer than some milliseconds for another, so a processor that is busy elsewhere may part them. */
    for (int tries = 0; tries < 10 && commits >= STAGES / 4; tries++) {
        begin(0);
        struct fake_log all = run_to_the_end();
        for (int s = 0; s < STAGES; s++) assert_int_equal(all.marked[s], 1);
        commits = all.commits;
        end();
    }
    assert_true(commits < STAGES / 4);
}

/* Equally urgent ones go in the order of the plan. */
static void a_worker_begins_them_in_the_order_of_urgency(void **unused)
{
    (void)unused;
    int before = -1, earlier = 0, all_earlier; /* the sum, so that all ranks fail together */
    begin(0);
    run_to_the_end();
    for (int s = 0; s < STAGES; s++) {
        if (fake_log.marked[s] == 0) continue;
        earlier += before >= 0 && fake_log.started[s] < fake_log.started[before];
        before = s;
    }
    MPI_Allreduce(&earlier, &all_earlier, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    assert_int_equal(all_earlier, 0);
    end();
}

static void all_workers_get_their_share(void **unused)
{
    (void)unused;
    begin(1e-3);
    run_to_the_end();
    int own = 0, least;
    for (int s = 0; s < STAGES; s++) own += fake_log.marked[s];
    if (rank == 0 && ranks > 1) own = STAGES;
    MPI_Allreduce(&own, &least, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    assert_true(least > STAGES / workers() / 4);
    end();
}

/* Committed are all that ended, and nobody has begun another. */
static void assert_stopped_clean(const struct fake_log *all)
{
    int done = 0;
    assert_int_equal(err.kind, ERROR_STOPPED);
    for (int s = 0; s < STAGES; s++) {
        bool committed = fake_results_status(trial_path, s) == STATUS_DONE;
        done += committed;
        assert_int_equal(all->marked[s], committed);
    }
    assert_int_equal(done, certificate.stages_done);
    assert_true(done > 0 && done < STAGES);
}

static void suggest_on_alarm(int number)
{
    (void)number;
    schedule_suggest_drain();
}

static void a_drain_in_the_middle_of_a_message_gives_back_the_rest_of_it(void **unused)
{
    (void)unused;
    int coordinator = (int)getpid();
    begin(1e-3);
    signal(SIGALRM, suggest_on_alarm);
    MPI_Bcast(&coordinator, 1, MPI_INT, 0, MPI_COMM_WORLD);
    fake.drains = VICTIM;
    fake.coordinator = coordinator;
    assert_int_equal(trial_run(plan, 0, false, &certificate, &err), -1);
    struct fake_log all = trial_log();
    assert_stopped_clean(&all);
    assert_non_null(strstr(err.text, "stopped on request"));
    fake.drains = -1;
    all = run_to_the_end();
    for (int s = 0; s < STAGES; s++) assert_int_equal(all.marked[s], 1);
    end();
}

static void a_time_limit_in_the_middle_of_a_message_is_kept(void **unused)
{
    (void)unused;
    begin(4e-3);
    certificate.stages_done = 0;
    /* A busy machine may not get to the end of the first within a short limit. */
    for (double limit = 0.5; certificate.stages_done == 0 && limit <= 2; limit *= 2)
        assert_int_equal(trial_run(plan, limit, false, &certificate, &err), -1);
    struct fake_log all = trial_log();
    assert_stopped_clean(&all);
    end();
}

/* The row of the victim cannot be written, so nothing that is committed with it is. */
static void a_failure_in_a_commit_ends_the_run_and_a_rerun_goes_on(void **unused)
{
    (void)unused;
    begin(0);
    fake.breaks = VICTIM;
    assert_int_equal(trial_run(plan, 0, false, &certificate, &err), -1);
    assert_int_equal(err.kind, ERROR_OUTSIDE);
    assert_non_null(strstr(err.text, "no space left on device"));
    struct fake_log all = trial_log();
    assert_int_equal(all.marked[VICTIM], 0);
    fake.breaks = -1;
    memset(fake_log.started, 0, sizeof fake_log.started); /* what was given back may begin on another rank */
    all = run_to_the_end();
    for (int s = 0; s < STAGES; s++) assert_int_equal(all.marked[s], 1);
    end();
}

static int sum(const int *count)
{
    int all = 0;
    for (int s = 0; s < STAGES; s++) all += count[s];
    return all;
}

/* The file as a SIGKILL at the beginning of the victim would leave it, and the log of the run that is not known of. */
static void die_at_the_victim(void)
{
    fake.dies = VICTIM;
    run_to_the_end();
    fake.dies = -1;
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) fake_results_die(trial_path);
    memset(&fake_log, 0, sizeof fake_log);
    MPI_Barrier(MPI_COMM_WORLD);
}

static void after_a_death_only_what_was_not_committed_runs_again_and_nothing_alone(void **unused)
{
    (void)unused;
    bool stood[STAGES];
    int left = 0;
    begin(0);
    die_at_the_victim();
    for (int s = 0; s < STAGES; s++) left += !(stood[s] = fake_results_status(trial_path, s) == STATUS_DONE);
    MPI_Barrier(MPI_COMM_WORLD);
    assert_true(left > 1 && left < STAGES);
    assert_false(stood[VICTIM]);
    struct fake_log all = run_to_the_end();
    for (int s = 0; s < STAGES; s++) assert_int_equal(all.marked[s], !stood[s]);
    assert_int_equal(sum(all.alone), 0);
    end();
}

/* Whatever else lay at its worker, ended or not begun, is not suspected; of other workers one stage each may be. */
static void after_two_deaths_at_one_place_the_stage_that_ran_is_a_suspect_and_its_neighbours_are_not(void **unused)
{
    (void)unused;
    begin(0);
    die_at_the_victim();
    die_at_the_victim();
    struct fake_log all = run_to_the_end();
    assert_int_equal(all.alone[VICTIM], 1);
    assert_true(sum(all.alone) <= workers());
    end();
}

/* ---- the commit of a group, by itself ---- */

struct told {
    int count;
    struct report report[3];
};

static void keep_told(void *context, const struct report *report)
{
    struct told *told = context;
    assert_true(told->count < 3);
    told->report[told->count++] = *report;
}

static void begin_worker(struct worker *worker)
{
    static struct schedule_options options;
    begin(0);
    options.results_path = trial_path;
    worker_init(worker, &options, NULL, NULL, rank);
}

static void end_worker(struct worker *worker)
{
    worker_reset(worker);
    end();
}

static void add(struct worker *worker, enum report_kind kind, int stage, unsigned leftovers)
{
    worker->ended[worker->ended_count++] =
        (struct ended){.report = {.version = MESSAGE_VERSION, .kind = kind, .stage = stage},
                       .assignment = {.stage = stage, .row = stage},
                       .record_length = 1 + (stage & 3), /* as the fake store has it */
                       .attempts = 1,
                       .leftovers = leftovers};
}

/* A stage whose input was lost has no row to refuse: the run must hear of it all the same, or it would go on for ever.
 */
static void a_sync_that_fails_is_told_also_where_nothing_has_a_row(void **unused)
{
    (void)unused;
    struct worker worker;
    struct told told = {0};
    begin_worker(&worker);
    worker.finished = 1; /* a row of half a second ago */
    worker.unsynced_since = clock_seconds() - 1;
    fake.sync_fails_on = rank;
    add(&worker, REPORT_LOST, 3, 0);
    assert_int_equal(worker_commit(&worker, keep_told, &told), -1);
    assert_int_equal(told.count, 1);
    assert_int_equal(told.report[0].kind, REPORT_ERROR);
    assert_int_equal(told.report[0].stage, 3);
    assert_non_null(strstr(told.report[0].text, "input/output error"));
    end_worker(&worker);
}

static void what_is_marked_is_done_whatever_fails_after_it(void **unused)
{
    (void)unused;
    struct worker worker;
    struct told told = {0};
    begin_worker(&worker);
    fake.unremovable = true;
    add(&worker, REPORT_DONE, 0, BEGUN_PARTIAL);
    add(&worker, REPORT_DONE, 1, 0);
    assert_int_equal(worker_commit(&worker, keep_told, &told), -1);
    assert_int_equal(told.count, 3);
    for (int i = 0; i < 2; i++) assert_int_equal(told.report[i].kind, REPORT_DONE);
    assert_int_equal(told.report[2].kind, REPORT_ERROR);
    assert_int_equal(told.report[2].stage, -1);
    assert_non_null(strstr(told.report[2].text, "permission denied"));
    assert_int_equal(worker.finished, 2);
    end_worker(&worker);
}

/* Of a stage that took long too much would be lost, did it wait for others while the next one runs. */
static void a_long_stage_waits_for_no_other(void **unused)
{
    (void)unused;
    struct worker worker;
    struct told told = {0};
    const struct instruction instruction = {.kind = TELL_RUN, .record_length = 1, .attempts = 1};
    struct stage_result result = {0};
    begin_worker(&worker);
    for (int seconds = 0; seconds < 2; seconds++) {
        worker.ended[0].report = (struct report){.kind = REPORT_DONE, .seconds = seconds};
        worker_add_ended(&worker, &instruction, NULL, &result);
        assert_int_equal(worker_due(&worker), seconds == 1);
        assert_int_equal(worker_commit(&worker, keep_told, &told), 0);
    }
    end_worker(&worker);
}

int main(int argc, char **argv)
{
    trial_start(&argc, &argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_are_committed_together_and_each_once),
        cmocka_unit_test(a_worker_begins_them_in_the_order_of_urgency),
        cmocka_unit_test(all_workers_get_their_share),
        cmocka_unit_test(a_drain_in_the_middle_of_a_message_gives_back_the_rest_of_it),
        cmocka_unit_test(a_time_limit_in_the_middle_of_a_message_is_kept),
        cmocka_unit_test(a_failure_in_a_commit_ends_the_run_and_a_rerun_goes_on),
        cmocka_unit_test(after_a_death_only_what_was_not_committed_runs_again_and_nothing_alone),
        cmocka_unit_test(after_two_deaths_at_one_place_the_stage_that_ran_is_a_suspect_and_its_neighbours_are_not),
        cmocka_unit_test(a_sync_that_fails_is_told_also_where_nothing_has_a_row),
        cmocka_unit_test(what_is_marked_is_done_whatever_fails_after_it),
        cmocka_unit_test(a_long_stage_waits_for_no_other),
    };
    return trial_end(cmocka_run_group_tests(tests, NULL, NULL));
}
