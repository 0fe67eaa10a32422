/* The wish to drain: the one thing a signal handler may touch, hence not part of any context. */
#include <signal.h>

#include "schedule_private.h"

static const double WARNS_WITHIN = 660; /* seconds before the limit: ten minutes, and the one that Slurm may be early */

static volatile sig_atomic_t drain_flag, suggestions;

void schedule_request_drain(void) { drain_flag = 1; }

void schedule_suggest_drain(void) { suggestions = suggestions + 1; }

bool drain_insisted(struct coordinator *c)
{
    int heard = suggestions;
    bool again = heard != c->heard;
    c->heard = heard;
    return again;
}

/* Every stage that runs leaves a checkpoint: should the end come sooner than is known, little is lost. */
static void save_all(struct coordinator *c)
{
    if (c->self)
        c->self->next_save = 0;
    else
        tell_workers(c, TELL_SAVE);
}

bool drain_requested(struct coordinator *c)
{
    int heard = suggestions;
    if (drain_flag) return c->asked = true;
    if (heard == c->heard) return false;
    double left = seconds_left(c);
    bool early = c->options->warned && left > 0 && left <= WARNS_WITHIN && c->heard == 0 && heard == 1;
    c->heard = heard;
    if (!early) {
        suggestions = 0; /* followed */
        return c->asked = true;
    }
    save_all(c);
    log_line(LOG_NOTE,
             "SIGUSR1 came early: work goes on for another %.0f seconds, then there is just time to save everything; "
             "a second SIGUSR1 stops the run at once",
             left);
    return false;
}
