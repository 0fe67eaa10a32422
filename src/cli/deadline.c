/* When a run must be over: at its own time limit, or shortly before the batch system ends its job. */
#include <math.h>

#include "cli_private.h"

/* What is left of a job after the run: ranks leave, mpirun ends, the script puts the job back into the queue. */
static const double WAY_OUT = 15, WAY_OUT_SHARE = 0.05; /* seconds; of the time left, for short jobs */
static const double LAST_SHARE = 1.0 / 3;               /* of that: then ranks that have not come back are left */
/* Nobody ends a run at a limit of its own: what takes long may end first, in as much time again, or so much. */
static const double OVERTIME = 600; /* seconds */

static void take_batch(const struct batch_time *batch, struct deadline *deadline)
{
    char text[32], margin_text[32];
    double left = fmax(batch->left, 0), margin = fmin(WAY_OUT, WAY_OUT_SHARE * left);
    double end = clock_seconds() + left;
    deadline->at = end - margin;
    deadline->last = end - LAST_SHARE * margin;
    snprintf(deadline->text, sizeof deadline->text, "the job ends in %s (%s); the run is over %s before",
             format_duration(left, text, sizeof text), batch->source,
             format_duration(margin, margin_text, sizeof margin_text));
}

static void take_own(double at, double time_limit, double elapsed, struct deadline *deadline)
{
    char text[32], elapsed_text[32];
    if (time_limit <= 0 || at >= deadline->at) return;
    deadline->at = at;
    deadline->last = fmin(deadline->last, at + fmax(OVERTIME, time_limit));
    format_duration(time_limit, text, sizeof text);
    if (elapsed > 0)
        snprintf(deadline->text, sizeof deadline->text, "the time limit is %s, and %s of it are over (--time-limit)",
                 text, format_duration(elapsed, elapsed_text, sizeof elapsed_text));
    else
        snprintf(deadline->text, sizeof deadline->text, "the time limit is %s (--time-limit)", text);
}

void deadline_find(double time_limit, double elapsed, struct deadline *deadline)
{
    struct batch_time batch;
    double own = clock_seconds() + time_limit - elapsed; /* asking takes its time */
    *deadline = (struct deadline){.at = INFINITY, .last = INFINITY};
    if (!first_process()) return;
    batch_time_left(&batch);
    deadline->warned = batch.kind == TIME_LEFT;
    if (batch.kind == TIME_LEFT) take_batch(&batch, deadline);
    take_own(own, time_limit, elapsed, deadline);
    if (isfinite(deadline->at)) return;
    if (batch.kind == TIME_UNLIMITED)
        snprintf(deadline->text, sizeof deadline->text, "the job has no time limit (%s)", batch.source);
    if (batch.kind == TIME_UNKNOWN)
        snprintf(deadline->text, sizeof deadline->text,
                 "no time limit is known (%s); a signal or --time-limit stops the run in time", batch.source);
}

static double left_until(double moment) { return isfinite(moment) ? fmax(moment - clock_seconds(), 1e-3) : 0; }

double deadline_left(const struct deadline *deadline) { return left_until(deadline->at); }

double deadline_last_left(const struct deadline *deadline) { return left_until(deadline->last); }
