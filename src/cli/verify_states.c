/* Stages computed again, and compared bit by bit with what is stored of them. */
#include <string.h>

#include "cli_private.h"

enum { SHOWN_MOST = 3 }; /* differences of one stage that are printed */

/* ---- what a stage is computed from ---- */

static bool holds(const struct checkpoint_name *file, const struct stage *stage)
{
    return !file->partial && hash_equal(file->state, stage->state);
}

bool verifier_keeps(const struct verifier *verifier, int row)
{
    for (size_t f = 0; f < verifier->files; f++)
        if (holds(&verifier->file[f], &verifier->plan->stage[row])) return true;
    return false;
}

/* A checkpoint that is damaged is told of with the checksums; here it is as good as none. */
static struct state *read_kept(const struct verifier *verifier, int row)
{
    const struct stage *stage = &verifier->plan->stage[row];
    for (size_t f = 0; f < verifier->files; f++) {
        struct checkpoint_name name = verifier->file[f];
        struct state *state;
        struct error why;
        if (!holds(&name, stage)) continue;
        name.record = stage->record;
        if (checkpoint_read(verifier->results, &name, &state, &why) == 0) return state;
        log_line(LOG_DEBUG, "%s", why.text);
    }
    return NULL;
}

static int compute(struct verifier *verifier, int row, struct stage_result *result, struct error *err);

/* The recursion is as deep as the longest chain of states that are not kept. */
static int find_state(struct verifier *verifier, int row, struct error *err)
{
    if (verifier->state[row]) return 0;
    verifier->state[row] = read_kept(verifier, row);
    if (verifier->state[row]) return 0;
    struct stage_result result;
    int status = compute(verifier, row, &result, err);
    if (status == 0) {
        verifier->state[row] = result.state;
        result.state = NULL;
    }
    stage_result_reset(&result);
    return status;
}

static int compute(struct verifier *verifier, int row, struct stage_result *result, struct error *err)
{
    const struct stage *stage = &verifier->plan->stage[row];
    const struct state *needs[sizeof((struct assignment *)0)->need / sizeof *((struct assignment *)0)->need] = {NULL};
    struct assignment assignment;
    *result = (struct stage_result){0};
    if (stage->parent >= 0) TRY(find_state(verifier, stage->parent, err));
    for (int n = 0; n < stage->needs; n++) {
        int need = plan_needs(verifier->plan, row)[n];
        TRY(find_state(verifier, need, err));
        needs[n] = verifier->state[need];
    }
    struct stage_inputs inputs = {stage->parent >= 0 ? verifier->state[stage->parent] : NULL, needs, NULL};
    plan_assign(verifier->plan, row, &assignment);
    return stage_run(verifier->workshop, &assignment, &inputs, NULL, NULL, result, err);
}

/* ---- comparing ---- */

struct difference {
    const char *what;
    int shown;
    int64_t count, numbers;
};

static void show(struct difference *difference, const char *place, double stored, double computed)
{
    uint64_t bits[2];
    memcpy(&bits[0], &stored, sizeof stored);
    memcpy(&bits[1], &computed, sizeof computed);
    difference->count++;
    if (difference->shown++ >= SHOWN_MOST) return;
    printf("    %s %s: stored %.17g (%016llx), computed %.17g (%016llx)\n", difference->what, place, stored,
           (unsigned long long)bits[0], computed, (unsigned long long)bits[1]);
}

static bool end(const struct difference *difference)
{
    if (difference->count > SHOWN_MOST)
        printf("    %s: %lld of %lld numbers differ\n", difference->what, (long long)difference->count,
               (long long)difference->numbers);
    return difference->count > 0;
}

static bool compare_record(const struct verifier *verifier, int row, const struct stage_result *result)
{
    int length;
    const double *stored = archive_record(verifier->archive, row, &length);
    struct difference difference = {.what = "record", .numbers = length};
    CHECK(length == result->record_length, "a record of %d numbers, computed %d", length, result->record_length);
    for (int i = 0; i < length; i++) {
        char place[256];
        if (memcmp(&stored[i], &result->record[i], sizeof *stored) == 0) continue;
        if (difference.shown < SHOWN_MOST) record_place(verifier->plan, row, i, place, sizeof place);
        show(&difference, place, stored[i], result->record[i]);
    }
    return end(&difference);
}

/* at: in floats from the start of the tensors. */
static void name_weight(const struct state *state, size_t at, const char *prefix, char *text, size_t size)
{
    for (int t = 0; t < state->tensors; t++) {
        const struct tensor *tensor = &state->tensor[t];
        size_t columns = (size_t)(tensor->columns > 0 ? tensor->columns : 1), inside = at - tensor->offset;
        if (at < tensor->offset || inside >= (size_t)tensor->rows * columns) continue;
        if (tensor->columns > 0)
            snprintf(text, size, "%s%s[%zu, %zu]", prefix, tensor->name, inside / columns, inside % columns);
        else
            snprintf(text, size, "%s%s[%zu]", prefix, tensor->name, inside);
        return;
    }
    snprintf(text, size, "%snumber %zu", prefix, at);
}

static void compare_floats(struct difference *difference, const struct state *state, const char *prefix,
                           const float *stored, const float *computed)
{
    difference->numbers += (int64_t)state->floats;
    for (size_t i = 0; i < state->floats; i++) {
        char place[256];
        if (memcmp(&stored[i], &computed[i], sizeof *stored) == 0) continue;
        if (difference->shown < SHOWN_MOST) name_weight(state, i, prefix, place, sizeof place);
        show(difference, place, (double)stored[i], (double)computed[i]);
    }
}

static void compare_doubles(struct difference *difference, const char *name, const double *stored,
                            const double *computed, size_t count)
{
    difference->numbers += (int64_t)count;
    for (size_t i = 0; i < count; i++) {
        char place[64];
        if (memcmp(&stored[i], &computed[i], sizeof *stored) == 0) continue;
        snprintf(place, sizeof place, "%s[%zu]", name, i);
        show(difference, place, stored[i], computed[i]);
    }
}

static void compare_integer(struct difference *difference, const char *name, int64_t stored, int64_t computed)
{
    difference->numbers++;
    if (stored != computed) show(difference, name, (double)stored, (double)computed);
}

static void compare_looks(struct difference *difference, const struct looks *stored, const struct looks *computed)
{
    if (!hash_equal(stored->of, computed->of)) show(difference, "trace/looks_of", 0, 1);
    compare_integer(difference, "trace/looks", stored->count, computed->count);
    compare_doubles(difference, "trace/looks_lm_loss", stored->lm_loss, computed->lm_loss, LOOKS_MAX);
    compare_doubles(difference, "trace/looks_accuracy", stored->accuracy[0], computed->accuracy[0],
                    PLACES_MAX * LOOKS_MAX);
    compare_doubles(difference, "trace/looks_loss", stored->loss[0], computed->loss[0], PLACES_MAX * LOOKS_MAX);
}

static void compare_past(struct difference *difference, const struct state *stored, const struct state *computed)
{
    const struct trace *trace = &stored->trace, *right_trace = &computed->trace;
    const struct history *history = &stored->history, *right = &computed->history;
    compare_integer(difference, "trace/steps", trace->steps, right_trace->steps);
    for (int p = 0; p < POINTS_MAX; p++)
        compare_integer(difference, "trace/loss_count", trace->loss_count[p], right_trace->loss_count[p]);
    compare_doubles(difference, "trace/loss_sum", trace->loss_sum, right_trace->loss_sum, POINTS_MAX);
    compare_doubles(difference, "trace/norm_sum", trace->norm_sum, right_trace->norm_sum, LAYERS_MAX + 2);
    compare_doubles(difference, "trace/block_bits", trace->block_bits, right_trace->block_bits, BLOCKS_MAX);
    compare_looks(difference, &trace->looks, &right_trace->looks);
    compare_doubles(difference, "history/first_steps", &history->first_steps, &right->first_steps, 1);
    compare_integer(difference, "history/lm_losses", history->lm_losses, right->lm_losses);
    compare_doubles(difference, "history/lm_loss", history->lm_loss, right->lm_loss, 2 + PLACES_MAX);
    compare_doubles(difference, "history/accuracy", history->accuracy[0], right->accuracy[0], PLACES_MAX * PLACES_MAX);
    compare_doubles(difference, "history/loss", history->loss[0], right->loss[0], PLACES_MAX * PLACES_MAX);
    compare_doubles(difference, "history/chance", history->chance, right->chance, PLACES_MAX);
    for (int p = 0; p < PLACES_MAX; p++)
        compare_integer(difference, "history/items", history->items[p], right->items[p]);
}

static bool compare_states(const char *what, const struct state *stored, const struct state *computed)
{
    struct difference difference = {.what = what};
    compare_integer(&difference, "step", stored->step, computed->step);
    compare_integer(&difference, "heads", stored->heads, computed->heads);
    compare_integer(&difference, "number of weights", (int64_t)stored->floats, (int64_t)computed->floats);
    compare_integer(&difference, "number of moments", stored->moments ? 2 : 0, computed->moments ? 2 : 0);
    if (!shape_equal(&stored->shape, &computed->shape)) show(&difference, "shape", 0, 1);
    for (int h = 0; h < stored->heads && difference.count == 0; h++) {
        compare_integer(&difference, "head_classes", stored->head[h].classes, computed->head[h].classes);
        if (strcmp(stored->head[h].task, computed->head[h].task) != 0) show(&difference, "head_task", h, h);
    }
    if (difference.count == 0) {
        size_t floats = stored->floats;
        compare_floats(&difference, stored, "", stored->values, computed->values);
        for (int m = 0; m < 2 && stored->moments; m++)
            compare_floats(&difference, stored, m == 0 ? "first moment of " : "second moment of ",
                           stored->moments + (size_t)m * floats, computed->moments + (size_t)m * floats);
    }
    compare_past(&difference, stored, computed);
    return end(&difference);
}

/* Every checkpoint of the stage that is whole, under each number of a cell. */
static bool compare_kept(const struct verifier *verifier, int row, const struct state *computed, int *kept)
{
    const struct stage *stage = &verifier->plan->stage[row];
    bool differs = false;
    *kept = 0;
    for (size_t f = 0; f < verifier->files && computed; f++) {
        struct checkpoint_name name = verifier->file[f];
        struct state *stored;
        if (!holds(&name, stage)) continue;
        name.record = stage->record;
        if (checkpoint_read(verifier->results, &name, &stored, NULL) != 0) continue;
        differs |= compare_states("checkpoint", stored, computed);
        state_destroy(&stored);
        *kept += 1;
    }
    return differs;
}

static void drop_states(struct verifier *verifier)
{
    for (int r = 0; r < verifier->plan->rows; r++) state_destroy(&verifier->state[r]);
}

int verifier_compare(struct verifier *verifier, int row, int *different, struct error *err)
{
    const struct stage *stage = &verifier->plan->stage[row];
    enum stage_status stored = verifier->archive->status[row], computed = STATUS_DONE;
    struct stage_result result;
    char id[HASH_TEXT];
    int kept = 0, status = compute(verifier, row, &result, err);
    /* a result without a record is of an ancestor that diverged now: then the stage itself was not tried */
    if (status != 0 && err->kind == ERROR_STAGE && stored == STATUS_DIVERGED && result.record) {
        computed = STATUS_DIVERGED;
        status = 0;
    }
    hash_text(stage->state, id);
    if (status == 0 || err->kind == ERROR_STAGE) {
        printf("stage %d (%s%s%s, state %s)\n", row, stage_kind_name(stage->kind), stage->place >= 0 ? " " : "",
               stage->place >= 0 ? place_name(stage->place) : "", id);
        bool differs = status != 0 || stored != computed;
        if (differs)
            printf("    status: stored %s, computed %s%s%s\n", stage_status_name(stored),
                   status != 0 ? "diverged" : stage_status_name(computed), status != 0 ? ": " : "",
                   status != 0 ? err->text : "");
        if (status == 0) differs |= compare_record(verifier, row, &result);
        if (status == 0) differs |= compare_kept(verifier, row, result.state, &kept);
        printf("    %s: record of %d numbers%s\n", differs ? "DIFFERENT" : "equal", result.record_length,
               kept > 0 ? ", and the checkpoint" : "");
        *different += differs;
        status = 0;
    }
    stage_result_reset(&result);
    drop_states(verifier);
    return status;
}
