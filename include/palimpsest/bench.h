/* bench: what the machine can do, measured by the program's own code on work of a known size. */
#ifndef PALIMPSEST_BENCH_H
#define PALIMPSEST_BENCH_H

#include "palimpsest/base_profile.h"
#include "palimpsest/schedule.h"
#include "palimpsest/spec.h"

/* ---- the limit of a core ---- */

/* FLOP/s that multiply-adds reach which touch nothing but registers, in single precision, on the core that calls: the
 * best of many rounds within `seconds`.  The widest vectors that the processor has are used; where it has no fused
 * multiply-add, a multiplication and an addition stand for it. */
double bench_core_limit(double seconds);
const char *bench_core_vectors(void); /* which vectors those are: "AVX-512", "AVX2", "SSE2", "NEON", "plain" */

/* ---- training ---- */

enum { BENCH_LENGTHS = 16 };
struct bench_shape {
    struct model_shape shape;
    int batch;     /* windows of shape.context tokens in one step of pretraining */
    int texts;     /* in one step of fine-tuning */
    /* Of those texts, tokens, each of as many; what is longer than the context counts as cut to it.  All 0: spread
     * evenly from a sixth to half of the context. */
    int length[BENCH_LENGTHS];
};
enum { BENCH_SHAPES = 6 };
extern const struct bench_shape bench_shapes[BENCH_SHAPES]; /* from 32 to 512 channels: what is measured by default */

struct step_speed {              /* steps, or passes, of one kind */
    int batch, count;            /* sequences of each; how many were measured */
    double tokens, flops;        /* of one; FLOPs as shape_training_flops counts them */
    double seconds, least, most; /* of one: the median, the fastest, the slowest */
};
struct training_speed {
    struct step_speed step;          /* of train_pretrain: data, forward, backward, clip, AdamW */
    struct step_speed small;         /* the same with an eighth of the batch: what a step costs beside its FLOPs */
    struct step_speed forward;       /* a pass without gradient, as evaluation does it */
    struct step_speed finetune;      /* of train_finetune, on texts: the same parts, but a head in place of all words */
    double part[PROFILE_PART_COUNT]; /* share of a step's time */
    double clock;                    /* share of a step's time that taking the profile costs; not in the medians */
    double limit;                    /* the best of bench_core_limit, measured in turns with the steps; FLOP/s */
};
/* Measures steps of the real trainer on random tokens for about `seconds`, at least three, on the core that calls, with
 * the kernels that were started.  ERROR_INPUT: what bench_train_check refuses; ERROR_STAGE: training failed. */
int bench_train(const struct bench_shape *shape, double seconds, struct training_speed *speed, struct error *err);
/* ERROR_INPUT: heads that do not divide the width, more memory than the machine has. */
int bench_train_check(const struct bench_shape *shape, struct error *err);

/* ---- scheduling ---- */

/* A sweep of `stages` last fine-tunings, or the next number that fills its grid, which hang on three other stages: what
 * passes through the ranks is rows and marks, not checkpoints.  YAML, memory_free. */
#define BENCH_SCHEDULE_NAME "bench-schedule" /* of that sweep */
char *bench_schedule_sweep(int stages);
struct bench_stage {
    unsigned instruments; /* of the sweep */
    double seconds;       /* that a stage sleeps, in steps of a few milliseconds as training takes them; 0: none */
};
schedule_stage_f bench_stage_run; /* context: struct bench_stage.  Its record is all zeros. */

/* ---- the order of work, in virtual time ---- */

struct bench_grid { /* sizes of cost 1, 4, 16 and so on, amounts that double, tasks in ordered pairs */
    int sizes, varieties, seeds, amounts, tasks;
    double finetune; /* seconds of one fine-tuning at the smallest size; the smallest amount takes 1 */
};
extern const struct bench_grid bench_grid; /* what is simulated where no sweep is named */
/* Only what the ledger looks at, for bench_plan_destroy; seconds[stages]: of each stage, memory_free. */
struct plan *bench_grid_plan(const struct bench_grid *grid, double **seconds);
void bench_plan_destroy(struct plan **plan);
/* seconds[stages], each times a log-normal factor: exp of a normal number of that deviation; memory_free. */
double *bench_with_errors(const struct plan *plan, const double *seconds, double deviation, uint64_t seed);
/* Seconds that no order of work falls below, closer than a certificate's bound where many ranks wait for a few long
 * chains: for every moment, what cannot start before it is still to be shared by the ranks after it. */
double bench_sharper_bound(const struct plan *plan, const double *seconds, int ranks);

#define BENCH_DEVIATION 0.3 /* of the logarithms of predictions "with 30 % errors" */
struct bench_order {
    enum order order;
    bool errors; /* it is steered by predictions with errors; only the critical path is steered by any */
};
enum { BENCH_ORDERS = 4 };
extern const struct bench_order bench_orders[BENCH_ORDERS];
/* Each of bench_orders on so many ranks; seconds[stages] pass.  seed: of the errors and of the random order. */
void bench_simulate(const struct plan *plan, const double *seconds, int ranks, uint64_t seed,
                    struct certificate found[BENCH_ORDERS]);

#endif
