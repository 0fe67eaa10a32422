/* A run that waits past the end of its time for ranks that do not come back: stopped, waiting for a file system, or in
 * the middle of something long.  The batch system would end it a moment later, without requeueing it and without a word
 * to tell which rank it was.  (Rank 0 itself may wait for the same file system: nothing here helps then.) */
#include <stdio.h>

#include "schedule_private.h"

enum { RANKS_NAMED = 8 };
static const double LEAST_WAIT = 1; /* seconds since they were called back: the time may have been over before */

/* Before the workers are told to stop, those with stages; afterwards, those that have not said that they have. */
static bool is_waited_for(const struct coordinator *c, int worker)
{
    return c->stopping ? !c->slot[worker].stopped : c->slot[worker].queued > 0;
}

static int name_rank(const struct coordinator *c, int worker, char *text, size_t size)
{
    const struct slot *slot = &c->slot[worker];
    if (slot->queued == 0) return snprintf(text, size, "rank %d (it syncs what it has written)", worker + 1);
    return snprintf(text, size, "rank %d (stage %d, last heard of at step %lld)", worker + 1, slot->queue[0],
                    (long long)slot->step);
}

/* "rank 3 (...), rank 7 (...) and 5 more"; false: nobody is waited for. */
static bool name_ranks(const struct coordinator *c, char *text, size_t size)
{
    int count = 0;
    size_t used = 0;
    for (int w = 0; w < c->workers; w++) {
        if (!is_waited_for(c, w) || count++ >= RANKS_NAMED) continue;
        if (count > 1) used += (size_t)snprintf(text + used, size - used, ", ");
        used += (size_t)name_rank(c, w, text + used, size - used);
    }
    if (count > RANKS_NAMED) snprintf(text + used, size - used, " and %d more", count - RANKS_NAMED);
    return count > 0;
}

/* A job whose ranks did nothing but hang would come back as it is for ever: that is no reason to go on. */
static enum error_kind what_to_tell(const struct coordinator *c)
{
    if (c->failure.kind != ERROR_NONE) return c->failure.kind;
    return c->ended > 0 || c->account.steps_executed > 0 ? ERROR_STOPPED : ERROR_OUTSIDE;
}

static void write_account(struct coordinator *c)
{
    struct error err;
    account_idle(c);
    account_finish(c);
    if (store_write_certificate(c->store, &c->account, &err) != 0 || store_sync(c->store, &err) != 0)
        log_line(LOG_WARNING, "%s", err.text);
}

/* As a run that was killed, except that it says why, and whether to go on.  First the words: writing may hang. */
static void leave(struct coordinator *c, const char *ranks)
{
    enum error_kind kind = what_to_tell(c);
    log_line(LOG_ERROR,
             "the time is over, and %s did not come back: the run ends without; what is committed is saved, %d of %d "
             "stages are done; %s",
             ranks, ledger_counts(c->ledger).done, c->plan->stages,
             kind == ERROR_STOPPED ? "run the same command again to go on"
                                   : "nothing else was done in this run: look at that stage or its host");
    if (c->failure.kind != ERROR_NONE)
        log_line(LOG_ERROR, "%s", c->failure.text); /* and the file may be another run's by now */
    else
        write_account(c);
    MPI_Abort(MPI_COMM_WORLD, error_exit_status(kind));
}

void leave_when_overdue(struct coordinator *c)
{
    char ranks[RANKS_NAMED * 96];
    double now = clock_seconds(), limit = c->options->time_limit, last = c->options->last_moment;
    if (last <= 0 || c->self || !c->draining || now - c->called_back < LEAST_WAIT) return;
    if (now - c->called < limit || (c->overdue_told && now - c->called < last)) return;
    if (!name_ranks(c, ranks, sizeof ranks)) return;
    if (now - c->called >= last)
        leave(c, ranks);
    else
        log_line(LOG_NOTE, "the time is over; waiting for %s", ranks);
    c->overdue_told = true;
}
