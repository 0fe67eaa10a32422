/* A run's shared part, step by step; after each collective step all ranks agree whether it succeeded, so that nobody
 * waits for a rank that has left. */
#include <errno.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli_private.h"

static int share_bytes(const struct session *session, void *bytes, size_t count)
{
    return MPI_Bcast(bytes, (int)count, MPI_BYTE, 0, session->comm);
}

/* Rank 0 reads the sweep file once, so that all ranks parse the same bytes even while somebody edits it. */
static int share_text(const struct session *session, const char *path, char **text, struct error *err)
{
    size_t length = 0;
    int status = session->rank == 0 ? config_load(path, text, &length, err) : 0;
    TRY(schedule_agree(session->comm, status, err));
    share_bytes(session, &length, sizeof length);
    if (session->rank != 0) *text = memory_allocate(length + 1);
    share_bytes(session, *text, length);
    return 0;
}

static struct hash128 facts_hash(const struct world_facts *facts)
{
    struct hasher hasher;
    hasher_init(&hasher, "world");
    hasher_add_integer(&hasher, "vocabulary", facts->vocabulary);
    for (int d = 0; d < facts->domains + facts->task_domains; d++) {
        hasher_add_hash(&hasher, "training", facts->domain[d].training);
        hasher_add_hash(&hasher, "reference", facts->domain[d].reference);
    }
    for (int t = 0; t < facts->tasks; t++) {
        hasher_add_hash(&hasher, "training", facts->task[t].training);
        hasher_add_hash(&hasher, "test", facts->task[t].test);
    }
    return hasher_finish(&hasher);
}

static int check_same_data(const struct session *session, struct error *err)
{
    struct hash128 own = facts_hash(world_facts(session->setup.world)), first = own;
    int status = 0;
    share_bytes(session, &first, sizeof first);
    if (!hash_equal(own, first))
        status = error_set(err, ERROR_OUTSIDE, "rank %d reads other data than rank 0: the files differ between hosts",
                           session->rank);
    return schedule_agree(session->comm, status, err);
}

static void floor_of_cell(void *context, int64_t cell, double *values) { workshop_floors(context, cell, values); }

static void distance_of_cell(void *context, int64_t cell, double *values) { workshop_distances(context, cell, values); }

static void similarity_of_cell(void *context, int64_t cell, double *values)
{
    *values = workshop_task_similarity(context, cell);
}

static void add_constants(struct plan *plan, struct workshop *workshop)
{
    plan_add_constant(
        plan, "lm_floor", true, "nats per token",
        "entropy floor: loss of the best predictor that knows the domains read, on the reference windows; "
        "missing for domains not read and where no exact floor is known",
        floor_of_cell, workshop);
    plan_add_constant(
        plan, "domain_distance", true, "1",
        "distance of the domain from the nearest domain read: square root of the Jensen-Shannon divergence of "
        "their word frequencies, 0 to 1",
        distance_of_cell, workshop);
    plan_add_constant(
        plan, "task_similarity", false, "1",
        "likeness of the first and the last task: 1 minus the square root of the Jensen-Shannon divergence of the word "
        "frequencies of all their training items, 0 to 1",
        similarity_of_cell, workshop);
}

int check_folder(const char *path, struct error *err)
{
    char *copy = memory_text(path);
    const char *folder = dirname(copy);
    struct stat facts;
    int status = 0;
    if (stat(folder, &facts) != 0 || !S_ISDIR(facts.st_mode))
        status = error_set(err, ERROR_INPUT, "%s: there is no folder %s; create it first", path, folder);
    else if (access(folder, W_OK | X_OK) != 0)
        status = error_set(err, ERROR_OUTSIDE, "%s: the folder %s cannot be written to", path, folder);
    memory_free(copy);
    return status;
}

/* What is damaged says nothing of where it is from, and may go; what cannot be read just now may not. */
static int check_same_name(const char *path, const struct sweep *sweep, struct error *err)
{
    struct store_reader *reader = NULL;
    struct store_origin origin = {0};
    struct error why = {.kind = ERROR_NONE};
    int status = 0;
    bool known = store_reader_open(path, &reader, &why) == 0 && store_read_origin(reader, &origin, &why) == 0;
    if (!known && why.kind == ERROR_OUTSIDE)
        status = error_set(err, ERROR_OUTSIDE, "%s", why.text);
    else if (known && strcmp(origin.name, sweep->name) != 0)
        status =
            error_set(err, ERROR_INPUT,
                      "%s: holds results of the sweep %s, and --fresh throws away those of %s only; name another file "
                      "with -o, or remove this one yourself if it is to go",
                      path, origin.name, sweep->name);
    store_origin_reset(&origin);
    store_reader_close(&reader);
    return status;
}

/* A file that cannot be looked at just now is not one that is not there: a new one would take its place. */
static int look_for(const char *path, struct stat *facts, bool *there, struct error *err)
{
    *there = stat(path, facts) == 0;
    if (*there || errno == ENOENT) return 0;
    return error_set(err, ERROR_OUTSIDE, "%s: cannot be looked at: %s", path, strerror(errno));
}

/* Only what is ours is thrown away: a mistyped -o must not cost anybody a file. */
static int remove_results(const char *path, const struct sweep *sweep, struct error *err)
{
    struct stat facts;
    bool there;
    TRY(look_for(path, &facts, &there, err));
    if (there) {
        if (store_recognise(path, err) != 0)
            return err->kind == ERROR_INPUT
                       ? error_prefix(err,
                                      "--fresh removes results of palimpsest only; remove this yourself if it is to go")
                       : -1;
        TRY(check_same_name(path, sweep, err));
    }
    return store_remove(path, err); /* also checkpoints that stayed without their file */
}

/* Results and their checkpoints would be put in the place of a link that leads nowhere, or that is thrown away. */
static int check_link(const struct options *options, struct error *err)
{
    char target[4096];
    struct stat facts;
    ssize_t length = readlink(options->output, target, sizeof target - 1);
    if (length < 0) return 0; /* no link */
    target[length] = '\0';
    if (stat(options->output, &facts) != 0)
        return error_set(err, ERROR_INPUT,
                         "%s: is a symbolic link to %s, which is not there; name the file itself with -o",
                         options->output, target);
    if (!options->fresh) return 0;
    return error_set(err, ERROR_INPUT,
                     "%s: is a symbolic link to %s; --fresh would remove the link and leave the results; name the file "
                     "itself with -o",
                     options->output, target);
}

/* Under each of its names another run would take a lock and checkpoints of its own. */
static int check_one_name(const char *path, const struct stat *facts, struct error *err)
{
    if (facts->st_nlink < 2) return 0;
    return error_set(err, ERROR_INPUT,
                     "%s: is one file under %lld names (hard links), and a run would write to all of them; remove the "
                     "other names, or copy it and name the copy",
                     path, (long long)facts->st_nlink);
}

/* Rank 0: the tree, and a results file that fits it. */
static int prepare_results(const struct options *options, const struct lock_wish *wish, struct session *session,
                           struct error *err)
{
    struct stat facts;
    bool there;
    TRY(check_folder(options->output, err));
    TRY(check_link(options, err));
    TRY(reuse_check(options, err));
    TRY(setup_plan(&session->setup, !options->no_sharing, err));
    TRY(setup_check_memory(&session->setup, options, session->ranks, err));
    TRY(setup_check_machine(&session->setup, options, session->ranks, err));
    TRY(run_lock_take(options->output, wish, &session->lock, err));
    TRY(store_clean(options->output, err));
    if (options->fresh) TRY(remove_results(options->output, session->setup.sweep, err));
    TRY(look_for(options->output, &facts, &there, err));
    if (there) {
        TRY(check_one_name(options->output, &facts, err));
        TRY(store_check(options->output, err));
        return continue_check(options->output, &session->setup, err);
    }
    add_constants(session->setup.plan, session->workshop);
    char *explained = config_explain(session->setup.sweep, false);
    int status = store_create(options->output, session->setup.plan, explained, false, err);
    memory_free(explained);
    return status;
}

static void share_outline(struct session *session)
{
    struct setup *setup = &session->setup;
    struct {
        struct record_extents extents;
        int rows;
    } outline = {0};
    if (session->rank == 0) {
        outline.extents = setup->plan->extents;
        outline.rows = setup->plan->rows;
    }
    share_bytes(session, &outline, sizeof outline);
    if (session->rank != 0)
        setup->plan =
            plan_outline(setup->sweep, world_facts(setup->world), &setup->numerics, &outline.extents, outline.rows);
}

int session_open(const struct options *options, const struct lock_wish *wish, MPI_Comm comm, struct session *session,
                 struct error *err)
{
    char *text = NULL;
    *session = (struct session){.comm = comm};
    MPI_Comm_rank(comm, &session->rank);
    MPI_Comm_size(comm, &session->ranks);
    TRY(share_text(session, options->file, &text, err));
    int status = setup_parse(options->file, text, &session->setup, err);
    memory_free(text);
    TRY(schedule_agree(comm, status, err));
    TRY(check_same_data(session, err));
    TRY(numerics_agree(options, session, err));
    TRY(schedule_agree(comm, threads_start(options, session->ranks, err), err));
    session->workshop = workshop_create(session->setup.sweep, session->setup.world, &session->setup.numerics);
    if (session->rank == 0) status = prepare_results(options, wish, session, err);
    TRY(schedule_agree(comm, status, err));
    if (session->rank != 0) run_lock_join(options->output, &session->lock);
    share_outline(session);
    TRY(store_open(options->output, session->setup.plan, comm, &session->store, err));
    if (session->rank == 0) status = reuse_take(options, session, err);
    return schedule_agree(comm, status, err);
}

int session_close(struct session *session, struct error *err)
{
    int status = session->store ? store_close(&session->store, err) : 0;
    run_lock_release(&session->lock);
    workshop_destroy(&session->workshop);
    setup_reset(&session->setup);
    return status;
}
