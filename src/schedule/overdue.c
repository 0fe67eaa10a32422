/* A run that waits past the end of its time for ranks that do not come back: stopped, waiting for a file system, or in
 * the middle of something long.  The batch system would end it a moment later, without requeueing it and without a word
 * to tell which rank it was. */
#include <stdio.h>

#include "schedule_private.h"

enum { RANKS_NAMED = 8 };
static const double LEAST_WAIT = 1; /* seconds of drain: the time may have been over before the run began */

static bool is_waited_for(const struct coordinator *c, int worker)
{
    return ledger_counts(c->ledger).running > 0 ? c->slot[worker].queued > 0 : !c->slot[worker].stopped;
}

static int name_rank(const struct coordinator *c, int worker, char *text, size_t size)
{
    const struct slot *slot = &c->slot[worker];
    if (slot->queued == 0) return snprintf(text, size, "rank %d (it syncs what it has written)", worker + 1);
    return snprintf(text, size, "rank %d (stage %d, last heard of at step %lld)", worker + 1, slot->queue[0],
                    (long long)slot->step);
}

/* "rank 3 (...), rank 7 (...) and 5 more" */
static void name_ranks(const struct coordinator *c, char *text, size_t size)
{
    int count = 0;
    size_t used = 0;
    for (int w = 0; w < c->workers; w++) {
        if (!is_waited_for(c, w) || count++ >= RANKS_NAMED) continue;
        if (count > 1) used += (size_t)snprintf(text + used, size - used, ", ");
        used += (size_t)name_rank(c, w, text + used, size - used);
    }
    if (count > RANKS_NAMED) snprintf(text + used, size - used, " and %d more", count - RANKS_NAMED);
}

/* As a run that was killed, except that the account of it is written and the exit status tells to go on. */
static void leave(struct coordinator *c)
{
    char ranks[RANKS_NAMED * 96];
    struct error err = {.kind = ERROR_NONE};
    name_ranks(c, ranks, sizeof ranks);
    account_idle(c);
    account_finish(c);
    if (store_write_certificate(c->store, &c->account, &err) != 0 || store_sync(c->store, &err) != 0)
        log_line(LOG_WARNING, "%s", err.text);
    log_line(LOG_WARNING,
             "the time is over, and %s did not come back: the run ends without; what is committed is saved, %d of %d "
             "stages are done; run the same command again to go on",
             ranks, ledger_counts(c->ledger).done, c->plan->stages);
    MPI_Abort(MPI_COMM_WORLD, error_exit_status(ERROR_STOPPED));
}

void leave_when_overdue(struct coordinator *c)
{
    double last = c->options->last_moment, now = clock_seconds();
    if (last <= 0 || c->self || !c->draining) return;
    if (now - c->called >= last && now - c->drain_began >= LEAST_WAIT) leave(c);
}
