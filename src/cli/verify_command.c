/* verify: every checksum of a results file and its checkpoints, then some stages computed again, bit by bit.  Nothing
 * is written. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli_private.h"

/* ---- the sweep that the results belong to ---- */

static int read_setup(const struct options *options, const struct archive *archive, struct setup *setup,
                      struct error *err)
{
    if (options->sweep) return setup_read(options->sweep, setup, err);
    if (setup_parse(archive->origin.path, archive->origin.yaml, setup, err) == 0) return 0;
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used,
             "\n%s: the sweep was read as it is stored there, its data from beside %s; where they were moved, name the "
             "sweep file with --sweep",
             options->file, archive->origin.path);
    return -1;
}

static int check_sweep(const struct options *options, const struct archive *archive, const struct setup *setup,
                       struct error *err)
{
    if (hash_equal(archive->origin.sweep_hash, setup->plan->sweep_hash)) return 0;
    char *explained = config_explain(setup->sweep, false);
    error_set(err, ERROR_INPUT,
              "%s: cannot be computed again here: %s is not the sweep it was computed from.  What "
              "differs:",
              options->file, options->sweep ? options->sweep : "what this program makes of its sweep");
    list_differences(&archive->origin, explained, &setup->numerics, err);
    memory_free(explained);
    return -1;
}

/* ---- checksums ---- */

static int tell_damaged_rows(const struct archive *archive)
{
    const struct plan *plan = archive->plan;
    for (int r = 0; r < plan->rows; r++) {
        char id[HASH_TEXT];
        if (!archive->damaged[r]) continue;
        hash_text(plan->tree[r].state, id);
        printf("stage %d (%s, state %s): DAMAGED: its row disagrees with its checksum\n", r,
               stage_kind_name(plan->tree[r].kind), id);
    }
    return archive->damaged_rows;
}

/* In no row's checksum: cells that the sweep excludes. */
static bool tell_strays(const struct archive *archive)
{
    if (archive->strays > 0)
        printf("DAMAGED: %lld places that no stage fills hold something; `palimpsest run` makes them missing again\n",
               (long long)archive->strays);
    return archive->strays > 0;
}

/* A checkpoint that a run has removed since the folder was listed is no damage. */
static int tell_damaged_checkpoints(const struct verifier *verifier)
{
    int damaged = 0;
    for (size_t f = 0; f < verifier->files; f++) {
        struct error why;
        if (checkpoint_check(verifier->results, &verifier->file[f], &why) == 0) continue;
        if (!checkpoint_there(verifier->results, &verifier->file[f])) continue;
        printf("checkpoint %s: DAMAGED\n", why.text);
        damaged++;
    }
    return damaged;
}

static bool note_file(void *context, const struct checkpoint_name *name)
{
    struct verifier *verifier = context;
    verifier->file = memory_grow(verifier->file, &verifier->file_capacity, verifier->files + 1, sizeof *verifier->file);
    verifier->file[verifier->files++] = *name;
    return true;
}

/* ---- which stages ---- */

static int by_number(const void *left, const void *right)
{
    const int *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

/* What was computed, whether it ended well or diverged: chosen[count], in plan order. */
static int *choose(const struct archive *archive, int most, uint64_t seed, int *count, int *committed)
{
    int rows = archive->plan->rows, candidates = 0;
    int *row = memory_array((size_t)rows, sizeof *row), *chosen = memory_array((size_t)rows, sizeof *chosen);
    uint32_t *order = memory_array((size_t)rows, sizeof *order);
    for (int r = 0; r < rows; r++)
        if (archive->status[r] == STATUS_DONE || archive->status[r] == STATUS_DIVERGED) row[candidates++] = r;
    struct random_cursor cursor = random_at(random_stream("verify", seed, NULL), 0);
    if (candidates > 0) random_permutation(&cursor, (uint32_t)candidates, order);
    *count = most < candidates ? most : candidates;
    for (int i = 0; i < *count; i++) chosen[i] = row[order[i]];
    qsort(chosen, (size_t)*count, sizeof *chosen, by_number);
    *committed = candidates;
    memory_free(order);
    memory_free(row);
    return chosen;
}

struct cost {
    int ancestors;
    double flops, seconds;
};

static void add_cost(const struct verifier *verifier, int row, struct cost *cost)
{
    const struct stage *stage = &verifier->plan->stage[row];
    cost->flops += stage->training_flops + stage->measuring_flops;
    cost->seconds += verifier->archive->provenance[row].seconds;
    if (stage->parent < 0 || verifier_keeps(verifier, stage->parent)) return;
    cost->ancestors++;
    add_cost(verifier, stage->parent, cost);
}

static void tell_cost(const struct verifier *verifier, const int *chosen, int count, int committed, uint64_t seed)
{
    struct cost cost = {0};
    char flops[32], seconds[32];
    for (int i = 0; i < count; i++) add_cost(verifier, chosen[i], &cost);
    printf("computes %d of %d committed stages again, and %d ancestors that are not kept: %s FLOP, %s when they were "
           "computed first (--seed %llu)\n",
           count, committed, cost.ancestors, format_count(cost.flops, flops, sizeof flops),
           format_duration(cost.seconds, seconds, sizeof seconds), (unsigned long long)seed);
    fflush(stdout);
}

/* ---- all of it ---- */

static uint64_t seed_of(const struct options *options)
{
    struct timespec now;
    if (options->seed >= 0) return (uint64_t)options->seed;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)(now.tv_sec ^ now.tv_nsec) & 0x7fffffff;
}

static int recompute(const struct options *options, struct verifier *verifier, int *count, int *committed,
                     int *different, struct error *err)
{
    uint64_t seed = seed_of(options);
    int *chosen = choose(verifier->archive, options->stages, seed, count, committed), status = 0;
    if (*count > 0) tell_cost(verifier, chosen, *count, *committed, seed);
    for (int i = 0; i < *count && status == 0; i++) {
        status = verifier_compare(verifier, chosen[i], different, err);
        fflush(stdout);
    }
    memory_free(chosen);
    return status;
}

static int verify(const struct options *options, struct verifier *verifier, struct setup *setup, struct error *err)
{
    const struct archive *archive = verifier->archive;
    int count = 0, committed = 0, different = 0, written = 0;
    if (options->stages > 0 && strcmp(archive->origin.name, BENCH_SCHEDULE_NAME) == 0)
        return error_set(err, ERROR_INPUT,
                         "%s: is what bench schedule wrote: its stages did nothing, so none can be computed again; "
                         "--stages 0 compares its checksums",
                         options->file);
    TRY(checkpoint_look(options->file, note_file, verifier, err));
    int rows = tell_damaged_rows(archive), states = tell_damaged_checkpoints(verifier);
    bool strays = tell_strays(archive);
    if (options->stages > 0) {
        TRY(read_setup(options, archive, setup, err));
        TRY(numerics_take(options->file, archive->origin.numerics.class_name, &setup->numerics, err));
        TRY(threads_start(options, 1, err));
        TRY(setup_plan(setup, true, err));
        TRY(check_sweep(options, archive, setup, err));
        verifier->plan = setup->plan;
        verifier->workshop = workshop_create(setup->sweep, setup->world, &setup->numerics);
        verifier->state = memory_array((size_t)setup->plan->rows, sizeof(struct state *));
        TRY(recompute(options, verifier, &count, &committed, &different, err));
    }
    char of[32] = "";
    for (int r = 0; r < archive->plan->rows; r++) written += archive->status[r] != STATUS_PENDING;
    if (written < archive->plan->rows) snprintf(of, sizeof of, "%d of ", written);
    printf(
        "%s: %s%d rows (%d damaged) and %zu checkpoints (%d damaged) by checksum; %d stages computed again: %d equal, "
        "%d different\n",
        options->file, of, archive->plan->rows, rows, verifier->files, states, count, count - different, different);
    return strays || rows + states + different > 0;
}

int command_verify(const struct options *options, struct error *err)
{
    struct archive *archive = NULL;
    struct setup setup = {0};
    TRY(archive_read(options->file, &archive, err));
    struct verifier verifier = {.results = options->file, .archive = archive};
    int status = verify(options, &verifier, &setup, err);
    memory_free(verifier.state);
    memory_free(verifier.file);
    workshop_destroy(&verifier.workshop);
    setup_reset(&setup);
    archive_destroy(&archive);
    return status;
}
