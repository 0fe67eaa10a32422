/* Waiting without a core: Open MPI has no receive that sleeps. */
#include <math.h>
#include <sched.h>
#include <time.h>

#include "schedule_private.h"

static const double AWAKE = 50e-6, FIRST_NAP = 20e-6, LONGEST_NAP = 2e-3; /* seconds */
/* Of what a stage takes, an answer may be late by so much: half a nap on average. */
static const double UNNOTICED = 1.0 / 180;
static const double MOST_UNNOTICED = 5.5e-3; /* seconds: 180 looks a second cost rank 0 one hundredth of a core */
static const double EARLIER = 0.25;          /* who expects an answer begins with so much of a nap */

void patience_reset(struct patience *patience, double stage_seconds, bool expects_answer)
{
    double unnoticed = fmin(UNNOTICED * stage_seconds, MOST_UNNOTICED);
    *patience = (struct patience){.since = clock_seconds(),
                                  .first = expects_answer ? EARLIER * unnoticed : unnoticed,
                                  .longest = fmax(LONGEST_NAP, unnoticed)};
}

void patience_wait(struct patience *patience)
{
    bool hurried = patience->first < FIRST_NAP;
    if (hurried && patience->nap == 0 && clock_seconds() - patience->since < AWAKE) {
        sched_yield();
        return;
    }
    patience->nap = patience->nap == 0 ? fmax(FIRST_NAP, patience->first) : 1.5 * patience->nap;
    patience->nap = fmin(patience->nap, patience->longest);
    nanosleep(&(struct timespec){.tv_nsec = (long)(1e9 * patience->nap)}, NULL);
}
