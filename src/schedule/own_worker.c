/* The worker of a run on one rank: rank 0 carries out what it hands out, and coordinates in between. */
#include "schedule_private.h"

static void take_here(void *context, const struct report *report) { coordinator_take_report(context, 0, report); }

static void report_here(struct coordinator *c) { worker_commit(c->self, take_here, c); }

/* Reports come in the order in which the stages were given. */
static void end_without_row(struct coordinator *c, int stage, enum report_kind kind, const char *text)
{
    struct report report = {.version = MESSAGE_VERSION, .kind = kind, .stage = stage};
    report_here(c);
    report.finished = c->self->finished;
    report.synced = c->self->synced;
    report_say(&report, text);
    coordinator_take_report(c, 0, &report);
}

void work_here(struct coordinator *c)
{
    struct message *message = &c->slot[0].out.message;
    const struct instruction *instruction;
    const struct view *views;
    struct error err;
    while ((instruction = message_next_instruction(message, &views))) {
        int stage = instruction->assignment.stage;
        if (c->draining)
            end_without_row(c, stage, REPORT_RETURNED, "");
        else if (worker_carry_out(c->self, instruction, views, &err) != 0)
            end_without_row(c, stage, REPORT_ERROR, err.text);
        if (worker_due(c->self)) report_here(c);
        upkeep(c, false);
    }
    report_here(c);
    message->used = message->read = 0;
}

/* Rank 0's own stage is interrupted by the same upkeep that runs between messages. */
static bool poll_here(void *context)
{
    struct coordinator *c = context;
    if (worker_due(c->self)) report_here(c);
    upkeep(c, false);
    return c->draining;
}

void begin_here(struct coordinator *c)
{
    c->self->poll = poll_here;
    c->self->poll_context = c;
}

void stop_here(struct coordinator *c)
{
    struct error err;
    if (worker_sync(c->self, &err) != 0)
        coordinator_fail(c, &err);
    else
        c->slot[0].synced = c->slot[0].finished;
}
