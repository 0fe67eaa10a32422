/* Taking over what an earlier results file holds: records by record id, states by state id.
 *
 * States first, then rows, each with its own mark, as a run commits them: a kill in the middle leaves a file that goes
 * on, and taking again takes the rest. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "palimpsest/store_archive.h"
#include "store_private.h"

struct taking {
    const char *results_path;
    const struct plan *plan;
    const struct archive *old;
    enum stage_status *status; /* [rows] of the new file */
    int *from;                 /* [rows] of the new file: the row of the old one that its record comes from, or -1 */
    struct indexed *by_record, *by_state, *by_file; /* of the old file */
    struct checkpoint_name *file;
    size_t files, file_capacity;
    bool leaves;
    struct taken *taken;
};

/* ---- records ---- */

static int record_length(const struct plan *plan, const struct stage *stage)
{
    return record_offset(stage->groups, plan->sweep->instruments, &plan->extents, stage->place, FIELD_COUNT);
}

struct blocks { /* a field as a row of blocks along its first dimension, the others inside them */
    int count, width;
};

static struct blocks blocks_of(enum field_id id, const struct record_extents *extents)
{
    const struct field *field = &fields_table[id];
    if (field->dimensions == 0) return (struct blocks){1, 1};
    int count = extents->length[field->dimension[0]];
    return (struct blocks){count, field_width(id, extents) / count};
}

/* `there` blocks where `count` are asked for.  False: what would be left out holds numbers. */
static bool refit_blocks(const double *from, int there, double *to, int count, int width)
{
    for (int i = 0; i < count * width; i++) to[i] = i < there * width ? from[i] : NAN;
    for (int i = count * width; i < there * width; i++)
        if (!isnan(from[i])) return false;
    return true;
}

/* One field, once for each of its parts.  Only its first dimension may have another length. */
static bool refit_field(enum field_id id, const struct record_extents *old, const double *from,
                        const struct record_extents *new, double *to, int parts)
{
    struct blocks there = blocks_of(id, old), here = blocks_of(id, new);
    bool layers = fields_table[id].dimensions > 0 && fields_table[id].dimension[0] == DIMENSION_LAYER;
    int width = here.width, last = layers ? 1 : 0; /* the final norm, whatever stands before it */
    if (there.width != width) return false;
    for (int p = 0; p < parts; p++, from += there.count * width, to += here.count * width) {
        if (!refit_blocks(from, there.count - last, to, here.count - last, width)) return false;
        for (int i = 0; layers && i < width; i++)
            to[(here.count - 1) * width + i] = from[(there.count - 1) * width + i];
    }
    return true;
}

/* A record of one sweep laid out as another asks for it: dimensions are as long as the longest of the whole sweep, and
 * what is shorter leaves their ends missing; of the layers the last is the final norm, whatever stands before it. */
static bool refit(const struct taking *taking, const struct stage *stage, int old_row, double *record)
{
    const struct plan *plan = taking->plan, *old = taking->old->plan;
    int unused;
    const double *from = archive_record(taking->old, old_row, &unused);
    for (int id = 0; id < FIELD_COUNT; id++) {
        int to = record_offset(stage->groups, plan->sweep->instruments, &plan->extents, stage->place, id);
        int at = record_offset(old->tree[old_row].groups, old->sweep->instruments, &old->extents, stage->place, id);
        if ((to < 0) != (at < 0)) return false;
        if (to < 0) continue;
        int parts = field_parts_at((enum field_id)id, stage->place);
        if (!refit_field((enum field_id)id, &old->extents, from + at, &plan->extents, record + to, parts)) return false;
    }
    return true;
}

/* What a stage computed stands, also that its training diverged: it would again.  How a process fared does not. */
static bool final(enum stage_status status) { return status == STATUS_DONE || status == STATUS_DIVERGED; }

static bool usable(const struct taking *taking, const struct stage *stage, int old_row)
{
    const struct stage *old = &taking->old->plan->tree[old_row];
    return final(taking->old->status[old_row]) && hash_equal(old->state, stage->state) && old->kind == stage->kind &&
           old->place == stage->place;
}

static void match_rows(struct taking *taking)
{
    const struct plan *plan = taking->plan;
    int rows = taking->old->plan->rows;
    for (int r = 0; r < plan->rows; r++) {
        const struct stage *stage = &plan->tree[r];
        int old = index_find(taking->by_record, (size_t)rows, stage->record);
        taking->from[r] = -1;
        if (old >= 0 || index_find(taking->by_state, (size_t)rows, stage->state) >= 0) taking->taken->common++;
        if (final(taking->status[r]) || old < 0) continue;
        if (taking->old->damaged[old]) taking->taken->damaged++;
        if (!usable(taking, stage, old)) continue;
        double *record = memory_array((size_t)record_length(plan, stage), sizeof *record);
        if (refit(taking, stage, old, record)) taking->from[r] = old;
        memory_free(record);
    }
}

/* All stages of a row in turn: without sharing, cells that share a row each fill their own places of it. */
static int write_stage(struct store *store, const struct taking *taking, int number, struct error *err)
{
    const struct stage *stage = &taking->plan->stage[number];
    int old = taking->from[stage->row], length = record_length(taking->plan, stage);
    struct assignment assignment;
    double *record = memory_array((size_t)length, sizeof *record);
    refit(taking, stage, old, record);
    plan_assign(taking->plan, number, &assignment);
    int status =
        store_write_record(store, &assignment, plan_views(taking->plan, number), record, taking->old->status[old], err);
    memory_free(record);
    return status;
}

static int commit_row(struct store *store, const struct taking *taking, int row, struct error *err)
{
    const struct stage *stage = &taking->plan->tree[row];
    int old = taking->from[row], length = record_length(taking->plan, stage);
    struct stage_provenance facts = taking->old->provenance[old];
    char reason[sizeof facts.reason];
    double *record = memory_array((size_t)length, sizeof *record);
    memcpy(reason, facts.reason, sizeof reason);
    reason[sizeof reason - 1] = '\0';
    int written = snprintf(facts.reason, sizeof facts.reason, REUSED_REASON " %s%s%s", taking->old->path,
                           reason[0] ? ": " : "", reason);
    if (written >= (int)sizeof facts.reason) facts.reason[sizeof facts.reason - 1] = '\0';
    refit(taking, stage, old, record);
    int status = store_write_provenance(store, row, &facts, err);
    if (status == 0) status = store_write_mark(store, row, taking->old->status[old], record, length, err);
    memory_free(record);
    return status;
}

static int take_rows(struct store *store, const struct taking *taking, struct error *err)
{
    const struct plan *plan = taking->plan;
    for (int s = 0; s < plan->stages; s++)
        if (taking->from[plan->stage[s].row] >= 0) TRY(write_stage(store, taking, s, err));
    for (int r = 0; r < plan->rows; r++) {
        if (taking->from[r] < 0) continue;
        TRY(commit_row(store, taking, r, err));
        taking->taken->records++;
    }
    return store_sync(store, err);
}

/* ---- states ---- */

static bool note_file(void *context, const struct checkpoint_name *name)
{
    struct taking *taking = context;
    taking->file = memory_grow(taking->file, &taking->file_capacity, taking->files + 1, sizeof *taking->file);
    taking->file[taking->files++] = *name;
    return true;
}

/* A checkpoint of the middle is of use where the stage starts no later than it did there: else its steps belong to the
 * stage before. */
static bool partial_fits(const struct taking *taking, const struct stage *stage)
{
    int old = index_find(taking->by_state, (size_t)taking->old->plan->rows, stage->state);
    return old >= 0 && taking->old->plan->tree[old].start_step >= stage->start_step;
}

static int take_state(const struct taking *taking, const struct stage *stage, bool partial, bool done,
                      struct error *err)
{
    struct checkpoint_name own = {.state = stage->state, .copy = stage->copy, .partial = partial};
    bool taken = false;
    if (!done && checkpoint_there(taking->results_path, &own)) return 0;
    /* Every file of that state in turn: without sharing each cell left its own. */
    for (size_t i = index_first(taking->by_file, taking->files, stage->state); i < taking->files && !taken; i++) {
        struct checkpoint_name name = taking->file[taking->by_file[i].number];
        if (!hash_equal(name.state, stage->state)) break;
        if (name.partial != partial) continue;
        if (done) name.record = stage->record;
        TRY(checkpoint_take(taking->old->path, &name, taking->results_path, stage->copy, &taken, err));
    }
    taking->taken->states += taken;
    return 0;
}

static int take_states(const struct taking *taking, struct error *err)
{
    for (int s = 0; s < taking->plan->stages; s++) {
        const struct stage *stage = &taking->plan->stage[s];
        struct checkpoint_name whole = {.state = stage->state, .copy = stage->copy};
        int old = taking->from[stage->row];
        if (final(taking->status[stage->row])) continue;
        if (old >= 0) { /* a state that nobody will read is not asked for, unless all are kept */
            bool done = taking->old->status[old] == STATUS_DONE;
            if (done && (stage->wanted || taking->leaves)) TRY(take_state(taking, stage, false, true, err));
            continue;
        }
        TRY(take_state(taking, stage, false, false, err));
        if (!checkpoint_there(taking->results_path, &whole) && partial_fits(taking, stage))
            TRY(take_state(taking, stage, true, false, err));
    }
    return taking->taken->states > 0 ? checkpoints_sync(taking->results_path, err) : 0;
}

/* ---- both ---- */

static int prepare(struct taking *taking, struct error *err)
{
    const struct plan *old = taking->old->plan;
    struct store_reader *reader = NULL;
    int damaged;
    for (int r = 0; r < old->rows; r++) {
        taking->by_record[r] = (struct indexed){old->tree[r].record, r};
        taking->by_state[r] = (struct indexed){old->tree[r].state, r};
    }
    index_sort(taking->by_record, (size_t)old->rows);
    index_sort(taking->by_state, (size_t)old->rows);
    TRY(checkpoint_look(taking->old->path, note_file, taking, err));
    taking->by_file = memory_array(taking->files + 1, sizeof *taking->by_file);
    for (size_t f = 0; f < taking->files; f++) taking->by_file[f] = (struct indexed){taking->file[f].state, (int)f};
    index_sort(taking->by_file, taking->files);
    TRY(store_reader_open(taking->results_path, &reader, err));
    int status = store_read_marks(reader, taking->plan, taking->status, taking->plan->rows, &damaged, err);
    store_reader_close(&reader);
    return status;
}

int store_take(struct store *store, const char *results_path, const struct plan *plan, const struct archive *old,
               bool leaves, struct taken *taken, struct error *err)
{
    size_t rows = (size_t)plan->rows, old_rows = (size_t)old->plan->rows;
    struct taking taking = {.results_path = results_path, .plan = plan, .old = old, .leaves = leaves, .taken = taken};
    *taken = (struct taken){0};
    taking.status = memory_array(rows, sizeof *taking.status);
    taking.from = memory_array(rows, sizeof *taking.from);
    taking.by_record = memory_array(old_rows, sizeof *taking.by_record);
    taking.by_state = memory_array(old_rows, sizeof *taking.by_state);
    int status = prepare(&taking, err);
    if (status == 0) match_rows(&taking);
    if (status == 0) status = take_states(&taking, err);
    if (status == 0) status = take_rows(store, &taking, err);
    void *blocks[] = {taking.status, taking.from, taking.by_record, taking.by_state, taking.by_file, taking.file};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) memory_free(blocks[i]);
    return status;
}
