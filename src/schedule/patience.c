/* Waiting without a core: Open MPI has no receive that sleeps. */
#include <math.h>
#include <sched.h>
#include <time.h>

#include "schedule_private.h"

static const double AWAKE = 50e-6, FIRST_NAP = 20e-6, LONGEST_NAP = 2e-3; /* seconds */
/* Of what a stage takes, an answer may be late by so much at either end: half a nap on average. */
static const double UNNOTICED = 1.0 / 250;
static const double MOST_UNNOTICED = 4e-3; /* seconds: 250 looks a second cost little enough */

void patience_reset(struct patience *patience, double stage_seconds)
{
    double least = fmin(UNNOTICED * stage_seconds, MOST_UNNOTICED);
    *patience = (struct patience){.since = clock_seconds(), .least = least};
}

void patience_wait(struct patience *patience)
{
    bool hurried = patience->least < FIRST_NAP;
    if (hurried && patience->nap == 0 && clock_seconds() - patience->since < AWAKE) {
        sched_yield();
        return;
    }
    patience->nap = patience->nap == 0 ? fmax(FIRST_NAP, patience->least) : 1.5 * patience->nap;
    patience->nap = fmin(patience->nap, fmax(LONGEST_NAP, patience->least));
    nanosleep(&(struct timespec){.tv_nsec = (long)(1e9 * patience->nap)}, NULL);
}
