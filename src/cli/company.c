/* Other processes that do what this one measures: in a run all cores work, and share caches, memory and clock. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli_private.h"

/* The member-th core of `allowed` other than `mine`. */
static int core_of(int member, int mine, const cpu_set_t *allowed)
{
    for (int core = 0; core < CPU_SETSIZE; core++)
        if (core != mine && CPU_ISSET((size_t)core, allowed) && member-- == 0) return core;
    return -1;
}

_Noreturn static void take_part(int core, pid_t leader, company_work_f *work, void *context)
{
    cpu_set_t one;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* however the leader ends, nobody is left at work */
    if (getppid() != leader) _exit(0);
    CPU_ZERO(&one);
    CPU_SET((size_t)core, &one);
    if (sched_setaffinity(0, sizeof one, &one) == 0) work(context);
    _exit(1);
}

int company_start(struct company *company, int count, int core, company_work_f *work, void *context, struct error *err)
{
    cpu_set_t allowed;
    pid_t leader = getpid();
    *company = (struct company){0};
    if (count == 0) return 0;
    if (core < 0 || sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return error_set(err, ERROR_OUTSIDE, "the cores of this process cannot be told: %s", strerror(errno));
    if (CPU_COUNT(&allowed) <= count)
        return error_set(err, ERROR_INPUT, "--ranks %d: this process may use %d core%s", count + 1, CPU_COUNT(&allowed),
                         CPU_COUNT(&allowed) == 1 ? "" : "s");
    company->member = memory_array((size_t)count, sizeof *company->member);
    fflush(NULL); /* else each would have a copy of what is not written yet */
    while (company->count < count) {
        pid_t member = fork();
        if (member == 0) take_part(core_of(company->count, core, &allowed), leader, work, context);
        if (member < 0) {
            company_end(company, NULL);
            return error_set(err, ERROR_OUTSIDE, "fork: %s", strerror(errno));
        }
        company->member[company->count++] = member;
    }
    return 0;
}

int company_end(struct company *company, struct error *err)
{
    int left = 0;
    for (int m = 0; m < company->count; m++) {
        bool left_early = waitpid(company->member[m], NULL, WNOHANG) != 0; /* it could not work */
        if (!left_early) kill(company->member[m], SIGKILL);
        left += left_early;
    }
    while (wait(NULL) >= 0 || errno == EINTR) continue;
    memory_free(company->member);
    *company = (struct company){0};
    return left == 0 ? 0 : error_set(err, ERROR_OUTSIDE, "--ranks: %d of the other processes ended early", left);
}
