/* bench schedule: a real run, with real ranks and a real results file, of stages that do nothing or sleep. */
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli_private.h"

struct throughput {
    struct certificate account;
    double seconds; /* from the first instruction to the last sync, as the slowest rank saw it */
    double first;   /* CPU seconds of rank 0 */
    double worker;  /* of all the others together; 0 with one rank */
    int ranks;
    double stage_seconds;
};

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* The file must not be anybody's results: nothing that is there is touched. */
static int check_absent(const char *path, struct error *err)
{
    if (access(path, F_OK) != 0) return 0;
    return error_set(err, ERROR_INPUT,
                     "bench schedule: %s is there already, and the benchmark writes over nothing; name another file "
                     "with -o",
                     path);
}

static int run(const struct options *options, struct session *session, struct throughput *found, struct error *err)
{
    struct bench_stage stage = {session->setup.sweep->instruments, options->stage_seconds};
    struct schedule_options schedule = {.results_path = options->output,
                                        .attempts = 1,
                                        .keep = KEEP_NONE,
                                        .heartbeat = run_lock_beat,
                                        .heartbeat_context = session->lock,
                                        .assumed_flops_per_second = ASSUMED_FLOPS_PER_SECOND,
                                        .stage = bench_stage_run,
                                        .stage_context = &stage};
    MPI_Barrier(session->comm);
    double clock = clock_seconds(), cpu = cpu_seconds(), all = 0;
    TRY(schedule_run(session->comm, session->rank == 0 ? session->setup.plan : NULL, session->store, session->workshop,
                     &schedule, &found->account, err));
    clock = clock_seconds() - clock;
    cpu = cpu_seconds() - cpu;
    MPI_Reduce(&cpu, &all, 1, MPI_DOUBLE, MPI_SUM, 0, session->comm);
    MPI_Reduce(&clock, &found->seconds, 1, MPI_DOUBLE, MPI_MAX, 0, session->comm);
    found->first = cpu;
    found->worker = all - cpu;
    found->ranks = session->ranks;
    found->stage_seconds = options->stage_seconds;
    return 0;
}

static int workers_of(const struct throughput *found) { return found->ranks > 1 ? found->ranks - 1 : 1; }

/* Of stages that sleep, by their own length: pauses, which are no work, do not make them longer. */
static double busy(const struct throughput *found)
{
    double asleep = found->account.stages_done * found->stage_seconds;
    return (asleep > 0 ? asleep : found->account.work) / (found->account.ranks * found->account.makespan);
}

static void print_text(const struct throughput *found)
{
    int workers = workers_of(found);
    printf("%d stages on %d rank%s that carry them out, %.3f s: %.0f stages/s\n", found->account.stages_done, workers,
           workers == 1 ? "" : "s", found->seconds, found->account.stages_done / found->seconds);
    printf("rank 0 took %.2f %% of a core", 100 * found->first / found->seconds);
    if (found->ranks > 1) printf(", a worker %.2f %%", 100 * found->worker / workers / found->seconds);
    printf("\n");
    if (found->stage_seconds > 0) printf("workers were in a stage for %.2f %% of the time\n", 100 * busy(found));
}

static void print_json(const struct throughput *found)
{
    json_t *root = json_object();
    json_object_set_new(root, "ranks", json_integer(found->ranks));
    json_object_set_new(root, "stages", json_integer(found->account.stages_done));
    json_object_set_new(root, "stage_seconds", json_real(found->stage_seconds));
    json_object_set_new(root, "seconds", json_real(found->seconds));
    json_object_set_new(root, "stages_per_second", json_real(found->account.stages_done / found->seconds));
    json_object_set_new(root, "rank_0_cpu_seconds", json_real(found->first));
    json_object_set_new(root, "rank_0_share_of_core", json_real(found->first / found->seconds));
    json_object_set_new(root, "workers_cpu_seconds", json_real(found->worker));
    json_object_set_new(root, "worker_share_of_core", json_real(found->worker / workers_of(found) / found->seconds));
    json_object_set_new(root, "workers_busy", json_real(busy(found)));
    json_dumpf(root, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(root);
}

static int measure(const struct options *options, struct throughput *found, struct error *err)
{
    static const struct lock_wish wish = {.break_lock = false};
    struct session session;
    struct error closing;
    int status = session_open(options, &wish, MPI_COMM_WORLD, &session, err);
    if (status == 0) status = run(options, &session, found, err);
    int closed = session_close(&session, &closing);
    if (status == 0 && closed != 0) *err = closing;
    return status == 0 ? closed : status;
}

static int clear_away(const char *sweep, const char *results, struct error *err)
{
    int status = results ? store_remove(results, err) : 0;
    if (unlink(sweep) == 0 || status != 0) return status;
    return error_set(err, ERROR_OUTSIDE, "%s: cannot be removed: %s", sweep, strerror(errno));
}

/* Rank 0 lays the sweep beside the file and takes it away again, with the file unless that is to stay; the others wait
 * for the one and are not needed for the other. */
static int measure_in_scratch(const struct options *options, bool stays, struct throughput *found, struct error *err)
{
    struct options scratch = *options;
    struct error clearing;
    int rank, status = 0;
    char *yaml = bench_schedule_sweep(options->stages);
    char *path = memory_format("%s.sweep.yaml", options->output);
    scratch.file = path;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == 0) {
        status = check_folder(options->output, err);
        if (status == 0) status = check_absent(options->output, err);
        if (status == 0) status = check_absent(path, err);
        if (status == 0) status = file_write_atomic(path, yaml, strlen(yaml), err);
    }
    status = schedule_agree(MPI_COMM_WORLD, status, err);
    if (status == 0) {
        status = measure(&scratch, found, err);
        MPI_Barrier(MPI_COMM_WORLD);
        if (rank == 0) {
            int cleared = clear_away(path, stays && status == 0 ? NULL : options->output, &clearing);
            if (status == 0 && cleared != 0) *err = clearing;
            if (status == 0) status = cleared;
        }
        status = schedule_agree(MPI_COMM_WORLD, status, err);
    }
    memory_free(path);
    memory_free(yaml);
    return status;
}

int command_bench_schedule(const struct options *options, struct error *err)
{
    struct options chosen = *options;
    struct throughput found = {.seconds = 0};
    int rank;
    if (!chosen.output) chosen.output = "palimpsest-bench.h5";
    ranks_start(options->verbose);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    int status = measure_in_scratch(&chosen, options->output != NULL, &found, err);
    if (status == 0 && rank == 0) (options->json ? print_json : print_text)(&found);
    return ranks_end(status, err);
}
