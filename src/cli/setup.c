/* A sweep with its world and plan. */
#include <math.h>
#include <unistd.h>

#include "cli_private.h"
#include "palimpsest/kernels_start.h"

int setup_parse(const char *path, const char *text, struct setup *setup, struct error *err)
{
    struct setup made = {.sweep = NULL};
    int status = 0;
    TRY_DONE(config_read(path, text, &made.sweep, err));
    TRY_DONE(world_create(&made.sweep->world, (const char(*)[NAME_MAX_BYTES])made.sweep->tasks, made.sweep->task_count,
                          sweep_longest_context(made.sweep), &made.world, err));
    made.loaded = memory_count();
done:
    if (status != 0)
        setup_reset(&made);
    else
        *setup = made;
    return status;
}

int setup_read(const char *path, struct setup *setup, struct error *err)
{
    char *text;
    size_t length;
    TRY(config_load(path, &text, &length, err));
    int status = setup_parse(path, text, setup, err);
    memory_free(text);
    return status;
}

int setup_plan(struct setup *setup, bool sharing, struct error *err)
{
    return plan_create(setup->sweep, world_facts(setup->world), &setup->numerics, sharing, &setup->plan, err);
}

void setup_reset(struct setup *setup)
{
    plan_destroy(&setup->plan);
    world_destroy(&setup->world);
    sweep_destroy(&setup->sweep);
}

/* What MPI_Init, and then the open results file and the matrix products add, in bytes, to a program that only has its
 * libraries loaded; for each variable of the file; and what rank 0 takes more, for having written its skeleton.
 * Measured with tools/bench_memory.py, with and without instruments (Open MPI 4.1.4, HDF5 1.10.8, OpenBLAS 0.3.21, 1
 * and 3 ranks on a host). */
static const double STARTED_BYTES = 12 << 20, OPENED_BYTES = 4 << 20, VARIABLE_BYTES = 19 << 10,
                    CREATED_BYTES = 4 << 20;

/* Before the results file is open. */
static double program_bytes(void)
{
    int64_t resident;
    int started;
    memory_resident(&resident, NULL);
    MPI_Initialized(&started);
    return fmax(0, (double)resident - (double)memory_count().bytes) + (started ? 0 : STARTED_BYTES);
}

/* The most that is counted at once may have been while the world was read, long before there was a results file. */
void setup_memory(const struct setup *setup, int threads, struct memory_need *need)
{
    const struct memory_count *loaded = &setup->loaded, now = memory_count();
    double stage = (double)(setup->plan->state_bytes_max + setup->plan->work_bytes_max), closed = program_bytes();
    stage += (threads - 1) * (double)kernels_thread_bytes(sweep_longest_context(setup->sweep));
    double program = closed + OPENED_BYTES + plan_variables(setup->plan) * VARIABLE_BYTES;
    double loading = closed + (double)loaded->peak_bytes;
    double planned = (double)(now.peak_bytes > loaded->peak_bytes ? now.peak_bytes : now.bytes);
    *need = (struct memory_need){
        .program = program,
        .worker = fmax(loading, program + (double)loaded->bytes + stage),
        .coordinator = fmax(loading, program + CREATED_BYTES + planned),
        .alone = fmax(loading, program + CREATED_BYTES + fmax(planned, (double)now.bytes + stage)),
    };
}

/* The most that any of so many ranks needs. */
static double most_bytes(const struct setup *setup, const struct options *options, int ranks)
{
    struct memory_need need;
    setup_memory(setup, options->threads, &need);
    return ranks == 1 ? need.alone : fmax(need.worker, need.coordinator);
}

int setup_check_memory(const struct setup *setup, const struct options *options, int ranks, struct error *err)
{
    char need[32], limit[32];
    double bytes = most_bytes(setup, options, ranks);
    if (options->max_memory == 0 || bytes <= (double)options->max_memory) return 0;
    return error_set(err, ERROR_INPUT, "%s: the largest stage needs %s per rank, more than --max-memory %s",
                     options->file, format_bytes(bytes, need, sizeof need),
                     format_bytes((double)options->max_memory, limit, sizeof limit));
}

int setup_check_machine(const struct setup *setup, const struct options *options, int ranks, struct error *err)
{
    char need[32], there[32];
    double bytes = most_bytes(setup, options, ranks),
           machine = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    if (options->max_memory != 0 || machine <= 0 || bytes <= machine) return 0;
    return error_set(err, ERROR_INPUT,
                     "%s: the largest stage needs %s per rank, and this machine has %s; make the model or the batch "
                     "smaller, or say --max-memory to try nevertheless",
                     options->file, format_bytes(bytes, need, sizeof need), format_bytes(machine, there, sizeof there));
}
