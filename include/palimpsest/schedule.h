/* schedule: the coordinator on rank 0, the workers, and the messages between them. */
#ifndef PALIMPSEST_SCHEDULE_H
#define PALIMPSEST_SCHEDULE_H

#include <mpi.h>

#include "palimpsest/ledger.h"
#include "palimpsest/stage.h"
#include "palimpsest/store.h"

struct progress {              /* for the display; seconds */
    double elapsed, remaining; /* remaining: by the cost model; NaN when not known yet */
    struct ledger_counts counts;
    int stages, workers;
    struct worker_progress {
        int stage;                         /* or -1: idle */
        double seconds, tokens_per_second; /* tokens_per_second: NaN when not known yet */
    } * worker;                            /* [workers] */
};
typedef void progress_f(void *context, const struct plan *plan, const struct progress *progress);

/* Carries out one stage, with the promises of stage_run and its arguments; context: stage_context of the options. */
typedef int schedule_stage_f(void *context, const struct assignment *assignment, const struct stage_inputs *inputs,
                             train_pause_f *pause, void *pause_context, struct stage_result *result, struct error *err);

struct schedule_options {
    const char *results_path;
    double began;       /* clock_seconds() when the program started, for the certificate; 0: not known */
    double time_limit;  /* seconds from the call; 0: none.  No stage starts that could neither end before it, by the
                         * cost model, nor reach a checkpoint; what still runs shortly before it is drained. */
    double last_moment; /* seconds from the call; 0: none.  Ranks that have not come back from the drain by then are
                         * left: MPI_Abort ends all with the exit status of ERROR_STOPPED, of the failure that made the
                         * run end, or of ERROR_OUTSIDE when nothing at all was done.  Not with one rank, which comes
                         * back by itself. */
    double checkpoint_every; /* seconds of a stage between checkpoints of it; 0: by what they cost (midway.c) */
    bool warned;             /* the limit is the end of a batch job, of which a signal may warn too early */
    int attempts; /* deaths of its process, while it ran alone and got no further, that make a stage fail; also
                   * how often one checkpoint may be lost before that counts as failure outside */
    enum keep keep;
    bool retry_failed;    /* what failed in an earlier run is run again; within one run a failure is final */
    progress_f *progress; /* called on rank 0 a few times a second, and after the last stage; may be NULL */
    void *progress_context;
    int (*heartbeat)(void *context, struct error *err); /* called on rank 0 every few seconds; -1 ends the run; may be
                                                         * NULL */
    void *heartbeat_context;
    double assumed_flops_per_second; /* before the first stage has finished */
    schedule_stage_f *stage; /* what workers do with a stage: NULL: stage_run in the workshop; a benchmark does less */
    void *stage_context;
};
/* Runs what is not done yet.  Collective; all ranks leave with the same return value.  On rank 0 plan is the plan and
 * certificate is filled, also after a drain, and written to the store; elsewhere plan is NULL.  With one rank, rank 0
 * works itself.  0: finished (certificate tells of failures); -1: ERROR_STOPPED after a drain, ERROR_OUTSIDE with the
 * text of the rank that failed. */
int schedule_run(MPI_Comm comm, const struct plan *plan, struct store *store, struct workshop *workshop,
                 const struct schedule_options *options, struct certificate *certificate, struct error *err);
/* Every stage that runs leaves a checkpoint at its next step, and all leave with ERROR_STOPPED.  Async-signal-safe: for
 * SIGTERM and SIGINT without mpirun; heeded on rank 0. */
void schedule_request_drain(void);
/* The same for SIGUSR1, which batch systems send before the end of a job, but up to a minute earlier than they were
 * told to: in the last eleven minutes of a run with options->warned it is taken for that, what runs leaves a
 * checkpoint, and work goes on until the limit calls for the drain.  A second one drains at once. */
void schedule_suggest_drain(void);
/* The process is about to be ended from outside: nobody shall hold it against the stage that runs here.
 * Async-signal-safe: for SIGTERM and SIGINT under mpirun. */
void schedule_forgive(void);

/* All ranks agree: 0 when status is 0 everywhere, else -1 everywhere, with the error of the lowest rank that failed. */
int schedule_agree(MPI_Comm comm, int status, struct error *err);

#endif
