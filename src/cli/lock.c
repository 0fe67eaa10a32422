/* One run at a time on a results file.
 *
 * RESULTS.h5.lock says who holds it, in words, and is locked by the kernel (byte ranges, which NFS and most cluster
 * file systems pass between hosts): byte 0 by rank 0, byte 1 shared by all other ranks.  A kernel's lock goes with its
 * process, so a dead holder on this host is known at once.  Where the file system keeps locks to one host, a holder
 * elsewhere is judged by what it wrote: its batch job, and its heartbeat, which is the file's time stamp, compared with
 * one that the same file system gives now, so that the clocks of two hosts do not matter. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli_private.h"

enum { RANK_0 = 0, OTHER_RANKS = 1 };    /* bytes of the file */
static const double BEATS_MISSED = 60;   /* seconds without a heartbeat: it may be dead */
static const double THREE_BEATS = 15;    /* seconds without one: it is, when its job has ended as well */
static const double WAIT_FOR_RANKS = 20; /* seconds that the ranks of a run may need to follow their dead mpirun */
static const double SETTLE = 1;          /* seconds in which two that write at once see each other */

struct holder { /* as it stands in the file, a line each */
    char host[64], boot[48], job[64];
    char pids[32];        /* the namespace that the numbers of its processes are from: containers have their own */
    long process, parent; /* parent: mpirun, where there is one */
    unsigned long long started; /* of the process, in the kernel's ticks since boot */
};
struct run_lock {
    char *path, *results;
    int descriptor;
    bool first; /* of rank 0 */
    struct holder own;
};

/* ---- who ---- */

static void read_line(const char *path, char *line, size_t size)
{
    FILE *file = fopen(path, "r");
    line[0] = '\0';
    if (file && fgets(line, (int)size, file)) line[strcspn(line, "\n")] = '\0';
    if (file) fclose(file);
}

/* Words 4 and 22 of /proc/PID/stat; the second, in brackets, may hold blanks.  False: there is no such process. */
static bool look_at_process(long process, long *parent, unsigned long long *started)
{
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", process);
    read_line(path, line, sizeof line);
    const char *rest = strrchr(line, ')');
    return rest && sscanf(rest + 1, " %*c %ld %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
                          parent, started) == 2;
}

/* A requeued job keeps its number, so how often it was restarted belongs to its name; so does the cluster, since
 * several may share a file system. */
static void name_job(char *job, size_t size)
{
    const char *slurm = getenv("SLURM_JOB_ID"), *restarts = getenv("SLURM_RESTART_COUNT"), *pbs = getenv("PBS_JOBID");
    const char *cluster = getenv("SLURM_CLUSTER_NAME");
    if (slurm)
        snprintf(job, size, "slurm %.20s.%.8s%s%.20s", slurm, restarts ? restarts : "0", cluster ? "@" : "",
                 cluster ? cluster : "");
    else
        snprintf(job, size, pbs ? "pbs %.48s" : "none", pbs);
}

static struct holder this_process(void)
{
    struct holder own = {.process = (long)getpid()};
    gethostname(own.host, sizeof own.host - 1);
    read_line("/proc/sys/kernel/random/boot_id", own.boot, sizeof own.boot);
    if (readlink("/proc/self/ns/pid", own.pids, sizeof own.pids - 1) <= 0) snprintf(own.pids, sizeof own.pids, "?");
    look_at_process(own.process, &own.parent, &own.started);
    name_job(own.job, sizeof own.job);
    return own;
}

static int holder_text(const struct holder *holder, char *text, size_t size)
{
    return snprintf(text, size, "host %s\nboot %s\nprocess %ld\nparent %ld\nstarted %llu\njob %s\npids %s\n",
                    holder->host, holder->boot, holder->process, holder->parent, holder->started, holder->job,
                    holder->pids);
}

/* False when nobody has written it, or something else has.  The first version did not say pids. */
static bool read_holder(int descriptor, struct holder *holder)
{
    char text[512] = "";
    *holder = (struct holder){.process = 0};
    if (pread(descriptor, text, sizeof text - 1, 0) <= 0) return false;
    return sscanf(text, "host %63s\nboot %47s\nprocess %ld\nparent %ld\nstarted %llu\njob %63[^\n]\npids %31s",
                  holder->host, holder->boot, &holder->process, &holder->parent, &holder->started, holder->job,
                  holder->pids) >= 6;
}

/* Over what stands there, which stays where the disk is full. */
static int write_holder(const struct run_lock *lock)
{
    char text[512];
    int length = holder_text(&lock->own, text, sizeof text);
    errno = ENOSPC; /* of a write that was cut short */
    if (pwrite(lock->descriptor, text, (size_t)length, 0) != length) return -1;
    return ftruncate(lock->descriptor, length) == 0 && fsync(lock->descriptor) == 0 ? 0 : -1;
}

static bool same_host(const struct holder *a, const struct holder *b)
{
    return strcmp(a->host, b->host) == 0 && strcmp(a->boot, b->boot) == 0;
}

/* Its number means the same process here. */
static bool same_processes(const struct holder *a, const struct holder *b)
{
    return same_host(a, b) && strcmp(a->pids, b->pids) == 0;
}

static bool same_holder(const struct holder *a, const struct holder *b)
{
    return same_processes(a, b) && a->process == b->process && a->started == b->started;
}

/* Of same_processes.  *orphan (may be NULL): its parent has died since it took the lock. */
static bool is_running(const struct holder *holder, bool *orphan)
{
    long parent = 0;
    unsigned long long started = 0;
    bool seen = look_at_process(holder->process, &parent, &started), running = seen && started == holder->started;
    if (orphan) *orphan = running && parent != holder->parent;
    /* hidepid: somebody else's cannot be looked at, and whether it is the same one remains open */
    return running || (!seen && kill((pid_t)holder->process, 0) != 0 && errno == EPERM);
}

/* ---- the kernel's locks ---- */

enum kernel_says { KERNEL_FREE, KERNEL_HELD, KERNEL_CANNOT };

static enum kernel_says lock_byte(int descriptor, int byte, short type)
{
    struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    if (fcntl(descriptor, F_OFD_SETLK, &range) == 0) return KERNEL_FREE;
    return errno == EAGAIN || errno == EACCES ? KERNEL_HELD : KERNEL_CANNOT;
}

/* The ranks of a run that was killed follow it within moments; until then they may still write. */
static bool wait_for_other_ranks(int descriptor)
{
    double limit = clock_seconds() + WAIT_FOR_RANKS;
    while (lock_byte(descriptor, OTHER_RANKS, F_WRLCK) == KERNEL_HELD) {
        if (clock_seconds() > limit) return false;
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    lock_byte(descriptor, OTHER_RANKS, F_UNLCK);
    return true;
}

/* ---- is the one who wrote the file still there? ---- */

/* FADING: its job has ended, but its last heartbeat is too young to rely on that; SILENT: no heartbeat for long, and
 * nothing that proves it dead. */
enum verdict { DEAD, ALIVE, FADING, SILENT };

/* Seconds since the file's time stamp by the clock of its file system; NaN when that cannot be told.  The stamp is read
 * first: a beat in between must not seem to come from the future. */
static double heartbeat_age(const char *path, int descriptor)
{
    char *probe = memory_format("%s.%ld.tmp", path, (long)getpid());
    struct stat beat, now;
    bool known = fstat(descriptor, &beat) == 0;
    int file = open(probe, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    known = known && file >= 0 && fstat(file, &now) == 0;
    if (file >= 0) close(file);
    unlink(probe);
    memory_free(probe);
    if (!known) return NAN;
    return (double)(now.st_mtim.tv_sec - beat.st_mtim.tv_sec) +
           1e-9 * (double)(now.st_mtim.tv_nsec - beat.st_mtim.tv_nsec);
}

/* How often a job was restarted, by its name. */
static long restarts_of(const char *job)
{
    const char *dot = strchr(job, '.');
    return dot ? strtol(dot + 1, NULL, 10) : 0;
}

/* A later incarnation of the same batch job: the one before is over. */
static bool same_job_restarted(const char *job, const char *own)
{
    size_t number = strcspn(own, ".");
    return strncmp(own, "slurm ", 6) == 0 && strncmp(job, own, number) == 0 && job[number] == '.' &&
           strcmp(strchrnul(job, '@'), strchrnul(own, '@')) == 0 && restarts_of(job) < restarts_of(own);
}

static enum verdict judge(const struct run_lock *lock, const struct holder *holder, enum kernel_says kernel,
                          const char *ended_job, double *age)
{
    const struct holder *own = &lock->own;
    *age = heartbeat_age(lock->path, lock->descriptor);
    if (same_host(holder, own) && kernel == KERNEL_FREE) return DEAD; /* it would hold the byte */
    if (same_processes(holder, own)) return is_running(holder, NULL) ? ALIVE : DEAD;
    if (isnan(*age)) return ALIVE; /* nothing can be made in the folder: no time to take anything over */
    /* Slurm may have lost a node that works on: three beats tell. */
    if (same_job_restarted(holder->job, own->job) ||
        (strcmp(holder->job, "none") != 0 && strcmp(holder->job, ended_job) == 0))
        return *age >= 0 && *age < THREE_BEATS ? FADING : DEAD;
    if (*age >= 0 && *age < BEATS_MISSED) return ALIVE;
    /* This host, before it was started again; or another of the same name, and then the kernel knows of its lock. */
    bool started_again = strcmp(holder->host, own->host) == 0 && kernel == KERNEL_FREE && *age >= 0;
    return started_again ? DEAD : SILENT;
}

static int refuse(const struct run_lock *lock, const struct holder *holder, double age, bool silent, struct error *err)
{
    char job[96] = "", beat[64] = "";
    if (holder->job[0] && strcmp(holder->job, "none") != 0) snprintf(job, sizeof job, ", batch job %s", holder->job);
    if (age >= 0) snprintf(beat, sizeof beat, ", last heard of %.0f s ago", age);
    if (holder->process == 0)
        return error_set(err, ERROR_OUTSIDE,
                         "%s: another run is at work on it, which has not said who it is; wait for "
                         "it or end it, then run this again",
                         lock->results);
    return error_set(err, ERROR_OUTSIDE, "%s: another run is at work on it (host %s, process %ld%s%s); %s",
                     lock->results, holder->host, holder->process, job, beat,
                     silent ? "if you know that it is dead, add --break-lock"
                            : "wait for it or end it, then run this again");
}

static bool is_written(int descriptor)
{
    struct stat facts;
    return fstat(descriptor, &facts) != 0 || facts.st_size > 0;
}

/* Without locks of the kernel the last of two that wrote at once wins, and the other sees it. */
static int settle(const struct run_lock *lock, struct error *err)
{
    struct holder holder;
    struct timespec pause = {.tv_sec = (time_t)SETTLE};
    nanosleep(&pause, NULL);
    if (read_holder(lock->descriptor, &holder) && same_holder(&holder, &lock->own)) return 0;
    return refuse(lock, &holder, -1, false, err);
}

/* The byte is ours, or the file system has no such locks.  As try_to_take. */
static int take_over(const struct run_lock *lock, enum kernel_says kernel, const struct lock_wish *wish, bool patient,
                     struct error *err)
{
    struct holder holder;
    double age;
    bool elsewhere = false; /* a file server may hold their lock for a host that is gone */
    bool said = read_holder(lock->descriptor, &holder);
    if (said) {
        elsewhere = !same_host(&holder, &lock->own);
        enum verdict verdict = judge(lock, &holder, kernel, wish->ended_job, &age);
        if (verdict == FADING && patient) return 1;
        if (verdict == ALIVE || verdict == FADING || (verdict == SILENT && !wish->break_lock))
            return refuse(lock, &holder, age, verdict == SILENT, err);
        log_line(LOG_NOTE, "%s: the run before (host %s, process %ld) has ended without a word; going on",
                 lock->results, holder.host, holder.process);
    } else if (is_written(lock->descriptor)) {
        age = heartbeat_age(lock->path, lock->descriptor); /* NaN: nobody can tell */
        if (!(age >= BEATS_MISSED || (age < 0 && wish->break_lock))) return refuse(lock, &holder, age, age < 0, err);
        log_line(LOG_NOTE, "%s: cannot be read, and is silent; going on", lock->path);
    }
    if (!wait_for_other_ranks(lock->descriptor) && !(elsewhere && wish->break_lock))
        return error_set(err, ERROR_OUTSIDE,
                         "%s: ranks of a run that was killed are still at work on it; end them, then run this again%s",
                         lock->results, elsewhere ? "; if you know that they are dead, add --break-lock" : "");
    if (write_holder(lock) != 0) {
        error_set(err, ERROR_OUTSIDE, "%s: cannot be written: %s", lock->path, strerror(errno));
        if (!said && file_is_named(lock->descriptor, lock->path)) unlink(lock->path); /* it says nothing of anybody */
        return -1;
    }
    if (!file_is_named(lock->descriptor, lock->path)) return 1; /* another, judging whom we follow, removed it */
    return kernel == KERNEL_CANNOT ? settle(lock, err) : 0;
}

/* A rank 0 whose mpirun was killed follows it within moments. */
static bool on_its_way_out(const struct run_lock *lock, const struct holder *holder)
{
    bool orphan = false;
    if (holder->process == 0 || !same_host(holder, &lock->own)) return false;
    return !same_processes(holder, &lock->own) || !is_running(holder, &orphan) || orphan;
}

/* A file server may keep the lock of a host that lost its power until that host is back.  A new file takes the place of
 * the locked one; a holder that lives after all learns it at its next heartbeat.  As try_to_take. */
static int take_from_afar(const struct run_lock *lock, const struct holder *holder, const struct lock_wish *wish,
                          bool patient, struct error *err)
{
    double age;
    enum verdict verdict = judge(lock, holder, KERNEL_HELD, wish->ended_job, &age);
    bool ours = verdict == DEAD || (verdict == SILENT && wish->break_lock);
    if (ours && patient && !file_is_named(lock->descriptor, lock->path)) return 1; /* somebody was faster */
    if (ours && patient && unlink(lock->path) == 0) return 1;
    if (verdict == FADING && patient) return 1;
    return refuse(lock, holder, age, verdict == SILENT, err);
}

/* -1: refused; 0: taken; 1: try again. */
static int try_to_take(struct run_lock *lock, const struct lock_wish *wish, bool patient, struct error *err)
{
    struct holder holder;
    lock->descriptor = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (lock->descriptor < 0)
        return error_set(err, ERROR_OUTSIDE, "%s: cannot be opened: %s", lock->path, strerror(errno));
    enum kernel_says kernel = lock_byte(lock->descriptor, RANK_0, F_WRLCK);
    /* A holder that leaves removes the file; whoever got the lock on a removed one tries again on a new one. */
    bool still_there = file_is_named(lock->descriptor, lock->path);
    if (kernel != KERNEL_HELD) return still_there ? take_over(lock, kernel, wish, patient, err) : 1;
    read_holder(lock->descriptor, &holder);
    if (holder.process != 0 && !same_host(&holder, &lock->own))
        return take_from_afar(lock, &holder, wish, patient, err);
    if (patient && on_its_way_out(lock, &holder)) return 1;
    return refuse(lock, &holder, -1, false, err);
}

static int take(struct run_lock *lock, const struct lock_wish *wish, struct error *err)
{
    double limit = clock_seconds() + WAIT_FOR_RANKS;
    for (;;) {
        int status = try_to_take(lock, wish, clock_seconds() < limit, err);
        if (status <= 0) return status;
        close(lock->descriptor);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
}

/* ---- the door ---- */

static struct run_lock *lock_create(const char *results, bool first)
{
    struct run_lock *lock = memory_allocate(sizeof *lock);
    char *real = realpath(results, NULL); /* one file under two names has one lock */
    lock->results = memory_text(real ? real : results);
    free(real);
    lock->path = memory_format("%s.lock", lock->results);
    lock->descriptor = -1;
    lock->first = first;
    lock->own = this_process();
    return lock;
}

static void lock_destroy(struct run_lock **lock)
{
    if ((*lock)->descriptor >= 0) close((*lock)->descriptor);
    memory_free((*lock)->path);
    memory_free((*lock)->results);
    memory_free(*lock);
    *lock = NULL;
}

int run_lock_take(const char *results, const struct lock_wish *wish, struct run_lock **lock, struct error *err)
{
    struct run_lock *taken = lock_create(results, true);
    if (take(taken, wish, err) != 0) {
        lock_destroy(&taken);
        return -1;
    }
    *lock = taken;
    return 0;
}

void run_lock_join(const char *results, struct run_lock **lock)
{
    *lock = lock_create(results, false);
    (*lock)->descriptor = open((*lock)->path, O_RDWR | O_CLOEXEC);
    if ((*lock)->descriptor >= 0)
        lock_byte((*lock)->descriptor, OTHER_RANKS, F_RDLCK); /* nothing to do where it cannot */
}

int run_lock_beat(void *context, struct error *err)
{
    struct run_lock *lock = context;
    struct holder holder;
    if (!file_is_named(lock->descriptor, lock->path))
        return error_set(err, ERROR_OUTSIDE, "%s: was removed while this run held it", lock->path);
    if (!read_holder(lock->descriptor, &holder))
        return error_set(err, ERROR_OUTSIDE, "%s: was emptied or written over while this run held it", lock->path);
    if (!same_holder(&holder, &lock->own))
        return error_set(err, ERROR_OUTSIDE, "%s: was taken over by host %s, process %ld while this run held it",
                         lock->path, holder.host, holder.process);
    if (futimens(lock->descriptor, NULL) == 0) return 0;
    return error_set(err, ERROR_OUTSIDE, "%s: cannot be touched: %s", lock->path, strerror(errno));
}

void run_lock_release(struct run_lock **lock)
{
    struct holder holder;
    if (!*lock) return;
    bool ours = (*lock)->first && read_holder((*lock)->descriptor, &holder) && same_holder(&holder, &(*lock)->own);
    if (ours && file_is_named((*lock)->descriptor, (*lock)->path)) unlink((*lock)->path);
    lock_destroy(lock);
}

void run_lock_job(const char *results, char *job, size_t size)
{
    struct holder holder = {.job = ""};
    struct run_lock *lock = lock_create(results, false);
    lock->descriptor = open(lock->path, O_RDONLY | O_CLOEXEC);
    if (lock->descriptor >= 0) read_holder(lock->descriptor, &holder);
    lock_destroy(&lock);
    snprintf(job, size, "%s", holder.job);
}

/* Whether somebody holds rank 0's byte; KERNEL_CANNOT where the file system does not know. */
static enum kernel_says look_at_byte(int descriptor)
{
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = RANK_0, .l_len = 1};
    if (fcntl(descriptor, F_OFD_GETLK, &range) != 0) return KERNEL_CANNOT;
    return range.l_type == F_UNLCK ? KERNEL_FREE : KERNEL_HELD;
}

static enum run_state state_of(const struct holder *holder, const struct holder *own, enum kernel_says kernel,
                               double silent)
{
    if (kernel == KERNEL_HELD) return RUN_AT_WORK;
    if (same_host(holder, own) && kernel == KERNEL_FREE) return RUN_ENDED;
    if (same_processes(holder, own)) return is_running(holder, NULL) ? RUN_AT_WORK : RUN_ENDED;
    return silent < BEATS_MISSED ? RUN_AT_WORK : RUN_SILENT;
}

void run_lock_look(const char *results, struct run_at_work *found)
{
    struct holder holder;
    struct stat facts;
    struct run_lock *lock = lock_create(results, false);
    *found = (struct run_at_work){.state = RUN_NONE};
    lock->descriptor = open(lock->path, O_RDONLY | O_CLOEXEC);
    if (lock->descriptor >= 0 && fstat(lock->descriptor, &facts) == 0) {
        enum kernel_says kernel = look_at_byte(lock->descriptor);
        bool said = read_holder(lock->descriptor, &holder);
        found->silent = difftime(time(NULL), facts.st_mtim.tv_sec);
        if (said || kernel == KERNEL_HELD) found->state = state_of(&holder, &lock->own, kernel, found->silent);
        snprintf(found->host, sizeof found->host, "%s", holder.host);
        snprintf(found->job, sizeof found->job, "%s", holder.job);
        found->process = holder.process;
    }
    lock_destroy(&lock);
}
