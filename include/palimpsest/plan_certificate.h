/* The account of a run, or of a simulated one: how long it took, what the shortest time would be, where the time of the
 * ranks went. */
#ifndef PALIMPSEST_PLAN_CERTIFICATE_H
#define PALIMPSEST_PLAN_CERTIFICATE_H

#include <stdint.h>

/* What ranks do with their time: X(member, name for people). */
#define TIME_SPENT(X)                                                                                                  \
    X(training, "training")           /* optimiser steps */                                                            \
    X(data, "making batches")         /* for them */                                                                   \
    X(measuring, "evaluating")        /* with the data for that */                                                     \
    X(reading, "reading checkpoints") /* of the states that stages start from */                                       \
    X(saving, "writing checkpoints")                                                                                   \
    X(rows, "writing rows")           /* with marks, attempts and syncs */                                             \
    X(messages, "messages")           /* between steps, and giving the core to whoever else wants it meanwhile */
#define TIME_MEMBER(member, name) double member;
struct time_spent { /* seconds, none of them counted twice */
    TIME_SPENT(TIME_MEMBER)
};
#undef TIME_MEMBER

struct certificate { /* seconds; of a simulation or of a real run */
    int ranks;                  /* that carry out stages */
    double makespan, work, critical_path, lower_bound; /* lower_bound = max(work / ranks, critical_path) */
    double idle_parent, idle_tail, idle_io, idle_drain; /* rank-seconds by cause; sum + work = ranks * makespan */
    int64_t steps_executed, steps_tree;
    double flops_per_cell_alone, flops_one_pretraining_each, flops_tree;
    int stages_done, stages_failed, stages_skipped;
    /* of a real run only */
    double starting; /* rank-seconds before the makespan: from the start of the program to the first stage */
    int64_t peak_bytes, peak_bytes_rank_0; /* most memory of any rank that carries out stages; of rank 0 */
    struct time_spent spent; /* rank-seconds; last, as in the file */
};

#endif
