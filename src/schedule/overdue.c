/* A run that waits past the end of its time for ranks that do not come back: stopped, waiting for a file system, or in
 * the middle of something long.  The batch system would end it a moment later, without requeueing it and without a word
 * to tell which rank it was.  (Rank 0 itself may wait for the same file system: nothing here helps then.) */
#include <stdio.h>

#include "schedule_private.h"

enum { RANKS_NAMED = 8 };
static const double LEAST_WAIT = 1;  /* seconds since they were called back: the time may have been over before */
static const double TOLD_AFTER = 15; /* seconds since then, when nobody knows a limit */

/* Before the workers are told to stop, those with stages; afterwards, those that have not said that they have. */
static bool is_waited_for(const struct coordinator *c, int worker)
{
    return c->stopping ? !c->slot[worker].stopped : c->slot[worker].queued > 0;
}

static int name_rank(const struct coordinator *c, int worker, char *text, size_t size)
{
    const struct slot *slot = &c->slot[worker];
    if (slot->queued == 0)
        return snprintf(text, size, "rank %d on %s (it syncs what it has written)", worker + 1, slot->host);
    return snprintf(text, size, "rank %d on %s (stage %d, last heard of at step %lld)", worker + 1, slot->host,
                    slot->queue[0], (long long)slot->step);
}

/* "rank 3 on node17 (...), rank 7 on node18 (...) and 5 more"; false: nobody is waited for. */
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
static enum error_kind what_to_tell(const struct coordinator *c, bool insisted)
{
    if (c->failure.kind != ERROR_NONE) return c->failure.kind;
    return insisted || c->ended > 0 || c->account.steps_executed > 0 ? ERROR_STOPPED : ERROR_OUTSIDE;
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
static void leave(struct coordinator *c, bool insisted, const char *ranks)
{
    const char *why = insisted ? "told to stop once more" : "the time is over";
    enum error_kind kind = what_to_tell(c, insisted);
    log_line(LOG_ERROR, "%s, and %s did not come back: the run ends without; what is committed is saved", why, ranks);
    log_line(LOG_ERROR, "%d of %d stages are done; %s", ledger_counts(c->ledger).done, c->plan->stages,
             kind == ERROR_OUTSIDE ? "nothing was done in this run: look at that stage, or its host"
                                   : "run the same command again to go on");
    if (c->failure.kind != ERROR_NONE)
        log_line(LOG_ERROR, "%s", c->failure.text); /* and the file may be another run's by now */
    else
        write_account(c);
    MPI_Abort(MPI_COMM_WORLD, error_exit_status(kind));
}

void leave_when_overdue(struct coordinator *c)
{
    char ranks[RANKS_NAMED * 192];
    double now = clock_seconds(), waited = now - c->called_back, limit = c->options->time_limit;
    if (c->self || !c->draining || waited < LEAST_WAIT) return;
    bool over = limit > 0 && now - c->called >= limit, due = over || waited >= TOLD_AFTER;
    bool last = c->options->last_moment > 0 && now - c->called >= c->options->last_moment;
    bool insisted = c->overdue_told && drain_insisted(c);
    if (!(last || insisted || (due && !c->overdue_told)) || !name_ranks(c, ranks, sizeof ranks)) return;
    if (last || insisted) leave(c, insisted, ranks);
    log_line(LOG_NOTE, "waiting for %s; another SIGUSR1 ends the run without", ranks);
    drain_insisted(c); /* what came before was no answer */
    c->overdue_told = true;
}
