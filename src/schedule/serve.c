/* The life of a rank other than 0. */
#include <math.h>

#include "schedule_private.h"

static const double STEP_EVERY = 0.5;        /* seconds between two reports of a running stage, at least */
static const double STEPS_PER_SECOND = 40;   /* that all ranks together report at most: rank 0 must hardly notice */
static const double IDLE_BEFORE_SYNC = 2e-2; /* seconds without an instruction: then there is time to sync */

struct service {
    MPI_Comm comm;
    struct worker *worker;
    struct message control, run; /* the last that came of each; instructions to run are read one by one */
    struct outbox out;
    int stage;        /* that runs, or -1 */
    double last_step; /* clock of the last REPORT_STEP */
    int ranks;        /* of the communicator */
    bool draining;    /* TELL_DRAIN came, or this rank has failed: whatever comes now goes back as it is */
    bool broken;      /* a sync failed and was reported: nothing that is written now counts */
};

static bool runs_alone(const struct service *service) { return service->worker->noted.attempt.running == 2; }

static void tell(struct service *service, enum report_kind kind, const char *text)
{
    struct report report = {.version = MESSAGE_VERSION, .kind = kind, .stage = service->stage};
    report.steps = service->worker->step;
    report.alone = runs_alone(service);
    report.checkpoint_seconds = service->worker->checkpoint_seconds;
    report.finished = service->worker->finished;
    report.synced = service->worker->synced;
    if (kind == REPORT_STOPPED) memory_resident(NULL, &report.peak_bytes);
    report_say(&report, text);
    outbox_put_report(&service->out, &report);
    outbox_send(&service->out);
}

static void put_report(void *context, const struct report *report)
{
    struct service *service = context;
    outbox_put_report(&service->out, report);
}

/* What has ended, before anything that came after it is told. */
static void commit(struct service *service)
{
    if (worker_commit(service->worker, put_report, service) != 0) service->draining = true;
    outbox_send(&service->out);
}

/* While a stage runs, what can come beside further stages is DRAIN, and SAVE before it. */
static void heed(struct service *service)
{
    const struct view *none;
    if (!message_receive(service->comm, TAG_CONTROL, &service->control, NULL)) return;
    const struct instruction *instruction = message_next_instruction(&service->control, &none);
    CHECK(instruction && (instruction->kind == TELL_DRAIN || instruction->kind == TELL_SAVE),
          "instruction %d during a stage", instruction ? (int)instruction->kind : -1);
    if (instruction->kind == TELL_SAVE)
        service->worker->next_save = 0;
    else
        service->draining = true;
}

/* For a stage that runs alone everybody waits. */
static double step_every(const struct service *service)
{
    return runs_alone(service) ? STEP_EVERY : fmax(STEP_EVERY, service->ranks / STEPS_PER_SECOND);
}

static bool poll_coordinator(void *context)
{
    struct service *service = context;
    double now = clock_seconds();
    if (worker_due(service->worker)) commit(service);
    if (now - service->last_step >= step_every(service)) {
        service->last_step = now;
        tell(service, REPORT_STEP, "");
    }
    heed(service);
    return service->draining;
}

static void sync_and_tell(struct service *service)
{
    struct error err;
    if (service->broken || service->worker->synced == service->worker->finished) return;
    service->broken = worker_sync(service->worker, &err) != 0;
    tell(service, service->broken ? REPORT_ERROR : REPORT_SYNCED, service->broken ? err.text : "");
}

/* Reports come in the order in which the stages were given. */
static void end_without_row(struct service *service, enum report_kind kind, const char *text)
{
    commit(service);
    tell(service, kind, text);
}

static void run(struct service *service, const struct instruction *instruction, const struct view *views)
{
    struct error err;
    service->stage = instruction->assignment.stage;
    service->worker->step = 0;
    service->last_step = clock_seconds();
    if (service->draining)
        end_without_row(service, REPORT_RETURNED, "");
    else if (worker_carry_out(service->worker, instruction, views, &err) != 0) {
        service->draining = true;
        end_without_row(service, REPORT_ERROR, err.text);
    }
    service->stage = -1;
    if (worker_due(service->worker)) commit(service);
}

/* One that steers the run goes before stages that wait; NULL: there is none of either. */
static const struct instruction *next(struct service *service, const struct view **views)
{
    if (message_receive(service->comm, TAG_CONTROL, &service->control, NULL))
        return message_next_instruction(&service->control, views);
    const struct instruction *instruction = message_next_instruction(&service->run, views);
    if (instruction) return instruction;
    if (!message_receive(service->comm, TAG_RUN, &service->run, NULL)) return NULL;
    return message_next_instruction(&service->run, views);
}

/* However long it takes; meanwhile what has ended is committed, and rows that were written get synced. */
static const struct instruction *wait_for_instruction(struct service *service, const struct view **views)
{
    const struct instruction *instruction = next(service, views);
    struct patience patience;
    if (instruction) return instruction;
    commit(service);
    patience_reset(&patience, service->worker->stage_seconds, true);
    while (!(instruction = next(service, views))) {
        if (clock_seconds() - patience.since > IDLE_BEFORE_SYNC) sync_and_tell(service);
        patience_wait(&patience);
    }
    return instruction;
}

void worker_serve(MPI_Comm comm, struct worker *worker)
{
    struct service service = {.comm = comm, .worker = worker, .out = {.comm = comm, .tag = TAG_REPORT}, .stage = -1};
    enum instruction_kind kind;
    MPI_Comm_size(comm, &service.ranks);
    worker->poll = poll_coordinator;
    worker->poll_context = &service;
    do {
        const struct view *views;
        const struct instruction *instruction = wait_for_instruction(&service, &views);
        kind = instruction->kind;
        switch (kind) {
        case TELL_RUN: run(&service, instruction, views); break;
        case TELL_SAVE: break; /* nothing runs */
        case TELL_DRAIN: service.draining = true; break;
        case TELL_STOP:
            sync_and_tell(&service);
            tell(&service, REPORT_STOPPED, "");
            break;
        case TELL_LEAVE: break;
        }
    } while (kind != TELL_LEAVE);
    worker->poll = NULL;
    message_reset(&service.control);
    message_reset(&service.run);
    outbox_reset(&service.out);
}
