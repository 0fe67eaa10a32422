/* run --reuse: what earlier results files hold of this sweep is taken over before the first stage starts. */
#include <string.h>
#include <sys/stat.h>

#include "cli_private.h"

bool same_file(const char *a, const char *b)
{
    struct stat first, second;
    if (strcmp(a, b) == 0) return true;
    return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

int reuse_check(const struct options *options, struct error *err)
{
    for (int i = 0; i < options->reuse_count; i++) {
        const char *old = options->reuse[i];
        if (same_file(old, options->output))
            return error_set(err, ERROR_INPUT,
                             "--reuse %s: is the file that is being written; without --reuse a run continues its own "
                             "results, and a changed sweep needs a new file: name it with -o",
                             old);
        if (store_check(old, err) != 0) return error_prefix(err, "--reuse");
    }
    return 0;
}

/* Ids hold the arithmetic, so between two arithmetics nothing can be taken; said rather than looked for. */
static bool other_numerics(const struct archive *old, const struct numerics *now)
{
    const struct numerics *then = &old->origin.numerics;
    if (strcmp(then->class_name, now->class_name) != 0)
        log_line(LOG_WARNING, "%s: nothing is taken: it was computed in numerics class %s, this run computes in %s",
                 old->path, then->class_name, now->class_name);
    else if (then->version != now->version)
        log_line(LOG_WARNING,
                 "%s: nothing is taken: it was computed by numerics version %d, this program computes by version %d",
                 old->path, then->version, now->version);
    else
        return false;
    return true;
}

static void tell_nothing_common(const struct archive *old)
{
    const char *program = old->origin.program;
    if (strcmp(program, PALIMPSEST_VERSION) != 0)
        log_line(LOG_WARNING, "%s: nothing is taken: it is from palimpsest %s, this is %s, and they share no stage",
                 old->path, program, PALIMPSEST_VERSION);
    else
        log_line(LOG_WARNING,
                 "%s: nothing is taken: no stage of this sweep is in it; recipe, data, sizes or seeds of all differ",
                 old->path);
}

static void tell(const struct archive *old, const struct taken *taken)
{
    if (taken->common == 0)
        tell_nothing_common(old);
    else
        log_line(LOG_NOTE, "%s: %d records and %d states taken; it knows %d stages of this sweep", old->path,
                 taken->records, taken->states, taken->common);
    if (taken->damaged > 0)
        log_line(LOG_WARNING, "%s: %d rows disagree with their checksums and are not taken", old->path, taken->damaged);
}

static int take_one(const struct options *options, struct session *session, const char *path, struct error *err)
{
    struct archive *old = NULL;
    struct taken taken;
    int status = 0;
    TRY(archive_read(path, &old, err));
    if (!other_numerics(old, &session->setup.numerics)) {
        status = store_take(session->store, options->output, session->setup.plan, old, options->keep == KEEP_ALL,
                            &taken, err);
        if (status == 0) tell(old, &taken);
    }
    archive_destroy(&old);
    return status;
}

int reuse_take(const struct options *options, struct session *session, struct error *err)
{
    for (int i = 0; i < options->reuse_count; i++) TRY(take_one(options, session, options->reuse[i], err));
    return 0;
}
