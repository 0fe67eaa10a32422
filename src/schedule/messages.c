/* Sending and receiving without ever blocking, but for the reports of a worker, which rank 0 takes soon: a blocked
 * receive spins a whole core, and a blocked send of rank 0 would wait for a worker in the middle of its stages. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "schedule_private.h"

enum { ALIGNED = 8 };
_Static_assert(sizeof(struct instruction) % ALIGNED == 0 && sizeof(struct view) % ALIGNED == 0,
               "what follows in a message must be aligned");

static void check_version(uint32_t version)
{
    CHECK(version == MESSAGE_VERSION, "another rank speaks version %u of the messages, this one %d", version,
          MESSAGE_VERSION);
}

/* ---- out ---- */

static void drop_arrived(struct outbox *outbox)
{
    int there, left = 0;
    for (int i = 0; i < outbox->on_its_way; i++) {
        struct sent *sent = &outbox->sent[i];
        MPI_Test(&sent->request, &there, MPI_STATUS_IGNORE);
        if (there)
            memory_free(sent->bytes);
        else
            outbox->sent[left++] = *sent;
    }
    outbox->on_its_way = left;
}

/* The bytes stay until they have arrived: small ones are gone at once. */
static void send_and_keep(struct outbox *outbox)
{
    struct message *message = &outbox->message;
    outbox->sent =
        memory_grow(outbox->sent, &outbox->sent_capacity, (size_t)outbox->on_its_way + 1, sizeof *outbox->sent);
    struct sent *sent = &outbox->sent[outbox->on_its_way++];
    sent->bytes = message->bytes;
    MPI_Isend(sent->bytes, (int)message->used, MPI_BYTE, outbox->rank, outbox->tag, outbox->comm, &sent->request);
    *message = (struct message){0};
    drop_arrived(outbox);
}

void outbox_send(struct outbox *outbox)
{
    struct message *message = &outbox->message;
    if (message->used == 0 || outbox->comm == MPI_COMM_NULL) return;
    if (outbox->keeps) {
        send_and_keep(outbox);
        return;
    }
    MPI_Send(message->bytes, (int)message->used, MPI_BYTE, outbox->rank, outbox->tag, outbox->comm);
    message->used = 0;
}

void outbox_reset(struct outbox *outbox)
{
    for (int i = 0; i < outbox->on_its_way; i++) {
        MPI_Wait(&outbox->sent[i].request, MPI_STATUS_IGNORE);
        memory_free(outbox->sent[i].bytes);
    }
    memory_free(outbox->sent);
    message_reset(&outbox->message);
}

/* Room for so many bytes. */
static char *put(struct outbox *outbox, size_t bytes)
{
    struct message *message = &outbox->message;
    if (message->used + bytes > MESSAGE_BYTES) outbox_send(outbox);
    message->bytes = memory_grow(message->bytes, &message->capacity, message->used + bytes, 1);
    char *place = message->bytes + message->used;
    message->used += bytes;
    return place;
}

static size_t views_bytes(const struct instruction *instruction)
{
    return instruction->kind == TELL_RUN ? (size_t)instruction->assignment.views * sizeof(struct view) : 0;
}

void outbox_put_instruction(struct outbox *outbox, const struct instruction *instruction, const struct view *views)
{
    size_t more = views_bytes(instruction);
    char *place = put(outbox, sizeof *instruction + more);
    memcpy(place, instruction, sizeof *instruction);
    if (more > 0) memcpy(place + sizeof *instruction, views, more);
}

void report_say(struct report *report, const char *text)
{
    snprintf(report->text, sizeof report->text, "%.*s", REPORT_TEXT - 1, text);
}

/* Up to the end of its text, and to where the next may stand. */
static size_t report_bytes(const struct report *report)
{
    size_t bytes = offsetof(struct report, text) + strnlen(report->text, REPORT_TEXT - 1) + 1;
    return (bytes + ALIGNED - 1) / ALIGNED * ALIGNED;
}

void outbox_put_report(struct outbox *outbox, const struct report *report)
{
    size_t bytes = report_bytes(report);
    memcpy(put(outbox, bytes), report, bytes);
}

/* ---- in ---- */

bool message_receive(MPI_Comm comm, int tag, struct message *message, int *rank)
{
    int there, bytes;
    MPI_Status status;
    MPI_Iprobe(MPI_ANY_SOURCE, tag, comm, &there, &status);
    /* Open MPI looks at what it has first, and then for what has come: that is seen by the next call only. */
    if (!there) MPI_Iprobe(MPI_ANY_SOURCE, tag, comm, &there, &status);
    if (!there) return false;
    MPI_Get_count(&status, MPI_BYTE, &bytes);
    message->bytes = memory_grow(message->bytes, &message->capacity, (size_t)bytes, 1);
    MPI_Recv(message->bytes, bytes, MPI_BYTE, status.MPI_SOURCE, tag, comm, MPI_STATUS_IGNORE);
    message->used = (size_t)bytes;
    message->read = 0;
    if (rank) *rank = status.MPI_SOURCE;
    return true;
}

const struct instruction *message_next_instruction(struct message *message, const struct view **views)
{
    size_t left = message->used - message->read;
    if (left == 0) return NULL;
    const struct instruction *instruction = (const void *)(message->bytes + message->read);
    CHECK(left >= sizeof *instruction, "an instruction of %zu bytes", left);
    check_version(instruction->version);
    size_t bytes = sizeof *instruction + views_bytes(instruction);
    CHECK(left >= bytes, "an instruction of %zu bytes with %d views", left, instruction->assignment.views);
    *views = (const void *)(message->bytes + message->read + sizeof *instruction);
    message->read += bytes;
    return instruction;
}

bool message_next_report(struct message *message, struct report *report)
{
    size_t left = message->used - message->read, fixed = offsetof(struct report, text);
    if (left == 0) return false;
    CHECK(left > fixed, "a report of %zu bytes", left);
    size_t most = left < sizeof *report ? left : sizeof *report;
    const char *bytes = message->bytes + message->read, *text = bytes + fixed;
    size_t length = strnlen(text, most - fixed);
    CHECK(length < most - fixed, "a report without an end");
    memcpy(report, bytes, fixed);
    memcpy(report->text, text, length + 1);
    check_version(report->version);
    message->read += report_bytes(report);
    return true;
}

void message_reset(struct message *message)
{
    memory_free(message->bytes);
    *message = (struct message){0};
}
