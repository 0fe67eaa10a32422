/* The life of a rank other than 0. */
#include "schedule_private.h"

static const double STEP_EVERY = 0.5;        /* seconds between two reports of a running stage */
static const double IDLE_BEFORE_SYNC = 5e-3; /* seconds without an instruction: then there is time to sync */

struct service {
    MPI_Comm comm;
    struct worker *worker;
    struct instruction instruction;
    struct view *views;
    size_t capacity;
    int stage;        /* that runs */
    double last_step; /* clock of the last REPORT_STEP */
    bool draining;    /* TELL_DRAIN came, or this rank has failed: whatever comes now goes back as it is */
    bool broken;      /* a sync failed and was reported: nothing that is written now counts */
};

static void tell(struct service *service, enum report_kind kind, const char *text)
{
    struct report report = {.version = MESSAGE_VERSION, .kind = kind, .stage = service->stage};
    report.steps = service->worker->step;
    report.alone = service->worker->attempt.running == 2;
    report.finished = service->worker->finished;
    report.synced = service->worker->synced;
    if (kind == REPORT_STOPPED) memory_resident(NULL, &report.peak_bytes);
    report_say(&report, text);
    send_report(service->comm, &report);
}

static bool receive(struct service *service, int tag)
{
    return receive_instruction(service->comm, tag, &service->instruction, &service->views, &service->capacity);
}

/* While a stage runs, what can come beside further stages is DRAIN, and SAVE before it. */
static bool poll_coordinator(void *context)
{
    struct service *service = context;
    struct instruction instruction;
    double now = clock_seconds();
    if (now - service->last_step >= STEP_EVERY) {
        service->last_step = now;
        tell(service, REPORT_STEP, "");
    }
    if (receive_instruction(service->comm, TAG_CONTROL, &instruction, &service->views, &service->capacity)) {
        CHECK(instruction.kind == TELL_DRAIN || instruction.kind == TELL_SAVE, "instruction %d during a stage",
              instruction.kind);
        if (instruction.kind == TELL_SAVE)
            service->worker->next_save = 0;
        else
            service->draining = true;
    }
    return service->draining;
}

static void sync_and_tell(struct service *service)
{
    struct error err;
    if (service->broken || service->worker->synced == service->worker->finished) return;
    service->broken = worker_sync(service->worker, &err) != 0;
    tell(service, service->broken ? REPORT_ERROR : REPORT_SYNCED, service->broken ? err.text : "");
}

static void run(struct service *service)
{
    struct report report;
    struct error err;
    service->stage = service->instruction.assignment.stage;
    service->worker->step = 0;
    service->last_step = clock_seconds();
    if (service->draining)
        tell(service, REPORT_RETURNED, "");
    else if (worker_carry_out(service->worker, &service->instruction, service->views, &report, &err) == 0)
        send_report(service->comm, &report);
    else {
        service->draining = true;
        tell(service, REPORT_ERROR, err.text);
    }
    service->stage = -1;
}

/* The next instruction, however long it takes; meanwhile rows that were written get synced. */
static void wait_for_instruction(struct service *service)
{
    struct patience patience;
    patience_reset(&patience);
    while (!receive(service, TAG_CONTROL) && !receive(service, TAG_RUN)) {
        if (clock_seconds() - patience.since > IDLE_BEFORE_SYNC) sync_and_tell(service);
        patience_wait(&patience);
    }
}

void worker_serve(MPI_Comm comm, struct worker *worker)
{
    struct service service = {.comm = comm, .worker = worker, .stage = -1};
    worker->poll = poll_coordinator;
    worker->poll_context = &service;
    do {
        wait_for_instruction(&service);
        switch (service.instruction.kind) {
        case TELL_RUN: run(&service); break;
        case TELL_SAVE: break; /* nothing runs */
        case TELL_DRAIN: service.draining = true; break;
        case TELL_STOP:
            sync_and_tell(&service);
            tell(&service, REPORT_STOPPED, "");
            break;
        case TELL_LEAVE: break;
        }
    } while (service.instruction.kind != TELL_LEAVE);
    worker->poll = NULL;
    memory_free(service.views);
}
