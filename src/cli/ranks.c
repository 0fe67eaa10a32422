/* MPI, started and ended: how the ranks of a command come together, and leave with one exit status. */
#include <stdlib.h>

#include "cli_private.h"
#include "palimpsest/kernels_start.h"

static void abort_all(int exit_status) { MPI_Abort(MPI_COMM_WORLD, exit_status); }

/* A message that fails leaves ranks waiting for each other: all must go.  What is committed stays. */
static void on_message_error(MPI_Comm *comm, int *code, ...)
{
    char reason[MPI_MAX_ERROR_STRING] = "no reason given";
    int length;
    (void)comm;
    MPI_Error_string(*code, reason, &length);
    log_line(LOG_ERROR, "a message between ranks failed: %s; what is finished is saved, run the same command again",
             reason);
    abort_all(error_exit_status(ERROR_OUTSIDE));
}

/* For all communicators that are made from this one, too. */
static void catch_message_errors(void)
{
    MPI_Errhandler handler;
    MPI_Comm_create_errhandler(on_message_error, &handler);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, handler);
    MPI_Errhandler_free(&handler);
}

/* Open MPI looks for transports to other hosts first; of one that it then does not take, a library (libpsm2) measures a
 * clock for 0.2 s as it is loaded.  What the user has set in the environment stays.
 *
 * The daemon (orted) that it starts for processes which a program might spawn is left alone, though none does here:
 * with ess_singleton_isolated all such processes of a user share one session folder, which the first to end removes. */
static void spare_other_hosts(void) { setenv("OMPI_MCA_pml", "ob1", 0); }

void ranks_start(bool verbose)
{
    struct core_offer offer;
    int rank, ranks, threading;
    (void)cores_offer(&offer, NULL); /* before MPI's threads read the environment; numerics.c tells when it fails */
    if (!launched_rank()) spare_other_hosts();
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &threading); /* threads of kernels send no messages */
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    log_configure(verbose ? LOG_DEBUG : LOG_NOTE, ranks > 1 ? rank : -1);
    check_set_hook(abort_all);
    catch_message_errors();
}

int ranks_end(int status, const struct error *err)
{
    int rank;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (status < 0) {
        /* Before any rank has left: mpirun ends the others, and what they still had to say, when the first exits so. */
        if (rank == 0) print_failure(err);
        status = error_exit_status(err->kind);
    }
    MPI_Finalize();
    return status;
}
