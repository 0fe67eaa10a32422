/* Sending, and receiving without ever blocking: a blocked receive spins a whole core. */
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "schedule_private.h"

void patience_reset(struct patience *patience) { *patience = (struct patience){.since = clock_seconds()}; }

void patience_wait(struct patience *patience)
{
    static const double AWAKE = 50e-6, FIRST_NAP = 20e-6, LONGEST_NAP = 2e-3; /* seconds */
    if (patience->nap == 0 && clock_seconds() - patience->since < AWAKE) {
        sched_yield();
        return;
    }
    patience->nap = patience->nap == 0 ? FIRST_NAP : 1.5 * patience->nap;
    if (patience->nap > LONGEST_NAP) patience->nap = LONGEST_NAP;
    nanosleep(&(struct timespec){.tv_nsec = (long)(1e9 * patience->nap)}, NULL);
}

void send_instruction(MPI_Comm comm, int rank, const struct instruction *instruction, const struct view *views)
{
    size_t views_bytes = instruction->kind == TELL_RUN ? (size_t)instruction->assignment.views * sizeof *views : 0;
    char *bytes = memory_allocate(sizeof *instruction + views_bytes);
    memcpy(bytes, instruction, sizeof *instruction);
    if (views_bytes > 0) memcpy(bytes + sizeof *instruction, views, views_bytes);
    int tag = instruction->kind == TELL_RUN ? TAG_RUN : TAG_CONTROL;
    MPI_Send(bytes, (int)(sizeof *instruction + views_bytes), MPI_BYTE, rank, tag, comm);
    memory_free(bytes);
}

void report_say(struct report *report, const char *text)
{
    snprintf(report->text, sizeof report->text, "%.*s", REPORT_TEXT - 1, text);
}

void send_report(MPI_Comm comm, const struct report *report)
{
    size_t length = offsetof(struct report, text) + strnlen(report->text, REPORT_TEXT - 1) + 1;
    MPI_Send(report, (int)length, MPI_BYTE, 0, TAG_REPORT, comm);
}

/* Size in bytes and sender of the next message of that tag; false when there is none now. */
static bool probe(MPI_Comm comm, int tag, int *bytes, int *rank)
{
    int there;
    MPI_Status status;
    MPI_Iprobe(MPI_ANY_SOURCE, tag, comm, &there, &status);
    if (!there) return false;
    MPI_Get_count(&status, MPI_BYTE, bytes);
    *rank = status.MPI_SOURCE;
    return true;
}

static void check_version(uint32_t version, int rank)
{
    CHECK(version == MESSAGE_VERSION, "rank %d speaks version %u of the messages, this rank %d", rank, version,
          MESSAGE_VERSION);
}

bool receive_report(MPI_Comm comm, struct report *report, int *rank)
{
    int bytes;
    if (!probe(comm, TAG_REPORT, &bytes, rank)) return false;
    CHECK(bytes > (int)offsetof(struct report, text) && bytes <= (int)sizeof *report, "a report of %d bytes", bytes);
    MPI_Recv(report, bytes, MPI_BYTE, *rank, TAG_REPORT, comm, MPI_STATUS_IGNORE);
    check_version(report->version, *rank);
    report->text[bytes - (int)offsetof(struct report, text) - 1] = '\0';
    return true;
}

bool receive_instruction(MPI_Comm comm, int tag, struct instruction *instruction, struct view **views, size_t *capacity)
{
    int bytes, rank;
    if (!probe(comm, tag, &bytes, &rank)) return false;
    CHECK(bytes >= (int)sizeof *instruction, "an instruction of %d bytes", bytes);
    char *whole = memory_allocate((size_t)bytes);
    MPI_Recv(whole, bytes, MPI_BYTE, rank, tag, comm, MPI_STATUS_IGNORE);
    memcpy(instruction, whole, sizeof *instruction);
    check_version(instruction->version, rank);
    size_t count = ((size_t)bytes - sizeof *instruction) / sizeof **views;
    CHECK(count == (instruction->kind == TELL_RUN ? (size_t)instruction->assignment.views : 0),
          "%zu views came with an instruction for %d", count, instruction->assignment.views);
    *views = memory_grow(*views, capacity, count, sizeof **views);
    if (count > 0) memcpy(*views, whole + sizeof *instruction, count * sizeof **views);
    memory_free(whole);
    return true;
}
