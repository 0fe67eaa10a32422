/* What the batch system knows: how long this job may run, and whether another one is over.  Asked before MPI_Init, by
 * one process of the run. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli_private.h"

static const double PATIENCE = 5; /* seconds for squeue or qstat to answer */
enum { ANSWER = 16384 };          /* bytes; qstat -f of a job with a long environment takes some thousands */

const char *launched_rank(void)
{
    /* Open MPI's mpirun, then other launchers.  Not SLURM_PROCID: what srun starts without MPI is alone. */
    static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++)
        if (getenv(names[n])) return getenv(names[n]);
    return NULL;
}

bool first_process(void)
{
    const char *rank = launched_rank();
    return !rank || strcmp(rank, "0") == 0;
}

/* Days-hours:minutes:seconds, hours:minutes:seconds or minutes:seconds, as squeue and qstat print them. */
static bool read_clock(const char *text, double *seconds)
{
    long days = 0, hours = 0, minutes = 0, rest = 0;
    int length = -1;
    if (text[strspn(text, "0123456789:-")]) return false;
    sscanf(text, "%ld-%ld:%ld:%ld%n", &days, &hours, &minutes, &rest, &length);
    if (length < 0) {
        days = 0;
        sscanf(text, "%ld:%ld:%ld%n", &hours, &minutes, &rest, &length);
    }
    if (length < 0) {
        hours = 0;
        sscanf(text, "%ld:%ld%n", &minutes, &rest, &length);
    }
    if (length < 0 || text[length] || days < 0 || hours < 0 || minutes < 0 || rest < 0) return false;
    *seconds = 86400.0 * (double)days + 3600.0 * (double)hours + 60.0 * (double)minutes + (double)rest;
    return true;
}

static const char *answer_for_people(const char *answer) { return answer[0] ? answer : "nothing"; }

/* ---- Slurm ---- */

/* squeue about one job; the answer has a line for each task of a job array, known by the job's own number in front.
 * Fills words[size] with what stands behind it; false: there is no such line, and words holds the whole answer. */
static bool ask_squeue(const char *id, const char *option, const char *format, char *words, size_t size)
{
    const char *const arguments[] = {"squeue", "-h", "-a", "-t", "all", "-j", id, option, format, NULL};
    char answer[ANSWER], first[64];
    int status = ask(arguments, PATIENCE, answer, sizeof answer), used;
    for (const char *line = answer; status == 0 && line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (sscanf(line, "%63s %n", first, &used) != 1 || strcmp(first, id) != 0) continue;
        snprintf(words, size, "%.*s", (int)strcspn(line + used, "\n"), line + used);
        return true;
    }
    snprintf(words, size, "%.*s", (int)strcspn(answer, "\n"), answer);
    return false;
}

static void slurm_time(const char *id, struct batch_time *time)
{
    char words[256];
    bool there = ask_squeue(id, "-o", "%A %L", words, sizeof words);
    snprintf(time->source, sizeof time->source, "squeue, for Slurm job %.32s", id);
    if (there && read_clock(words, &time->left))
        time->kind = TIME_LEFT;
    else if (there && strcmp(words, "UNLIMITED") == 0)
        time->kind = TIME_UNLIMITED;
    else {
        time->kind = TIME_UNKNOWN;
        snprintf(time->source, sizeof time->source, "Slurm job %.32s: squeue says \"%.120s\"", id,
                 answer_for_people(words));
    }
}

/* Seconds since 1970, by the clock of the batch system.  A moment that is past says nothing: a shell may have kept the
 * variable from a job that is over. */
static bool end_time(const char *text, struct batch_time *known)
{
    char *end;
    long long at = strtoll(text, &end, 10);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    known->left = (double)at - (double)now.tv_sec - 1e-9 * (double)now.tv_nsec;
    if (end == text || *end || known->left <= 0 || known->left > 10 * 366 * 86400.0) return false;
    known->kind = TIME_LEFT;
    snprintf(known->source, sizeof known->source, "SLURM_JOB_END_TIME");
    return true;
}

static bool over(const char *state)
{
    static const char *const states[] = {"PENDING",   "COMPLETED",    "CANCELLED",   "FAILED",        "TIMEOUT",
                                         "NODE_FAIL", "PREEMPTED",    "BOOT_FAIL",   "OUT_OF_MEMORY", "DEADLINE",
                                         "REQUEUED",  "REQUEUE_HOLD", "SPECIAL_EXIT"};
    for (size_t s = 0; s < sizeof states / sizeof *states; s++)
        if (strcmp(state, states[s]) == 0) return true;
    return false;
}

/* A requeued job keeps its number: it is over once the job waits or runs again.  In COMPLETING its processes may still
 * be there. */
static bool slurm_ended(const char *name)
{
    char id[33], words[256], state[64], cluster[64] = "";
    const char *here = getenv("SLURM_CLUSTER_NAME");
    long restarts, restarts_now;
    if (sscanf(name, "%32[0-9].%ld@%63s", id, &restarts, cluster) < 2) return false;
    if (cluster[0] && (!here || strcmp(here, cluster) != 0)) return false; /* not the squeue to ask */
    /* Nothing but this answer says so: silence may also be a job that others may not see. */
    if (!ask_squeue(id, "-O", "JobID:24,State:24,RestartCnt:12", words, sizeof words))
        return strstr(words, "Invalid job id");
    if (sscanf(words, "%63s %ld", state, &restarts_now) != 2) return false;
    return over(state) || (restarts_now > restarts && strcmp(state, "COMPLETING") != 0);
}

/* ---- PBS Professional, OpenPBS, Torque ---- */

/* The value of "    name = value" in the answer of qstat -f; NULL: it is not there. */
static const char *attribute(const char *answer, const char *name, char *value, size_t size)
{
    size_t length = strlen(name);
    for (const char *line = answer; line; line = strchr(line, '\n')) {
        line += strspn(line, " \t\n");
        if (strncmp(line, name, length) != 0 || strncmp(line + length, " = ", 3) != 0) continue;
        snprintf(value, size, "%.*s", (int)strcspn(line + length + 3, "\n"), line + length + 3);
        return value;
    }
    return NULL;
}

/* Torque says what is left.  Else the limit counts from the start of the job, a date in local time. */
static bool pbs_left(const char *answer, double *left)
{
    char value[64], *end;
    struct tm start = {0};
    if (attribute(answer, "Walltime.Remaining", value, sizeof value)) {
        *left = strtod(value, &end);
        return end != value && !*end;
    }
    if (!attribute(answer, "Resource_List.walltime", value, sizeof value) || !read_clock(value, left)) return false;
    if (!attribute(answer, "stime", value, sizeof value) && !attribute(answer, "start_time", value, sizeof value))
        return false;
    const char *rest = strptime(value, "%a %b %d %H:%M:%S %Y", &start);
    if (!rest || *rest) return false;
    start.tm_isdst = -1;
    *left -= difftime(time(NULL), mktime(&start));
    return true;
}

static void pbs_time(const char *id, struct batch_time *time)
{
    const char *const arguments[] = {"qstat", "-f", id, NULL};
    char answer[ANSWER];
    int status = ask(arguments, PATIENCE, answer, sizeof answer);
    if (status == 0 && pbs_left(answer, &time->left)) {
        time->kind = TIME_LEFT;
        snprintf(time->source, sizeof time->source, "qstat, for PBS job %.64s", id);
        return;
    }
    time->kind = TIME_UNKNOWN;
    answer[strcspn(answer, "\n")] = '\0';
    snprintf(time->source, sizeof time->source, "PBS job %.64s: qstat -f tells %s%.120s", id,
             status == 0 ? "no limit and start" : "", status == 0 ? "" : answer_for_people(answer));
}

static bool pbs_ended(const char *id)
{
    const char *const arguments[] = {"qstat", id, NULL};
    char answer[ANSWER];
    int status = ask(arguments, PATIENCE, answer, sizeof answer);
    return status > 0 && (strstr(answer, "Unknown Job") || strstr(answer, "Job has finished"));
}

/* ---- whichever there is ---- */

void batch_time_left(struct batch_time *time)
{
    const char *end = getenv("SLURM_JOB_END_TIME"), *slurm = getenv("SLURM_JOB_ID"), *pbs = getenv("PBS_JOBID");
    *time = (struct batch_time){.kind = TIME_NONE};
    if (end && end_time(end, time)) return;
    if (slurm && slurm[0])
        slurm_time(slurm, time);
    else if (pbs && pbs[0])
        pbs_time(pbs, time);
    else if (end && end[0]) {
        time->kind = TIME_UNKNOWN;
        snprintf(time->source, sizeof time->source, "SLURM_JOB_END_TIME is \"%.64s\", which is no moment to come", end);
    }
}

bool batch_job_ended(const char *job)
{
    if (strncmp(job, "slurm ", 6) == 0) return slurm_ended(job + 6);
    if (strncmp(job, "pbs ", 4) == 0) return pbs_ended(job + 4);
    return false;
}
