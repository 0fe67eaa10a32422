/* A restart: the rows that earlier runs committed go through the same ledger as events. */
#include <stdlib.h>

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
static int tell_ledger(struct coordinator *c, struct store_reader *reader, enum stage_status *row, struct error *err)
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
    return suspects_read(c, reader, row, err);
}

static int write_skipped(struct coordinator *c, const enum stage_status *row, struct error *err)
{
    for (int stage; (stage = ledger_skipped(c->ledger)) >= 0;)
        if (row[c->plan->stage[stage].row] != ledger_status(c->ledger, stage)) TRY(write_skipped_row(c, stage, err));
    return 0;
}

/* ---- what lies in the folder of checkpoints ---- */

struct numbered { /* a stage by its state and copy */
    struct hash128 state;
    int copy, stage;
};
struct folder {
    struct coordinator *c;
    struct numbered *stage; /* [stages], sorted */
    bool *there;            /* [stages]: its finished state */
};

static int by_state(const void *left, const void *right)
{
    const struct numbered *a = left, *b = right;
    int order = hash_order(a->state, b->state);
    return order != 0 ? order : a->copy - b->copy;
}

/* The stage whose checkpoint it is; -1: not of this sweep, nobody's business here. */
static int stage_of(const struct folder *folder, const struct checkpoint_name *name)
{
    struct numbered wanted = {.state = name->state, .copy = name->copy};
    size_t stages = (size_t)folder->c->plan->stages;
    const struct numbered *found = bsearch(&wanted, folder->stage, stages, sizeof wanted, by_state);
    return found ? found->stage : -1;
}

static bool find_finished(void *context, const struct checkpoint_name *name)
{
    struct folder *folder = context;
    int stage = stage_of(folder, name);
    if (stage >= 0 && !name->partial) folder->there[stage] = true;
    return true;
}

/* What an interrupted stage left stays while the stage is to be carried out, or may be: where somebody still needs its
 * state, that may yet turn out to be damaged.  True: it stays. */
static bool keep_begun(void *context, const struct checkpoint_name *name)
{
    struct folder *folder = context;
    struct coordinator *c = folder->c;
    int stage = stage_of(folder, name);
    if (stage < 0) return true;
    bool pending = ledger_status(c->ledger, stage) == STATUS_PENDING;
    bool useful = pending || (name->partial && ledger_needed(c->ledger, stage));
    if (useful) c->begun[stage] |= name->partial ? BEGUN_PARTIAL : BEGUN_WHOLE;
    return useful || !name->partial;
}

/* From the last stage to the first: a state found lost makes those it is computed from needed again, and they stand
 * before it. */
static void find_lost_states(struct coordinator *c, const bool *there)
{
    for (int s = c->plan->stages - 1; s >= 0; s--)
        if (ledger_needed(c->ledger, s) && !there[s])
            ledger_apply(c->ledger, &(struct ledger_event){EVENT_LOST_STATE, s, -1, STATUS_DONE});
}

static int read_folder(struct coordinator *c, struct error *err)
{
    size_t stages = (size_t)c->plan->stages;
    struct folder folder = {.c = c};
    folder.stage = memory_array(stages, sizeof *folder.stage);
    folder.there = memory_array(stages, sizeof *folder.there);
    for (int s = 0; s < c->plan->stages; s++)
        folder.stage[s] = (struct numbered){c->plan->stage[s].state, c->plan->stage[s].copy, s};
    qsort(folder.stage, stages, sizeof *folder.stage, by_state);
    int status = checkpoint_list(c->options->results_path, find_finished, &folder, err);
    if (status == 0) find_lost_states(c, folder.there); /* which makes some pending that were done */
    if (status == 0) status = checkpoint_list(c->options->results_path, keep_begun, &folder, err);
    memory_free(folder.stage);
    memory_free(folder.there);
    return status;
}

/* They are in no row's checksum, and would stay a number that nobody has measured. */
static int restore_unfilled(struct coordinator *c, struct error *err)
{
    int64_t restored;
    TRY(store_restore_unfilled(c->store, &restored, err));
    if (restored == 0) return 0;
    c->own_rows = true;
    log_line(LOG_WARNING, "%s: %lld places that no stage fills were damaged; they are missing again",
             c->options->results_path, (long long)restored);
    return 0;
}

static int read_rows(struct coordinator *c, struct store_reader *reader, enum stage_status *row, struct error *err)
{
    int damaged = 0;
    TRY(store_read_marks(reader, c->plan, row, c->plan->rows, &damaged, err));
    if (damaged > 0)
        log_line(LOG_WARNING, "%s: %d rows disagree with their checksums and are computed again",
                 c->options->results_path, damaged);
    TRY(restore_unfilled(c, err));
    TRY(tell_ledger(c, reader, row, err));
    TRY(store_sync(c->store, err)); /* what a killed run wrote and did not sync counts from here on */
    TRY(read_folder(c, err));
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
