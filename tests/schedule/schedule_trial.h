/* What the programs that test scheduling share: a random tree, a run of it, and what all ranks did together.  Every
 * function is called on all ranks. */
#ifndef SCHEDULE_TRIAL_H
#define SCHEDULE_TRIAL_H

#include "fake_rooms.h"

#define TRIAL_STARTING 1000.0 /* seconds that every run says it took to start */

extern int rank, ranks;
extern char trial_path[256];          /* of the results */
extern double trial_checkpoint_every; /* 0: as in earnest */

void trial_start(int *argc, char ***argv); /* MPI, and a folder of its own */
int trial_end(int failed);                 /* the exit status */

/* The same on all ranks, with two views for every third stage, and very many for one. */
struct plan *trial_tree(uint64_t seed, int stages);
void trial_drop(struct plan **plan);
void trial_begin(const struct plan *plan); /* empty results, and nothing goes wrong */
int trial_run(const struct plan *plan, double time_limit, bool retry_failed, struct certificate *certificate,
              struct error *err);
/* As a run in a batch job that sends SIGUSR1 before its end. */
int trial_run_warned(const struct plan *plan, double time_limit, bool warned, bool retry_failed,
                     struct certificate *certificate, struct error *err);
struct fake_log trial_log(void); /* summed over all ranks, on all ranks: so that all fail a test together */
bool trial_descends(const struct plan *plan, int stage, int from);

#endif
