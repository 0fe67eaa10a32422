/* A restart: the rows that earlier runs committed go through the same ledger as events. */
#include "schedule_private.h"

static void apply(struct coordinator *c, enum ledger_event_kind kind, int stage, enum stage_status status)
{
    ledger_apply(c->ledger, &(struct ledger_event){.kind = kind, .stage = stage, .worker = -1, .status = status});
}

static bool failed(enum stage_status status) { return status == STATUS_FAILED || status == STATUS_DIVERGED; }

/* How often a stage that is run again was run before. */
static int read_attempts(struct coordinator *c, struct store_reader *reader, int stage, struct error *err)
{
    struct stage_provenance facts;
    TRY(store_read_provenance(reader, c->plan->stage[stage].row, &facts, err));
    c->attempts[stage] = (unsigned char)(facts.attempts < 0 ? 0 : facts.attempts > 255 ? 255 : facts.attempts);
    return 0;
}

/* Done rows first: a failure then skips only what really is not there.  A failed stage that is to be tried again stays
 * pending, and so does what was skipped because of it. */
static int tell_ledger(struct coordinator *c, struct store_reader *reader, const enum stage_status *row,
                       struct error *err)
{
    for (int s = 0; s < c->plan->stages; s++)
        if (row[c->plan->stage[s].row] == STATUS_DONE) apply(c, EVENT_DONE, s, STATUS_DONE);
    for (int s = 0; s < c->plan->stages; s++) {
        enum stage_status status = row[c->plan->stage[s].row];
        if (!failed(status)) continue;
        if (c->options->retry_failed)
            TRY(read_attempts(c, reader, s, err));
        else
            apply(c, EVENT_FAILED, s, status);
    }
    return 0;
}

static int write_skipped(struct coordinator *c, const enum stage_status *row, struct error *err)
{
    for (int stage; (stage = ledger_skipped(c->ledger)) >= 0;)
        if (row[c->plan->stage[stage].row] != STATUS_SKIPPED) TRY(write_skipped_row(c, stage, err));
    return 0;
}

/* From the last stage to the first: a state found lost makes those it is computed from needed again, and they stand
 * before it. */
static void find_lost_states(struct coordinator *c)
{
    for (int s = c->plan->stages - 1; s >= 0; s--) {
        const struct stage *stage = &c->plan->stage[s];
        if (!ledger_needed(c->ledger, s)) continue;
        if (checkpoint_there(c->options->results_path, stage->state, stage->copy)) continue;
        apply(c, EVENT_LOST_STATE, s, STATUS_DONE);
    }
}

static int read_rows(struct coordinator *c, struct store_reader *reader, enum stage_status *row, struct error *err)
{
    int damaged = 0;
    TRY(store_read_marks(reader, c->plan, row, c->plan->rows, &damaged, err));
    if (damaged > 0)
        log_line(LOG_WARNING, "%s: %d rows disagree with their checksums and are computed again",
                 c->options->results_path, damaged);
    TRY(tell_ledger(c, reader, row, err));
    find_lost_states(c);
    return write_skipped(c, row, err);
}

int coordinator_replay(struct coordinator *c, struct error *err)
{
    struct store_reader *reader = NULL;
    TRY(store_reader_open(c->options->results_path, &reader, err));
    enum stage_status *row = memory_array((size_t)c->plan->rows, sizeof *row);
    int status = read_rows(c, reader, row, err);
    memory_free(row);
    store_reader_close(&reader);
    return status;
}
