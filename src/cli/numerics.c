/* The numerics class of a run.  The bits of a sweep are those of one class: the results file's, when there is one; else
 * the one that was asked for; else the best that all ranks have.  Rank 0 decides, knowing what each rank offers. */
#include <string.h>
#include <unistd.h>

#include "cli_private.h"
#include "palimpsest/kernels_start.h"

struct rank_offer { /* of one rank, as it tells rank 0 */
    struct core_offer cores;
    char host[64], trouble[512]; /* trouble: why it offers nothing, or empty */
};

struct wanted {
    char core[CORE_NAME];
    const char *reason; /* for the log */
};

/* "Cooperlake, SkylakeX, Haswell" */
static const char *list_cores(const struct core_offer *offer, char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (int c = 0; c < offer->cores && used < size; c++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", c ? ", " : "", offer->core[c]);
    return text;
}

static struct numerics class_of(const struct core_offer *offer, const char *core)
{
    char arithmetic[64];
    kernels_numerics_of(offer, core, arithmetic, sizeof arithmetic);
    return stage_numerics_of(arithmetic);
}

/* ---- what is wanted ---- */

/* The class name in the results file that a run would go on with; empty: it begins a new one. */
static int read_stored(const struct options *options, char *name, size_t size, struct error *err)
{
    struct store_reader *reader = NULL;
    struct store_origin origin = {0};
    int status = 0;
    name[0] = 0;
    if (options->fresh || access(options->output, F_OK) != 0) return 0;
    TRY_DONE(store_check(options->output, err));
    TRY_DONE(store_reader_open(options->output, &reader, err));
    TRY_DONE(store_read_origin(reader, &origin, err));
    snprintf(name, size, "%s", origin.numerics.class_name);
done:
    store_origin_reset(&origin);
    store_reader_close(&reader);
    return status;
}

/* The core whose class has this name; NULL: not offered. */
static const char *core_of_class(const struct core_offer *offer, const char *name)
{
    for (int c = 0; c < offer->cores; c++)
        if (strcmp(class_of(offer, offer->core[c]).class_name, name) == 0) return offer->core[c];
    return NULL;
}

static int refuse_stored(const char *results, const struct rank_offer *at, int rank, const char *name,
                         struct error *err)
{
    char cores[512];
    return error_set(
        err, ERROR_OUTSIDE,
        "%s: is computed in numerics class %s; rank %d on host %s cannot: it has %s with %s.  Go on with it "
        "on nodes, and with the OpenBLAS, that have this class, or begin another results file with -o",
        results, name, rank, at->host, at->cores.library, list_cores(&at->cores, cores, sizeof cores));
}

static int want_stored(const struct options *options, const struct rank_offer *offer, int ranks, const char *name,
                       struct wanted *wanted, struct error *err)
{
    for (int r = 0; r < ranks; r++)
        if (!core_of_class(&offer[r].cores, name)) return refuse_stored(options->output, &offer[r], r, name, err);
    snprintf(wanted->core, sizeof wanted->core, "%s", core_of_class(&offer->cores, name));
    wanted->reason = "that of the results file";
    if (!options->numerics || strcasecmp(options->numerics, wanted->core) == 0) return 0;
    return error_set(
        err, ERROR_INPUT,
        "--numerics %s: %s is computed in numerics class %s and goes on in it; leave the option out, or begin "
        "another results file with -o",
        options->numerics, options->output, name);
}

/* What the option or the environment asks for, and which of the two it was; NULL: neither. */
static const char *asked_core(const char *option, const char **source)
{
    *source = option ? "--numerics " : "OPENBLAS_CORETYPE=";
    return option ? option : core_wished();
}

static int want_asked(const struct rank_offer *offer, int ranks, const char *source, const char *core,
                      struct wanted *wanted, struct error *err)
{
    char cores[512];
    for (int r = 0; r < ranks; r++)
        if (!core_offered(&offer[r].cores, core))
            return error_set(err, ERROR_INPUT,
                             "%s%s: rank %d on host %s lacks it: %s there has %s; name a core that all ranks have",
                             source, core, r, offer[r].host, offer[r].cores.library,
                             list_cores(&offer[r].cores, cores, sizeof cores));
    snprintf(wanted->core, sizeof wanted->core, "%s", core_offered(&offer->cores, core));
    wanted->reason = "asked for";
    return 0;
}

/* The cores of the first of them that all of them have. */
static struct core_offer common_cores(const struct core_offer *offer, int offers)
{
    struct core_offer common = {.cores = 0};
    for (int c = 0; c < offer->cores; c++) {
        bool all = true;
        for (int o = 1; o < offers && all; o++) all = core_offered(&offer[o], offer->core[c]);
        if (all) memcpy(common.core[common.cores++], offer->core[c], CORE_NAME);
    }
    return common;
}

/* Names the first rank that has nothing in common with all before it, found by halves: more ranks never have more. */
static void refuse_mixture(const struct rank_offer *offer, const struct core_offer *cores, int ranks, struct error *err)
{
    char own[512], others[512];
    int one = 1, none = ranks; /* so many ranks have something in common; so many have nothing */
    while (none - one > 1) {
        int middle = one + (none - one) / 2;
        if (cores_choose(cores, middle))
            one = middle;
        else
            none = middle;
    }
    struct core_offer common = common_cores(cores, one);
    error_set(
        err, ERROR_OUTSIDE,
        "no numerics class is common to all ranks: rank %d on host %s has %s with %s, the ranks before it (rank 0 "
        "on host %s) all have %s; run on nodes of one kind",
        one, offer[one].host, offer->cores.library, list_cores(&cores[one], own, sizeof own), offer->host,
        list_cores(&common, others, sizeof others));
}

static int want_best(const struct rank_offer *offer, int ranks, struct wanted *wanted, struct error *err)
{
    struct core_offer *cores = memory_array((size_t)ranks, sizeof *cores);
    const char *best = NULL;
    for (int r = 0; r < ranks; r++) cores[r] = offer[r].cores;
    best = cores_choose(cores, ranks);
    if (best)
        snprintf(wanted->core, sizeof wanted->core, "%s", best);
    else
        refuse_mixture(offer, cores, ranks, err);
    memory_free(cores);
    wanted->reason = ranks > 1 ? "the best that all ranks have" : "the best of this machine";
    return best ? 0 : -1;
}

/* ---- among ranks ---- */

static struct rank_offer own_offer(void)
{
    struct rank_offer own = {.trouble = ""};
    struct error err;
    gethostname(own.host, sizeof own.host - 1);
    if (cores_offer(&own.cores, &err) != 0)
        snprintf(own.trouble, sizeof own.trouble, "%.*s", (int)sizeof own.trouble - 1, err.text);
    return own;
}

/* Whether every rank offers something, and out of the same library. */
static int check_offers(const struct rank_offer *offer, int ranks, struct error *err)
{
    for (int r = 0; r < ranks; r++) {
        if (offer[r].trouble[0])
            return error_set(err, ERROR_OUTSIDE, "rank %d on host %s: %s", r, offer[r].host, offer[r].trouble);
        if (strcmp(offer[r].cores.library, offer->cores.library) != 0)
            return error_set(
                err, ERROR_OUTSIDE,
                "rank %d on host %s has %s, rank 0 on host %s has %s, and their sums differ; load the same "
                "one on all nodes",
                r, offer[r].host, offer[r].cores.library, offer->host, offer->cores.library);
    }
    return 0;
}

static int decide(const struct options *options, const struct rank_offer *offer, int ranks, struct wanted *wanted,
                  struct error *err)
{
    char stored[sizeof((struct numerics *)0)->class_name];
    const char *source, *asked = asked_core(options->numerics, &source);
    TRY(check_offers(offer, ranks, err));
    TRY(read_stored(options, stored, sizeof stored, err));
    if (stored[0]) return want_stored(options, offer, ranks, stored, wanted, err);
    if (asked) return want_asked(offer, ranks, source, asked, wanted, err);
    return want_best(offer, ranks, wanted, err);
}

static int start_core(const char *core, const struct rank_offer *own, int rank, struct error *err)
{
    if (kernels_start(core, err) == 0) return 0;
    return error_prefix(err, "rank %d on host %s", rank, own->host);
}

int numerics_agree(const struct options *options, struct session *session, struct error *err)
{
    struct rank_offer own = own_offer(), *all = NULL;
    struct wanted wanted = {.reason = ""};
    if (session->rank == 0) all = memory_array((size_t)session->ranks, sizeof *all);
    MPI_Gather(&own, sizeof own, MPI_BYTE, all, sizeof own, MPI_BYTE, 0, session->comm);
    int status = session->rank == 0 ? decide(options, all, session->ranks, &wanted, err) : 0;
    memory_free(all);
    TRY(schedule_agree(session->comm, status, err));
    MPI_Bcast(wanted.core, sizeof wanted.core, MPI_BYTE, 0, session->comm);
    status = start_core(wanted.core, &own, session->rank, err);
    TRY(schedule_agree(session->comm, status, err));
    session->setup.numerics = stage_numerics();
    if (session->rank == 0)
        log_line(LOG_NOTE, "numerics class %s (%s)", session->setup.numerics.class_name, wanted.reason);
    return 0;
}

int numerics_take(const char *results, const char *name, struct numerics *numerics, struct error *err)
{
    struct rank_offer own = own_offer();
    TRY(check_offers(&own, 1, err));
    const char *core = core_of_class(&own.cores, name);
    if (!core) return refuse_stored(results, &own, 0, name, err);
    TRY(start_core(core, &own, 0, err));
    *numerics = stage_numerics();
    return 0;
}

int numerics_alone(const char *option, struct numerics *numerics, struct error *err)
{
    struct rank_offer own = own_offer();
    struct wanted wanted;
    const char *source, *asked = asked_core(option, &source);
    TRY(check_offers(&own, 1, err));
    TRY(asked ? want_asked(&own, 1, source, asked, &wanted, err) : want_best(&own, 1, &wanted, err));
    *numerics = class_of(&own.cores, wanted.core);
    return 0;
}
