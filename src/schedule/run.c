/* The door: all ranks come in, rank 0 coordinates (or works alone), all leave together with one result. */
#include <string.h>

#include "schedule_private.h"

static void coordinator_allocate(struct coordinator *c)
{
    size_t stages = (size_t)c->plan->stages, workers = (size_t)c->workers;
    c->cost = memory_array(stages, sizeof *c->cost);
    c->seconds = memory_array(stages, sizeof *c->seconds);
    c->attempts = memory_array(stages, sizeof *c->attempts);
    c->losses = memory_array(stages, sizeof *c->losses);
    c->begun = memory_array(stages, sizeof *c->begun);
    c->slot = memory_array(workers, sizeof *c->slot);
    c->idle = memory_array(workers, sizeof *c->idle);
    c->to_visit = memory_array(workers, sizeof *c->to_visit);
    c->shown = memory_array(workers, sizeof *c->shown);
    c->model = cost_model_create(c->plan, c->options->assumed_flops_per_second);
    cost_model_predict(c->model, c->cost);
    c->ledger = ledger_create(c->plan, c->cost, c->workers, c->options->keep);
    for (int w = c->workers - 1; w >= 0; w--) {
        c->idle[c->idle_count++] = w;
        c->slot[w].out =
            (struct outbox){.comm = c->self ? MPI_COMM_NULL : c->comm, .rank = w + 1, .tag = TAG_RUN, .keeps = true};
        c->slot[w].steering = c->slot[w].out;
        c->slot[w].steering.tag = TAG_CONTROL;
    }
}

static void coordinator_free(struct coordinator *c)
{
    ledger_destroy(&c->ledger);
    cost_model_destroy(&c->model);
    message_reset(&c->in);
    for (int w = 0; w < c->workers; w++) {
        outbox_reset(&c->slot[w].out);
        outbox_reset(&c->slot[w].steering);
    }
    void *blocks[] = {c->cost, c->seconds,  c->attempts, c->losses,  c->begun,  c->slot,
                      c->idle, c->to_visit, c->shown,    c->release, c->suspect};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) memory_free(blocks[i]);
}

/* Collective; so that a rank that does not come back can be told from its host. */
static void learn_hosts(struct coordinator *c, const struct worker *worker, int rank)
{
    char *all = rank == 0 ? memory_array((size_t)c->workers + 1, HOST_TEXT) : NULL;
    MPI_Gather(worker->host, HOST_TEXT, MPI_BYTE, all, HOST_TEXT, MPI_BYTE, 0, c->comm);
    for (int w = 0; rank == 0 && !c->self && w < c->workers; w++)
        memcpy(c->slot[w].host, all + (size_t)(w + 1) * HOST_TEXT, HOST_TEXT);
    memory_free(all);
}

/* A run that found nothing to do gives the account of the one before it again, with the stages as they stand now; false
 * when there is none, because it was killed after its last stage. */
static bool recall(const struct coordinator *c, struct certificate *certificate)
{
    struct store_reader *reader = NULL;
    struct certificate before = {0};
    if (c->ended > 0 || store_reader_open(c->options->results_path, &reader, NULL) != 0) return false;
    bool there = store_read_certificate(reader, &before, NULL) == 0 && before.ranks > 0;
    store_reader_close(&reader);
    if (!there) return false;
    *certificate = before;
    certificate->stages_done = c->account.stages_done;
    certificate->stages_failed = c->account.stages_failed;
    certificate->stages_skipped = c->account.stages_skipped;
    return true;
}

/* Rank 0 writes the certificate also of a run that was stopped early: it is the account of what was done. */
static int coordinate(struct coordinator *c, struct certificate *certificate, struct error *err)
{
    int status = coordinator_run(c);
    account_finish(c);
    *certificate = c->account;
    *err = c->failure;
    if (status != 0 && err->kind != ERROR_STOPPED) return -1;
    if (status == 0 && recall(c, certificate)) return 0;
    struct error writing;
    if (store_write_certificate(c->store, certificate, &writing) == 0 && store_sync(c->store, &writing) == 0)
        return status;
    *err = writing;
    return -1;
}

int schedule_run(MPI_Comm comm, const struct plan *plan, struct store *store, struct workshop *workshop,
                 const struct schedule_options *options, struct certificate *certificate, struct error *err)
{
    int rank, ranks, status = 0;
    struct error own = {.kind = ERROR_NONE};
    struct worker worker;
    struct coordinator coordinator = {
        .plan = plan, .options = options, .store = store, .alone = -1, .called = clock_seconds()};
    MPI_Comm_dup(comm, &coordinator.comm); /* the messages of a run cannot meet anybody else's */
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &ranks);
    worker_init(&worker, options, store, workshop, rank);
    if (rank == 0) {
        coordinator.workers = ranks > 1 ? ranks - 1 : 1;
        coordinator.self = ranks > 1 ? NULL : &worker;
        coordinator_allocate(&coordinator);
        status = coordinator_replay(&coordinator, &own);
    }
    learn_hosts(&coordinator, &worker, rank);
    status = schedule_agree(coordinator.comm, status, &own);
    if (status == 0) {
        if (rank == 0)
            status = coordinate(&coordinator, certificate, &own);
        else
            worker_serve(coordinator.comm, &worker);
        status = schedule_agree(coordinator.comm, status, &own);
    }
    if (rank == 0) coordinator_free(&coordinator);
    worker_reset(&worker);
    MPI_Comm_free(&coordinator.comm);
    if (status != 0 && err) *err = own;
    return status;
}
