/* run: a sweep, carried out. */
#include <signal.h>
#include <stdlib.h>

#include "cli_private.h"

static void on_signal(int signal_number)
{
    if (signal_number == SIGUSR1)
        schedule_suggest_drain();
    else
        schedule_request_drain();
}

static void on_end(int signal_number) /* handled once: the second is the end */
{
    schedule_forgive();
    raise(signal_number);
}

static bool under_launcher(void) { return getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMIX_RANK") || getenv("PMI_RANK"); }

/* USR1 drains.  Without mpirun TERM and INT do too, and a second one of either ends at once; under a launcher they are
 * its own business: it ends all ranks, and nothing committed is lost.  Before MPI_Init, so that no USR1 kills a rank
 * that is still starting. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    if (under_launcher()) action.sa_handler = on_end;
    action.sa_flags = SA_RESTART | SA_RESETHAND;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

/* What must be known before MPI starts, since nothing may be asked of another program afterwards. */
struct beforehand {
    double began; /* clock_seconds() */
    struct deadline deadline;
    struct lock_wish wish;
};

static int run_session(const struct options *options, const struct beforehand *before, struct session *session,
                       struct certificate *certificate, struct error *err)
{
    struct progress_display display = {.terminal = progress_on_terminal()};
    struct schedule_options schedule = {
        .results_path = options->output,
        .began = before->began,
        .time_limit = deadline_left(&before->deadline),
        .last_moment = deadline_last_left(&before->deadline),
        .warned = before->deadline.warned,
        .checkpoint_every = options->checkpoint_every,
        .attempts = options->attempts,
        .keep = options->keep,
        .retry_failed = options->retry_failed,
        .progress = progress_show,
        .progress_context = &display,
        .heartbeat = run_lock_beat,
        .heartbeat_context = session->lock,
        .assumed_flops_per_second = ASSUMED_FLOPS_PER_SECOND,
    };
    return schedule_run(session->comm, session->rank == 0 ? session->setup.plan : NULL, session->store,
                        session->workshop, &schedule, certificate, err);
}

static int finish(const struct options *options, const struct session *session, const struct certificate *certificate)
{
    if (session->rank != 0) return certificate->stages_failed + certificate->stages_skipped > 0;
    print_certificate(certificate, stdout);
    printf("results: %s\n", options->output);
    if (certificate->stages_failed + certificate->stages_skipped == 0) return 0;
    printf("%d stages failed and %d that need them were skipped; `palimpsest status %s` lists them\n",
           certificate->stages_failed, certificate->stages_skipped, options->output);
    return 1;
}

static void look_ahead(const struct options *options, struct beforehand *before)
{
    char *job = before->wish.ended_job;
    *before = (struct beforehand){.began = clock_seconds(), .wish.break_lock = options->break_lock};
    deadline_find(options->time_limit, options->elapsed, &before->deadline);
    if (first_process()) run_lock_job(options->output, job, sizeof before->wish.ended_job);
    if (job[0] && !batch_job_ended(job)) job[0] = '\0';
}

static int run_all(const struct options *options, const struct beforehand *before, struct error *err)
{
    struct session session;
    struct certificate certificate = {0};
    int status = session_open(options, &before->wish, MPI_COMM_WORLD, &session, err);
    if (status == 0) status = run_session(options, before, &session, &certificate, err);
    if (status == 0) {
        MPI_Bcast(&certificate, sizeof certificate, MPI_BYTE, 0, session.comm);
        status = finish(options, &session, &certificate);
    }
    struct error closing = {0};
    int closed = session_close(&session, &closing);
    if (closed != 0 && status >= 0) *err = closing;
    return closed != 0 && status >= 0 ? -1 : status;
}

int command_run(const struct options *options, struct error *err)
{
    struct beforehand before;
    catch_signals();
    look_ahead(options, &before);
    ranks_start(options->verbose);
    if (before.deadline.text[0]) log_line(LOG_NOTE, "%s", before.deadline.text);
    int status = run_all(options, &before, err);
    return ranks_end(status, err);
}
