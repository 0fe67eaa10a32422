/* merge: results files of one sweep, of which each has computed a part, become one. */
#include <sys/stat.h>

#include "cli_private.h"

static int check_names(const struct options *options, struct error *err)
{
    struct stat facts;
    for (int a = 0; a < options->input_count; a++)
        for (int b = a + 1; b < options->input_count; b++)
            if (same_file(options->inputs[a], options->inputs[b]))
                return error_set(err, ERROR_INPUT, "merge: %s and %s are one file", options->inputs[a],
                                 options->inputs[b]);
    if (stat(options->output, &facts) == 0)
        return error_set(err, ERROR_INPUT, "%s: is there already and is not replaced", options->output);
    return 0;
}

static int check_sweep(const struct archive *first, const struct archive *other, struct error *err)
{
    if (hash_equal(first->origin.sweep_hash, other->origin.sweep_hash)) return 0;
    error_set(
        err, ERROR_INPUT,
        "%s and %s belong to two sweeps and cannot be merged; `palimpsest run --reuse` takes over what two sweeps "
        "share.  What differs, from the first to the second:",
        first->path, other->path);
    list_differences(&first->origin, other->origin.explained ? other->origin.explained : "", &other->origin.numerics,
                     err);
    return -1;
}

static int read_all(const struct options *options, struct archive **archive, struct error *err)
{
    for (int f = 0; f < options->input_count; f++) {
        TRY(archive_read(options->inputs[f], &archive[f], err));
        TRY(check_sweep(archive[0], archive[f], err));
        if (archive[f]->damaged_rows > 0)
            log_line(LOG_WARNING, "%s: %d rows disagree with their checksums and are not taken", archive[f]->path,
                     archive[f]->damaged_rows);
    }
    return 0;
}

static void tell(const struct options *options, struct archive *const *archive, const struct merged *merged)
{
    for (int f = 0; f < options->input_count; f++) {
        int rows = 0;
        for (int r = 0; r < archive[f]->plan->rows; r++) rows += archive[f]->status[r] != STATUS_PENDING;
        printf("%s: %d of %d stages\n", archive[f]->path, rows, archive[f]->plan->rows);
    }
    printf("%s: %d of %d stages, %d states\n", options->output, merged->rows, archive[0]->plan->rows, merged->states);
}

int command_merge(const struct options *options, struct error *err)
{
    struct archive **archive = memory_array((size_t)options->input_count, sizeof *archive);
    struct merged merged;
    struct run_lock *lock = NULL;
    int status = check_names(options, err);
    if (status == 0) status = check_folder(options->output, err);
    if (status == 0) status = run_lock_take(options->output, &(struct lock_wish){.break_lock = false}, &lock, err);
    if (status == 0) status = store_clean(options->output, err); /* what one that was killed has left */
    if (status == 0) status = read_all(options, archive, err);
    if (status == 0)
        status =
            store_merge((const struct archive *const *)archive, options->input_count, options->output, &merged, err);
    if (status == 0) tell(options, archive, &merged);
    run_lock_release(&lock);
    for (int f = 0; f < options->input_count; f++) archive_destroy(&archive[f]);
    memory_free(archive);
    return status;
}
