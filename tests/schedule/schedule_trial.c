/* A run of a random tree on as many ranks as mpirun gives, in the rooms of fake_rooms.h. */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../ledger/plan_trees.h"
#include "schedule_trial.h"

int rank, ranks;
char trial_path[256];
double trial_checkpoint_every;

enum { WITH_MANY_VIEWS = 6, MANY_VIEWS = 600 }; /* more than one message holds beside anything else */

struct plan *trial_tree(uint64_t seed, int stages)
{
    struct plan *plan = tree_random(seed, stages);
    plan->view = memory_array((size_t)(2 * stages + MANY_VIEWS), sizeof *plan->view);
    for (int s = 0; s < stages; s++) {
        plan->stage[s].first_view = plan->view_count;
        plan->stage[s].views = s == WITH_MANY_VIEWS ? MANY_VIEWS : s % 3 == 0 ? 2 : 0;
        plan->stage[s].training_flops = 1e9;
        for (int v = 0; v < plan->stage[s].views; v++) plan->view[plan->view_count++].index = s * 10 + v;
    }
    return plan;
}

void trial_drop(struct plan **plan)
{
    memory_free((*plan)->view);
    tree_destroy(plan);
}

void trial_begin(const struct plan *plan)
{
    fake = (struct fake_behaviour){
        .diverges = -1, .breaks = -1, .unreadable = -1, .sync_fails_on = -1, .drains = -1, .dies = -1};
    fake_log = (struct fake_log){.checkpoints_written = 0};
    trial_checkpoint_every = 0;
    if (rank == 0) fake_results_create(trial_path, plan);
    fake_results_use(trial_path);
    MPI_Barrier(MPI_COMM_WORLD);
}

int trial_run_warned(const struct plan *plan, double time_limit, bool warned, bool retry_failed,
                     struct certificate *certificate, struct error *err)
{
    struct schedule_options options = {.results_path = trial_path,
                                       .began = clock_seconds() - TRIAL_STARTING,
                                       .time_limit = time_limit,
                                       .warned = warned,
                                       .checkpoint_every = trial_checkpoint_every,
                                       .attempts = 3,
                                       .keep = KEEP_NONE,
                                       .retry_failed = retry_failed,
                                       .assumed_flops_per_second = 1e10};
    *certificate = (struct certificate){0};
    int status = schedule_run(MPI_COMM_WORLD, rank == 0 ? plan : NULL, NULL, NULL, &options, certificate, err);
    MPI_Bcast(certificate, sizeof *certificate, MPI_BYTE, 0, MPI_COMM_WORLD);
    return status;
}

int trial_run(const struct plan *plan, double time_limit, bool retry_failed, struct certificate *certificate,
              struct error *err)
{
    return trial_run_warned(plan, time_limit, false, retry_failed, certificate, err);
}

struct fake_log trial_log(void)
{
    struct fake_log all = {.checkpoints_written = 0};
    const int counts[] = {fake_log.checkpoints_written, fake_log.checkpoints_removed, fake_log.wrong_inputs,
                          fake_log.wrong_notes, fake_log.commits};
    int sums[5];
    MPI_Allreduce(fake_log.written, all.written, FAKE_MOST, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    MPI_Allreduce(fake_log.marked, all.marked, FAKE_MOST, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    MPI_Allreduce(fake_log.begun, all.begun, FAKE_MOST, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    MPI_Allreduce(fake_log.started, all.started, FAKE_MOST, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    MPI_Allreduce(fake_log.committed, all.committed, FAKE_MOST, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    MPI_Allreduce(fake_log.alone, all.alone, FAKE_MOST, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    MPI_Allreduce(counts, sums, 5, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    all.checkpoints_written = sums[0], all.checkpoints_removed = sums[1], all.wrong_inputs = sums[2];
    all.wrong_notes = sums[3], all.commits = sums[4];
    return all;
}

bool trial_descends(const struct plan *plan, int stage, int from)
{
    bool found = stage == from;
    for (int i = -1; i < plan->stage[stage].needs && !found; i++) {
        int input = i < 0 ? plan->stage[stage].parent : plan->need[plan->stage[stage].first_need + i];
        found = input >= from && trial_descends(plan, input, from);
    }
    return found;
}

void trial_start(int *argc, char ***argv)
{
    static char folder[] = "/tmp/palimpsest-schedule-XXXXXX";
    MPI_Init(argc, argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    if (rank == 0 && !mkdtemp(folder)) MPI_Abort(MPI_COMM_WORLD, 1);
    MPI_Bcast(folder, sizeof folder, MPI_BYTE, 0, MPI_COMM_WORLD);
    snprintf(trial_path, sizeof trial_path, "%s/r", folder);
    log_configure(LOG_ERROR, rank);
}

int trial_end(int failed)
{
    failed += memory_count().blocks != 0;
    if (rank == 0) {
        char *attempts = memory_format("%s.attempts", trial_path), *slash = strrchr(trial_path, '/');
        unlink(trial_path);
        unlink(attempts);
        memory_free(attempts);
        *slash = '\0';
        rmdir(trial_path);
    }
    if (failed) MPI_Abort(MPI_COMM_WORLD, 1); /* the others may wait in a collective call */
    MPI_Finalize();
    return 0;
}
