/* schedule: the coordinator on rank 0, the workers, and the messages between them. */
#ifndef PALIMPSEST_SCHEDULE_H
#define PALIMPSEST_SCHEDULE_H

#include <mpi.h>

#include "palimpsest/ledger.h"
#include "palimpsest/stage.h"
#include "palimpsest/store.h"

struct progress { /* for the display; seconds */
    double elapsed, remaining; /* remaining: by the cost model; NaN when not known yet */
    struct ledger_counts counts;
    int stages, workers;
    struct worker_progress {
        int stage; /* or -1: idle */
        double seconds, tokens_per_second;
    } *worker; /* [workers] */
};
typedef void progress_f(void *context, const struct plan *plan, const struct progress *progress);

struct schedule_options {
    const char *results_path;
    double time_limit;  /* seconds from the start of the program; 0: none */
    int attempts;       /* deaths or failures of a stage before it is failed for good */
    enum keep keep;
    bool retry_failed;
    progress_f *progress; /* called on rank 0 a few times a second, and after the last stage; may be NULL */
    void *progress_context;
    double assumed_flops_per_second; /* before the first stage has finished */
};
/* Runs what is not done yet.  Collective; all ranks leave with the same return value.  On rank 0 plan is the plan and
 * certificate is filled; elsewhere plan is NULL.  0: finished (certificate tells of failures); -1: ERROR_STOPPED after a
 * drain, ERROR_OUTSIDE with the text of the rank that failed. */
int schedule_run(MPI_Comm comm, const struct plan *plan, struct store *store, struct workshop *workshop,
                 const struct schedule_options *options, struct certificate *certificate, struct error *err);
void schedule_request_drain(void); /* async-signal-safe: SIGUSR1, and SIGTERM, SIGINT without mpirun */

/* All ranks agree: 0 when status is 0 everywhere, else -1 everywhere, with the error of the lowest rank that failed. */
int schedule_agree(MPI_Comm comm, int status, struct error *err);

#endif
