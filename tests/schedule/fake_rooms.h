/* Stands in for plan, stage and store, so that scheduling is tested without training and without HDF5.  The results
 * file is one byte of status per row, checkpoints are files that hold their own id; a stage sleeps. */
#ifndef FAKE_ROOMS_H
#define FAKE_ROOMS_H

#include "palimpsest/schedule.h"

enum { FAKE_MOST = 4096 };
struct fake_behaviour { /* the same on all ranks, set before a run; stage numbers, -1: none */
    double seconds;     /* of each stage, slept in slices of a training step */
    int diverges;       /* this stage fails by itself */
    int breaks;         /* the row of this stage cannot be written */
    int unreadable;     /* the checkpoint of this stage cannot be read, once on each rank */
    int sync_fails_on;  /* rank */
    bool unremovable;   /* no checkpoint can be removed */
    bool looked_otherwise; /* nothing that is there of a stage can be continued */
    int drains;         /* as this stage begins, rank 0 gets a SIGALRM; its process: coordinator */
    int coordinator;
    int dies; /* as this stage begins, what the files hold is kept: fake_results_die */
};
extern struct fake_behaviour fake;

struct fake_log {                                                /* what this rank did in the run; [FAKE_MOST] by row */
    int written[FAKE_MOST], marked[FAKE_MOST], begun[FAKE_MOST]; /* begun: went on from steps done before */
    double started[FAKE_MOST], committed[FAKE_MOST];       /* clock_seconds, the same clock on all ranks of one host */
    int alone[FAKE_MOST];                                  /* began alone, everybody else idle */
    int checkpoints_written, checkpoints_removed, commits; /* commits: of any number of rows */
    int wrong_inputs;                                      /* a stage was given another state than it needs */
    int wrong_notes; /* a stage began, and the file did not say that just this one of this rank runs */
};
extern struct fake_log fake_log;

/* An empty results file for the plan at path, and no checkpoints (one rank). */
void fake_results_create(const char *path, const struct plan *plan);
void fake_results_use(const char *path); /* what the store of this rank writes into */
enum stage_status fake_results_status(const char *path, int row);
int fake_checkpoints(const char *path, const struct plan *plan); /* how many there are */
void fake_attempts_write(const char *path, int row, const struct stage_attempt *attempt);
/* What a run that was killed as fake.dies began would have left in the results file (one rank, after the run). */
void fake_results_die(const char *path);
void fake_lose_checkpoints(const char *path, const struct plan *plan);

#endif
