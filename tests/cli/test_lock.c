/* One run at a time on a results file, and a dead one in nobody's way: other runs are child processes, other hosts are
 * lock files as those hosts would have written them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli_private.h"

static char folder[] = "/tmp/test_lock_XXXXXX", results[64], path[80];
static const struct lock_wish no_wish = {.break_lock = false};
static struct run_lock *lock;
static struct error err;

/* ---- a file system without locks ---- */

static bool without_locks;

int __real_fcntl(int descriptor, int what, ...);
int __wrap_fcntl(int descriptor, int what, struct flock *range);
int __wrap_fcntl(int descriptor, int what, struct flock *range)
{
    if (!without_locks) return __real_fcntl(descriptor, what, range);
    errno = ENOLCK;
    return -1;
}

/* ---- taking ---- */

static int start(void **unused)
{
    (void)unused;
    unsetenv("SLURM_JOB_ID");
    unsetenv("SLURM_RESTART_COUNT");
    unsetenv("SLURM_CLUSTER_NAME");
    unsetenv("PBS_JOBID");
    unlink(path);
    without_locks = false;
    lock = NULL;
    err.text[0] = '\0';
    return 0;
}

static bool there(void) { return access(path, F_OK) == 0; }

static void assert_taken(const struct lock_wish *wish)
{
    if (run_lock_take(results, wish, &lock, &err) != 0) fail_msg("%s", err.text);
    assert_true(there());
    run_lock_release(&lock);
    assert_null(lock);
    assert_false(there());
}

static void assert_refused(const struct lock_wish *wish, const char *saying)
{
    assert_int_equal(run_lock_take(results, wish, &lock, &err), -1);
    assert_int_equal(err.kind, ERROR_OUTSIDE);
    assert_null(lock);
    if (!strstr(err.text, saying)) fail_msg("\"%s\" does not say \"%s\"", err.text, saying);
    if (!strstr(err.text, results)) fail_msg("\"%s\" does not name the file", err.text);
}

/* ---- on this host ---- */

typedef void hold_f(void);

static void hold_as_rank_0(void)
{
    if (run_lock_take(results, &no_wish, &lock, &err) != 0) _exit(1);
}

static void hold_as_other_rank(void) { run_lock_join(results, &lock); }

/* A process that holds the lock until it is killed. */
static pid_t holder(hold_f *hold)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        hold();
        if (write(ready[1], "", 1) != 1) _exit(1);
        for (;;) pause();
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return child;
}

static void end(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void a_lock_is_there_while_it_is_held_and_gone_afterwards(void **unused)
{
    (void)unused;
    assert_taken(&no_wish);
    assert_taken(&no_wish);
}

static void a_second_run_is_refused_and_told_who_holds_it(void **unused)
{
    char process[32], host[64] = "";
    (void)unused;
    setenv("SLURM_JOB_ID", "4711", 1);
    pid_t child = holder(hold_as_rank_0);
    unsetenv("SLURM_JOB_ID");
    snprintf(process, sizeof process, "process %ld", (long)child);
    gethostname(host, sizeof host - 1);
    assert_refused(&no_wish, process);
    assert_refused(&no_wish, host);
    assert_refused(&no_wish, "batch job slurm 4711.0");
    assert_refused(&(struct lock_wish){.break_lock = true}, process); /* it lives: breaking would lose data */
    assert_refused(&(struct lock_wish){.ended_job = "slurm 4711.0"}, process);
    end(child);
    assert_taken(&no_wish);
}

static void a_second_name_of_the_file_has_the_same_lock(void **unused)
{
    char other[96], own_name[96];
    (void)unused;
    snprintf(other, sizeof other, "%s.link", results);
    snprintf(own_name, sizeof own_name, "%s", results);
    close(open(results, O_CREAT | O_WRONLY, 0666));
    assert_int_equal(symlink(results, other), 0);
    pid_t child = holder(hold_as_rank_0);
    int status = run_lock_take(other, &no_wish, &lock, &err);
    end(child);
    unlink(other);
    unlink(results);
    assert_int_equal(status, -1);
}

static void the_ranks_of_a_killed_run_are_waited_for(void **unused)
{
    (void)unused;
    pid_t first = holder(hold_as_rank_0), second = holder(hold_as_other_rank), third = fork();
    if (third == 0) { /* the other rank follows after a while, as ranks do that have lost their mpirun */
        nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
        kill(second, SIGKILL);
        _exit(0);
    }
    end(first);
    double before = clock_seconds();
    assert_taken(&no_wish);
    assert_true(clock_seconds() - before > 0.2);
    waitpid(second, NULL, 0);
    waitpid(third, NULL, 0);
}

static void a_rank_0_that_has_lost_its_mpirun_is_waited_for(void **unused)
{
    int ready[2];
    char byte;
    (void)unused;
    assert_int_equal(pipe(ready), 0);
    pid_t launcher = fork();
    if (launcher == 0) {
        if (fork() == 0) { /* rank 0, which notices late */
            hold_as_rank_0();
            if (write(ready[1], "", 1) != 1) _exit(1);
            nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
            _exit(1);
        }
        for (;;) pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    assert_refused(&no_wish, "process"); /* while its mpirun lives */
    end(launcher);
    assert_taken(&no_wish);
}

static void without_locks_of_the_kernel_the_process_itself_is_looked_for(void **unused)
{
    (void)unused;
    without_locks = true;
    pid_t child = holder(hold_as_rank_0);
    assert_refused(&(struct lock_wish){.break_lock = true}, "wait for it or end it");
    end(child);
    assert_taken(&no_wish);
}

/* ---- on other hosts ---- */

static void write_lock(const char *host, const char *boot, const char *job, double silent_seconds)
{
    struct timespec stamp[2];
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "host %s\nboot %s\nprocess %d\nparent 1\nstarted 1234\njob %s\npids pid:[1]\n", host, boot, 99, job);
    fclose(file);
    clock_gettime(CLOCK_REALTIME, &stamp[0]);
    stamp[0].tv_sec -= (time_t)silent_seconds;
    stamp[1] = stamp[0];
    assert_int_equal(utimensat(AT_FDCWD, path, stamp, 0), 0);
}

static void write_far_lock(const char *job, double silent_seconds)
{
    write_lock("node17", "3f0c-elsewhere", job, silent_seconds);
}

static void a_holder_elsewhere_lives_while_its_heart_beats(void **unused)
{
    (void)unused;
    write_far_lock("none", 20);
    assert_refused(&no_wish, "host node17, process 99");
    assert_refused(&(struct lock_wish){.break_lock = true}, "wait for it or end it");
    assert_true(there());
}

static void a_silent_holder_elsewhere_is_left_to_the_user(void **unused)
{
    (void)unused;
    write_far_lock("none", 3600);
    assert_refused(&no_wish, "last heard of 3600 s ago");
    assert_refused(&no_wish, "add --break-lock");
    assert_taken(&(struct lock_wish){.break_lock = true});
}

static void a_clock_that_is_ahead_elsewhere_is_no_proof_of_death(void **unused)
{
    (void)unused;
    write_far_lock("none", -7200);
    assert_refused(&no_wish, "add --break-lock");
    assert_true(there());
}

static void a_holder_whose_job_has_ended_is_dead(void **unused)
{
    char job[64];
    (void)unused;
    write_far_lock("slurm 17.0", 13); /* two more seconds, and it has missed three heartbeats */
    run_lock_job(results, job, sizeof job);
    assert_string_equal(job, "slurm 17.0");
    assert_refused(&(struct lock_wish){.ended_job = "slurm 18.0"}, "batch job slurm 17.0");
    double before = clock_seconds();
    assert_taken(&(struct lock_wish){.ended_job = "slurm 17.0"});
    assert_true(clock_seconds() - before > 1);
    run_lock_job(results, job, sizeof job);
    assert_string_equal(job, "");
}

static void a_requeued_job_takes_over_from_itself(void **unused)
{
    (void)unused;
    write_far_lock("slurm 17.1", 13); /* a node that Slurm has lost may still be at work: three beats tell */
    setenv("SLURM_JOB_ID", "17", 1);
    setenv("SLURM_RESTART_COUNT", "1", 1);
    assert_refused(&no_wish, "node17"); /* another task of the same incarnation */
    setenv("SLURM_RESTART_COUNT", "2", 1);
    double before = clock_seconds();
    assert_taken(&no_wish);
    assert_true(clock_seconds() - before > 1);
    write_far_lock("slurm 17.3", 20);
    assert_refused(&no_wish, "slurm 17.3"); /* a later incarnation than this one */
    write_far_lock("slurm 171.1", 20);
    assert_refused(&no_wish, "slurm 171.1");
    write_far_lock("slurm 17.1@east", 20);
    setenv("SLURM_CLUSTER_NAME", "west", 1);
    assert_refused(&no_wish, "slurm 17.1@east"); /* the same number elsewhere */
    setenv("SLURM_CLUSTER_NAME", "east", 1);
    assert_taken(&no_wish);
}

static void a_lock_that_a_file_server_keeps_for_a_dead_host_is_left_behind(void **unused)
{
    static const struct lock_wish over = {.ended_job = "slurm 17.0"}, broken = {.break_lock = true};
    (void)unused;
    for (int way = 0; way < 2; way++) {
        pid_t server = holder(hold_as_rank_0); /* the byte stays locked, whatever the file says */
        write_far_lock("slurm 17.0", 20);
        assert_refused(&no_wish, "node17");
        write_far_lock("slurm 17.0", 3600);
        assert_refused(&no_wish, "add --break-lock");
        assert_taken(way == 0 ? &over : &broken);
        end(server);
    }
}

static void a_holder_from_before_this_host_was_started_again_is_dead_but_not_its_namesake(void **unused)
{
    char host[64] = "";
    (void)unused;
    gethostname(host, sizeof host - 1);
    write_lock(host, "3f0c-another-boot", "none", 3600);
    assert_taken(&no_wish);
    pid_t namesake = holder(hold_as_rank_0);
    write_lock(host, "3f0c-another-boot", "none", 3600);
    assert_refused(&no_wish, "add --break-lock");
    end(namesake);
}

/* Its number is nobody's here, or somebody else's. */
static void a_holder_in_another_container_of_this_host_is_judged_by_its_heart(void **unused)
{
    char host[64] = "", boot[48] = "";
    (void)unused;
    gethostname(host, sizeof host - 1);
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%47s", boot), 1);
    fclose(file);
    without_locks = true;
    write_lock(host, boot, "none", 20);
    assert_refused(&no_wish, "wait for it or end it");
    write_lock(host, boot, "none", 3600);
    assert_refused(&no_wish, "add --break-lock");
    assert_taken(&(struct lock_wish){.break_lock = true});
    without_locks = false; /* the kernel knows better */
    write_lock(host, boot, "none", 20);
    assert_taken(&no_wish);
}

static void a_lock_file_that_says_nothing_is_taken(void **unused)
{
    (void)unused;
    close(open(path, O_CREAT | O_WRONLY, 0666));
    assert_taken(&no_wish);
}

static void a_lock_file_that_cannot_be_read_is_somebodys_while_it_is_young(void **unused)
{
    struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    (void)unused;
    for (int age = 0; age < 2; age++) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fprintf(file, "no word that a run has written");
        fclose(file);
        if (age > 0) assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
        if (age > 0)
            assert_taken(&no_wish);
        else
            assert_refused(&no_wish, "has not said who it is");
    }
}

/* ---- heartbeats ---- */

static void a_heartbeat_is_the_time_stamp_of_the_file(void **unused)
{
    struct stat before, after;
    (void)unused;
    assert_int_equal(run_lock_take(results, &no_wish, &lock, &err), 0);
    struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    stat(path, &before);
    assert_int_equal(run_lock_beat(lock, &err), 0);
    stat(path, &after);
    assert_true(after.st_mtim.tv_sec > before.st_mtim.tv_sec);
    run_lock_release(&lock);
}

static void who_has_lost_the_lock_learns_it_and_leaves_it_alone(void **unused)
{
    (void)unused;
    assert_int_equal(run_lock_take(results, &no_wish, &lock, &err), 0);
    write_far_lock("none", 0);
    assert_int_equal(run_lock_beat(lock, &err), -1);
    assert_non_null(strstr(err.text, "taken over by host node17"));
    run_lock_release(&lock);
    assert_true(there());
    unlink(path);
    assert_int_equal(run_lock_take(results, &no_wish, &lock, &err), 0);
    unlink(path);
    assert_int_equal(run_lock_beat(lock, &err), -1);
    assert_non_null(strstr(err.text, "was removed"));
    run_lock_release(&lock);
}

static void a_folder_that_cannot_be_written_to_is_named(void **unused)
{
    (void)unused;
    assert_int_equal(run_lock_take("/proc/r.h5", &no_wish, &lock, &err), -1);
    assert_non_null(strstr(err.text, "/proc/r.h5.lock"));
}

int main(void)
{
    if (!mkdtemp(folder)) return 1;
    snprintf(results, sizeof results, "%s/r.h5", folder);
    snprintf(path, sizeof path, "%s.lock", results);
    log_configure(LOG_ERROR, -1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_lock_is_there_while_it_is_held_and_gone_afterwards, start),
        cmocka_unit_test_setup(a_second_run_is_refused_and_told_who_holds_it, start),
        cmocka_unit_test_setup(a_second_name_of_the_file_has_the_same_lock, start),
        cmocka_unit_test_setup(the_ranks_of_a_killed_run_are_waited_for, start),
        cmocka_unit_test_setup(a_rank_0_that_has_lost_its_mpirun_is_waited_for, start),
        cmocka_unit_test_setup(without_locks_of_the_kernel_the_process_itself_is_looked_for, start),
        cmocka_unit_test_setup(a_holder_elsewhere_lives_while_its_heart_beats, start),
        cmocka_unit_test_setup(a_silent_holder_elsewhere_is_left_to_the_user, start),
        cmocka_unit_test_setup(a_clock_that_is_ahead_elsewhere_is_no_proof_of_death, start),
        cmocka_unit_test_setup(a_holder_whose_job_has_ended_is_dead, start),
        cmocka_unit_test_setup(a_requeued_job_takes_over_from_itself, start),
        cmocka_unit_test_setup(a_lock_that_a_file_server_keeps_for_a_dead_host_is_left_behind, start),
        cmocka_unit_test_setup(a_holder_from_before_this_host_was_started_again_is_dead_but_not_its_namesake, start),
        cmocka_unit_test_setup(a_holder_in_another_container_of_this_host_is_judged_by_its_heart, start),
        cmocka_unit_test_setup(a_lock_file_that_says_nothing_is_taken, start),
        cmocka_unit_test_setup(a_lock_file_that_cannot_be_read_is_somebodys_while_it_is_young, start),
        cmocka_unit_test_setup(a_heartbeat_is_the_time_stamp_of_the_file, start),
        cmocka_unit_test_setup(who_has_lost_the_lock_learns_it_and_leaves_it_alone, start),
        cmocka_unit_test_setup(a_folder_that_cannot_be_written_to_is_named, start),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    rmdir(folder);
    return failed + (memory_count().blocks != 0);
}
